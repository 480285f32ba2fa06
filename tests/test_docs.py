"""Every snippet of the documentation and the README runs, and says what it says it does."""

import ast
import doctest
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(
    page
    for page in [*DOCS.glob("*.rst"), *DOCS.glob("guide/*.rst")]
    if page.name != "sg_execution_times.rst"
)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
# Pages on which code of other packages stands beside ours.
WITH_FOREIGN_CODE = {"migrating.rst", "other_packages.rst"}

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="the package comes without its docs")


@pytest.fixture(autouse=True)
def closed_figures():
    """Close what a page draws."""
    yield
    plt.close("all")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_snippets_of_a_page_run(page):
    failed, _ = doctest.testfile(
        str(page), module_relative=False, optionflags=FLAGS, encoding="utf-8"
    )
    assert failed == 0


def test_there_is_a_guide():
    total = sum(page.read_text(encoding="utf-8").count("\n>>> ") for page in PAGES)
    assert len(PAGES) >= 13 and total > 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_our_code_is_written_so_that_it_runs(page):
    """Code without prompts is not run, and so is only for code of other packages."""
    blocks = re.findall(r"code-block:: python\n(.*)", page.read_text(encoding="utf-8"))
    if page.name in WITH_FOREIGN_CODE:
        assert blocks and all(":caption:" in first for first in blocks)
    else:
        assert not blocks


def test_readme_runs():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert blocks
    namespace = {}
    for block in blocks:
        for statement in ast.parse(block).body:
            source = ast.get_source_segment(block, statement)
            line = block.splitlines()[statement.end_lineno - 1]
            promised = re.search(r"#\s*(0\.\d+)\s*$", line)
            if promised and isinstance(statement, ast.Expr):
                value = eval(source, namespace)
                assert value == pytest.approx(float(promised[1]), abs=0.03), source
            else:
                exec(source, namespace)


def test_readme_and_docs_tell_the_same_numbers():
    """The table against other packages stands in two places."""
    rows = re.compile(
        r"^\| (?:sktime|reservoirpy|sklearn-rnn|\*\*sklearn-rnn).*\|$", flags=re.MULTILINE
    )
    readme = rows.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    performance = rows.findall((DOCS / "performance.md").read_text(encoding="utf-8"))
    assert readme and readme == performance


def test_figures_for_users_stand_in_the_laboratory():
    page = (DOCS / "performance.md").read_text(encoding="utf-8")
    laboratory = [*(ROOT / "benchmarks" / "laboratory").glob("*.md")]
    kept = "".join(book.read_text(encoding="utf-8") for book in laboratory)
    figures = set(re.findall(r"(?<![\d.])\d+\.\d{3,}(?![\d.])", page))
    assert len(figures) > 80
    assert not [figure for figure in figures if figure not in kept]


def test_paths_that_the_docs_name_exist():
    named = re.compile(
        r"`((?:benchmarks|docs|examples|tests|sklearn_rnn|sequences|nn|training)/[\w./]+)`"
    )
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.glob("*.md"), *PAGES]
    missing = [
        f"{page.name}: {path}"
        for page in pages
        for path in named.findall(page.read_text(encoding="utf-8"))
        if "_build" not in path
        and not (ROOT / path).exists()
        and not (ROOT / "sklearn_rnn" / path).exists()
    ]
    assert not missing


def test_numbers_stand_where_so_many_would():
    vague = re.compile(r"\b(?:so|as) many\b")
    pages = [ROOT / "README.md", DOCS / "design.md", DOCS / "performance.md", *PAGES]
    assert not [page.name for page in pages if vague.search(page.read_text(encoding="utf-8"))]


def test_every_public_name_has_a_page():
    import sklearn_rnn

    listed = set(re.findall(r"^   (\w+)$", (DOCS / "api.rst").read_text(encoding="utf-8"), re.M))
    for module in ("", *sklearn_rnn._SUBPACKAGES):
        owner = getattr(sklearn_rnn, module) if module else sklearn_rnn
        names = {name for name in owner.__all__ if not name.startswith("__")}
        assert names - set(sklearn_rnn._SUBPACKAGES) <= listed, module or "the package itself"
