"""Importing the package is light: no torch, names found when they are used."""

import subprocess
import sys

import pytest

import sklearn_rnn


def run(code: str) -> str:
    """Run code in a fresh interpreter and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "statement",
    [
        "import sklearn_rnn",
        "import sklearn_rnn; dir(sklearn_rnn)",
        "import sklearn_rnn; sklearn_rnn.Sequences.from_list([[1.0, 2.0], [3.0]])",
        "import sklearn_rnn.sequences",
        "import sklearn_rnn.preprocessing",
        "import sklearn_rnn.datasets; sklearn_rnn.datasets.load_japanese_vowels()",
    ],
)
def test_torch_is_not_imported(statement):
    assert run(f"import sys; {statement}; print('torch' in sys.modules)") == "False"


def test_import_of_the_root_is_light():
    code = (
        "import sys; import sklearn_rnn; print({'sklearn', 'numpy', 'pandas'} & set(sys.modules))"
    )
    assert run(code) == "set()"


def test_every_public_name_is_there():
    for name in sklearn_rnn.__all__:
        assert name in dir(sklearn_rnn)
        assert getattr(sklearn_rnn, name) is not None


def test_a_name_is_one_object_wherever_it_comes_from():
    from sklearn_rnn.sequences import Sequences

    assert sklearn_rnn.Sequences is Sequences


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'RNNClasifier'"):
        sklearn_rnn.RNNClasifier  # noqa: B018
    assert not hasattr(sklearn_rnn, "__path_to_nowhere__")


def test_star_import():
    names = run("from sklearn_rnn import *; print(RNNClassifier.__name__, Sequences.__name__)")
    assert names == "RNNClassifier Sequences"
