"""The pages of docs/contributing are followed to the letter, in a copy of the package."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs" / "contributing").glob("adding_*.rst"))
BLOCK = re.compile(
    r"^\.\. code-block:: (python|diff)\n   :caption: (\S+)\n\n((?:   .*\n|\n)+)", flags=re.MULTILINE
)

pytestmark = pytest.mark.skipif(not PAGES, reason="the package comes without its docs")


def edited(text: str, change: list[str]) -> str:
    """Apply lines of a diff: kept ones are looked for, others put or taken away after them."""
    lines, place = text.split("\n"), 0
    for line in change:
        if line.startswith("+"):
            lines.insert(place, line[1:])
            place += 1
        elif line:
            where = lines.index(line[1:], place)
            if line.startswith("-"):
                del lines[where]
                place = where
            else:
                place = where + 1
    return "\n".join(lines)


def follow(page: Path, root: Path) -> list[str]:
    """Write and change the files that a page shows; return its tests."""
    tests = []
    for kind, name, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        path, lines = root / name, [line[3:] for line in block.rstrip("\n").split("\n")]
        if kind == "python":
            assert not path.exists(), f"{name} is there already"
            path.parent.mkdir(parents=True, exist_ok=True)
            text = "\n".join(lines) + "\n"
        else:
            text = edited(path.read_text(encoding="utf-8"), lines)
        path.write_text(text, encoding="utf-8")
        tests += [name] if name.startswith("tests/") else []
    return tests


@pytest.fixture
def copied(tmp_path):
    for name in ("sklearn_rnn", "tests/conftest.py", "tests/test_layers.py", "pyproject.toml"):
        source, target = ROOT / name, tmp_path / name
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_adds_what_it_says(page, copied):
    tests = follow(page, copied)
    assert tests, "a page ends with a test"
    environment = {**os.environ, "PYTHONPATH": str(copied), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "tests/test_layers.py", *tests],
        cwd=copied,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_a_change_is_put_after_what_is_kept():
    text = "a\nb\nc\nb\n"
    assert edited(text, [" c", "+new", "-b"]) == "a\nb\nc\nnew\n"
    with pytest.raises(ValueError, match="is not in list"):
        edited(text, [" d", "+new"])
