"""Every example runs, without a warning, and draws what it promises."""

import runpy
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("plot_*.py"))

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the package comes without examples")


@pytest.fixture(autouse=True)
def no_windows(monkeypatch):
    """Keep figures off the screen, and close them."""
    monkeypatch.setattr(plt, "show", lambda *args, **kwargs: None)
    yield
    plt.close("all")


def test_there_are_examples():
    assert len(SCRIPTS) >= 7


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_example_runs(script):
    runpy.run_path(str(script), run_name="__main__")
    assert plt.get_fignums(), "no figure was drawn"


def test_demo_prints_results_and_writes_the_picture(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["demo.py", "--quick", "--output", str(tmp_path / "new")])
    runpy.run_path(str(EXAMPLES / "demo.py"), run_name="__main__")
    printed = capsys.readouterr().out
    accuracy = printed.rsplit("accuracy  ", 1)[1].split()[0]
    assert 1 / 9 < float(accuracy) <= 1
    assert (tmp_path / "new" / "japanese_vowels.png").read_bytes().startswith(b"\x89PNG")
