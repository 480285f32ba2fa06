"""Small fits give what they gave: the bits on the machine that kept them, else close by."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def load(name):
    """Load a file of this folder, which is no package."""
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


cases, golden = load("cases"), load("golden")
COMPILED = "compiled" if importlib.util.find_spec("llvmlite") else "plain"
KEPT = json.loads(golden.KEPT.read_text())


@pytest.mark.parametrize("kind", golden.KINDS)
@pytest.mark.parametrize("name", cases.CASES)
@pytest.mark.filterwarnings("ignore")
def test_golden(name, kind, monkeypatch):
    if kind != COMPILED:
        monkeypatch.setenv("SKLEARN_RNN_COMPILED", "0" if kind == "plain" else "1")
    if kind == "compiled" and COMPILED == "plain":
        pytest.skip("llvmlite is not installed")
    found = {key: golden.describe(value) for key, value in cases.CASES[name]().items()}
    kept = KEPT[kind][name]
    assert found.keys() == kept.keys(), "run `make golden`"
    for key, value in found.items():
        apart = golden.difference(kept[key], value)
        assert apart <= golden.TOLERANCE, f"{name}.{key} is {apart:.1e} from the kept values"


def test_a_difference_is_seen():
    one = golden.describe([1.0, 2.0, 3.0])
    assert golden.difference(one, golden.describe([1.0, 2.0, 3.0])) == 0
    assert 0 < golden.difference(one, golden.describe([1.0, 2.0, 3.0001])) < golden.TOLERANCE
    assert golden.difference(one, golden.describe([1.0, 2.0])) == float("inf")
    assert golden.difference(golden.describe(["a"]), golden.describe(["b"])) == float("inf")
