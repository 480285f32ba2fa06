"""The pages on adding something can be done, in a copy of the package."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "contributing"
PAGES = sorted(page for page in FOLDER.glob("*.rst") if page.stem != "index")
COPIED = ("sklearn_rnn", "tests", "docs", "pyproject.toml")
BLOCK = re.compile(
    r"^\.\. code-block:: (?P<kind>\w+)\n"
    r"(?:   :caption: (?P<path>.+)\n)?"
    r"\n(?P<text>(?:(?:   .*)?\n)+)",
    re.MULTILINE,
)

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the package comes without its docs")


class Block(NamedTuple):
    """A code block of a page: its language, the file in its caption if it has one, and its text."""

    kind: str
    path: str | None
    text: str


def read_blocks(page):
    """Return the code blocks of a page in their order."""
    text = page.read_text(encoding="utf-8") + "\n"
    found = [
        Block(match["kind"], match["path"], textwrap.dedent(match["text"]).strip("\n") + "\n")
        for match in BLOCK.finditer(text)
    ]
    assert len(found) == text.count(".. code-block::"), "a block is written in another way"
    return found


def changed(text, change):
    """Return a text with a change made: lines begin with a space, with + or with -."""
    lines = change.splitlines()
    assert all(line[:1] in " +-" for line in lines), "each line begins with a space, + or -"
    before = "".join(line[1:] + "\n" for line in lines if line[:1] != "+")
    after = "".join(line[1:] + "\n" for line in lines if line[:1] != "-")
    places = [match.start() for match in re.finditer(f"^{re.escape(before)}", text, re.MULTILINE)]
    assert before and len(places) == 1, f"must stand there once:\n{before}"
    return text[: places[0]] + after + text[places[0] + len(before) :]


def run(arguments, folder):
    """Run a command in the copy, whose package is the one that is imported."""
    environment = os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    return done.stdout


def do(block, folder):
    """Do in the copy what a block says."""
    file = None if block.path is None else folder / block.path
    if block.kind == "diff":
        file.write_text(changed(file.read_text(encoding="utf-8"), block.text), encoding="utf-8")
    elif block.kind == "console":
        for line in block.text.splitlines():
            prompt, command, *arguments = shlex.split(line)
            assert (prompt, command) == ("$", "python"), line
            quick = ["-q", "-p", "no:cacheprovider"] if arguments[:2] == ["-m", "pytest"] else []
            run([*arguments, *quick], folder)
    elif block.kind == "python" and file is None:
        run(["-c", block.text], folder)
    else:
        assert block.kind == "python", f"a block of {block.kind} has no meaning here"
        assert not file.exists(), f"{block.path} is there already"
        file.write_text(block.text, encoding="utf-8")


@pytest.fixture
def copy(tmp_path):
    """Return a folder with a copy of the package, its tests and its pages."""
    ignored = shutil.ignore_patterns("__pycache__", "_build", "generated", "auto_examples")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=ignored)
        else:
            shutil.copy(source, tmp_path / name)
    found = run(["-c", "import sklearn_rnn; print(sklearn_rnn.__file__)"], tmp_path)
    assert Path(found.strip()).is_relative_to(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_can_be_done(page, copy):
    for block in read_blocks(page):
        do(block, copy)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_adds_something_and_tests_it(page):
    """A page has a new file, a change to one that is there, and runs a test that it has written."""
    blocks = read_blocks(page)
    written = [block.path for block in blocks if block.kind == "python" and block.path]
    tests = [path for path in written if path.startswith("tests/")]
    assert tests and len(written) > len(tests)
    assert any(block.kind == "diff" for block in blocks)
    commands = "".join(block.text for block in blocks if block.kind == "console")
    assert all(path in commands for path in tests)


def test_every_page_is_listed():
    listed = (FOLDER / "index.rst").read_text(encoding="utf-8")
    assert [page.stem for page in PAGES if f"   {page.stem}\n" not in listed] == []


def test_a_page_that_is_out_of_date_fails():
    """The lines that a change begins with must stand in the file, and once."""
    assert changed("one\ntwo\n", " one\n+three\n-two\n") == "one\nthree\n"
    assert changed("    a\n", "     a\n+    b\n") == "    a\n    b\n"
    for text in ("two\n", "one\none\n", "one more\n"):
        with pytest.raises(AssertionError, match="must stand there once"):
            changed(text, " one\n+two\n")
    with pytest.raises(AssertionError, match="begins with"):
        changed("one\n", "one\n")
