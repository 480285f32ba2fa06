"""The measures of the house: few files, few bases, and a fit that enters few of them."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import sklearn_rnn

ROOT = Path(sklearn_rnn.__file__).parent
MOST_FILES, MOST_ENTERED, MOST_BASES = 125, 35, 3
ESTIMATORS = [
    kind
    for name in sklearn_rnn.__all__
    if inspect.isclass(kind := getattr(sklearn_rnn, name)) and hasattr(kind, "fit")
]

FITS = {
    "classifier": "RNNClassifier(4, max_epochs=2).fit(X, y)",
    "regressor": "RNNRegressor(4, max_epochs=2).fit(X, y)",
    "reservoir": "ReservoirClassifier(8).fit(X, y)",
    "forecaster": "SequenceForecaster(7, max_epochs=2).fit(None, series)",
}
TRACED = """
import sys, warnings
import numpy as np, pandas as pd
from sklearn_rnn import *
warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
X, y = [rng.normal(size=(n, 2)) for n in rng.integers(5, 9, size=40)], np.arange(40) % 2
series = pd.Series(np.sin(np.arange(120) / 3), index=pd.date_range("2026", periods=120))
{fit}
entered = set()
sys.setprofile(lambda frame, event, arg: entered.add(frame.f_code.co_filename))
{fit}
sys.setprofile(None)
print(*sorted(name for name in entered if name.startswith({root!r})), sep="\\n")
"""


def test_package_has_few_files():
    assert len(list(ROOT.rglob("*.py"))) <= MOST_FILES


@pytest.mark.parametrize("kind", ESTIMATORS, ids=lambda kind: kind.__name__)
def test_an_estimator_has_few_bases_of_ours(kind):
    ours = [base for base in kind.__mro__[1:] if base.__module__.startswith("sklearn_rnn")]
    assert len(ours) <= MOST_BASES, ours


@pytest.mark.parametrize("kind", FITS)
def test_a_fit_enters_few_files(kind):
    """A second fit of a process, so that what is imported does not count."""
    script = TRACED.format(fit=FITS[kind], root=str(ROOT))
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=300
    )
    entered = done.stdout.split()
    assert 5 < len(entered) <= MOST_ENTERED, done.stdout


def test_no_class_declares_functions_for_the_type_checker():
    """A method of another class is imported, or has a base that writes it."""
    found = []
    for path in ROOT.rglob("*.py"):
        for kind in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(kind, ast.ClassDef):
                continue
            plain = [ast.unparse(base) for base in [*kind.bases, *kind.decorator_list]]
            if any("NamedTuple" in base or "dataclass" in base for base in plain):
                continue
            found += [
                f"{path.name}: {kind.name}.{ast.unparse(line.target)}"
                for line in kind.body
                if isinstance(line, ast.AnnAssign) and "Callable" in ast.unparse(line.annotation)
            ]
    assert found == []
