"""The repository as a newcomer finds it: what is tracked, that versions and targets agree."""

import re
import shutil
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import sklearn_rnn

ROOT = Path(__file__).parents[1]
MAX_BYTES = 600_000
# A path that exists on one machine only.
MACHINE_PATH = re.compile(rb"/(?:work|tmp|root|farm|home|Users)/")

pytestmark = pytest.mark.skipif(
    not (ROOT / "pyproject.toml").exists(), reason="the package is not in its repository"
)


def tracked() -> list[Path]:
    """List the files under version control."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("no git checkout")
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    names = listed.stdout.decode().split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def pyproject() -> dict:
    """Read pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def requirements() -> list[Requirement]:
    """List what the package and its tools for testing, linting and documenting ask for."""
    project = pyproject()["project"]
    extras = project["optional-dependencies"]
    texts = list(project["dependencies"])
    for extra in ("plot", "progress", "text", "test", "lint", "docs"):
        texts += [text for text in extras[extra] if not text.startswith("sklearn-rnn")]
    return [Requirement(text) for text in texts] + [
        Requirement(text) for text in pyproject()["build-system"]["requires"]
    ]


def pins() -> dict[str, str]:
    """Read constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    entries = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in entries}


def test_no_tracked_file_is_large():
    assert not [path.name for path in tracked() if path.stat().st_size > MAX_BYTES]


def test_no_path_of_one_machine():
    assert not [
        f"{path.relative_to(ROOT)}: {found[0].decode()}"
        for path in tracked()
        if path.suffix not in {".npz", ".gz", ".png"}
        and (found := MACHINE_PATH.search(path.read_bytes()))
    ]


def test_nothing_built_is_tracked():
    assert not [path for path in tracked() if {"__pycache__", ".venv", "_build"} & set(path.parts)]


def test_version_is_told_once():
    assert "version" in pyproject()["project"]["dynamic"]
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+|rc\d+)?", sklearn_rnn.__version__)
    try:
        installed = metadata.version("sklearn-rnn")
    except metadata.PackageNotFoundError:
        pytest.skip("the package is not installed")
    assert installed == sklearn_rnn.__version__


def test_changelog_knows_the_version():
    released = re.sub(r"\.dev\d+$", "", sklearn_rnn.__version__)
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = "[Unreleased]" if ".dev" in sklearn_rnn.__version__ else f"[{released}]"
    assert f"\n## {heading}" in text


def test_constraints_pin_every_requirement_within_its_range():
    pinned = pins()
    for requirement in requirements():
        name = canonicalize_name(requirement.name)
        assert name in pinned, f"{name} is not in constraints.txt"
        assert requirement.specifier.contains(pinned[name], prereleases=True), str(requirement)


def test_constraints_hold_versions_alone():
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)


def test_the_oldest_versions_are_the_floors_of_the_ranges():
    project = pyproject()["project"]
    extras = project["optional-dependencies"]
    texts = list(project["dependencies"])
    for extra in ("plot", "progress", "text", "fast", "test"):
        texts += [text for text in extras[extra] if not text.startswith("sklearn-rnn")]
    floors = {}
    for requirement in map(Requirement, texts):
        (floor,) = (part.version for part in requirement.specifier if part.operator == ">=")
        floors[canonicalize_name(requirement.name)] = Version(floor)
    lines = (ROOT / "constraints-oldest.txt").read_text(encoding="utf-8").splitlines()
    entries = [line.split("==") for line in lines if line and not line.startswith("#")]
    assert {canonicalize_name(name): Version(version) for name, version in entries} == floors


def test_all_extra_holds_every_extra_for_users():
    extras = pyproject()["project"]["optional-dependencies"]
    (gathered,) = extras["all"]
    assert set(Requirement(gathered).extras) == set(extras) - {"all", "test", "lint", "docs", "dev"}


def test_every_extra_serves_code_of_ours():
    """An extra that no line asks for promises what is not there."""
    extras = pyproject()["project"]["optional-dependencies"]
    (gathered,) = extras["all"]
    source = "".join(path.read_text("utf-8") for path in (ROOT / "sklearn_rnn").rglob("*.py"))
    for extra in Requirement(gathered).extras - {"progress"}:  # scikit-learn's ProgressBar asks
        for name in (Requirement(text).name for text in extras[extra]):
            assert re.search(rf"\b{name}\b", source), f"{extra}: nothing uses {name}"


@pytest.mark.parametrize(
    "target",
    ["demo", "test", "test-oldest", "doctest", "lint", "format", "docs", "ci", "clean", "help"],
)
def test_makefile_has_the_target(target):
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", text, flags=re.MULTILINE)
    assert target in re.search(r"^\.PHONY: (.*)$", text, flags=re.MULTILINE)[1].split()


def test_what_the_makefile_runs_exists():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    for script in re.findall(r"^\t\$\(PY\) (\S+\.py)", text, flags=re.MULTILINE):
        assert (ROOT / script).is_file(), script


def test_ci_runs_the_makefile():
    text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "set -euo pipefail" in text
    assert {"make test", "make lint", "make doctest"} <= set(text.splitlines())


def test_typing_marker_and_licences_are_shipped():
    package = Path(sklearn_rnn.__file__).parent
    assert (package / "py.typed").is_file()
    assert (package / "datasets" / "data" / "LICENSES.md").is_file()
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("BSD 3-Clause License")
