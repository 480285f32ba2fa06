"""Recipes of the page on other packages: each runs where its package is installed."""

import re
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "guide" / "other_packages.rst"

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the package comes without its docs")


def recipes():
    """Return the code of each caption."""
    if not PAGE.is_file():
        return {}
    block = re.compile(r"\.\. code-block:: python\n   :caption: (.*)\n\n((?:   .*\n|\n)+)")
    found = block.findall(PAGE.read_text(encoding="utf-8"))
    return {caption: textwrap.dedent(code) for caption, code in found}


RECIPES = recipes()
START = "What the recipes start from"


def run(code, folder):
    """Run code in a process of its own: packages set up clusters, and warn as they like."""
    script = folder / "recipe.py"
    script.write_text(RECIPES[START] + "\n" + code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], cwd=folder, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_every_package_has_a_recipe():
    asked = "optuna mlflow skops mapie imblearn skrub shap dask ray".split()
    assert set(RECIPES) == {START, *asked}


def test_the_start_runs(tmp_path):
    run("assert model.score(X, y) > 0.7", tmp_path)


@pytest.mark.parametrize("package", [name for name in RECIPES if name != START])
def test_recipe(package, tmp_path):
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    run(RECIPES[package], tmp_path)
