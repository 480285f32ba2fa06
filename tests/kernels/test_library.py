"""Kernels are compiled once, kept on disk, checked when read, and done without where they fail."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import sklearn_rnn
from sklearn_rnn.kernels import is_available

pytestmark = pytest.mark.skipif(not is_available(), reason="llvmlite is not installed")


def run_python(code, **environment):
    """Run code in a fresh process and return what it printed, on either stream."""
    root = Path(sklearn_rnn.__file__).parents[1]
    paths = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": paths} | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout + done.stderr


USE = """
import torch
from sklearn_rnn.nn._cells import GRU
from sklearn_rnn.nn import _compiled
_compiled.is_faster = lambda *_: True
layer = GRU(2, 3)
assert type(layer(torch.zeros(2, 4, 2))[0].grad_fn).__name__ == "CompiledBackward"
"""


def test_machine_code_is_kept_and_checked(tmp_path):
    folder = tmp_path / "cache"
    refuse = USE.replace(
        "layer = ",
        "from sklearn_rnn.kernels import _library\n"
        "def refuse(*_): raise AssertionError\n"
        "_library.compile_cell = refuse\nlayer = ",
    )
    assert run_python(USE, SKLEARN_RNN_CACHE=str(folder)) == ""
    (file,) = folder.iterdir()
    assert file.name.startswith("gru-float-")
    run_python(refuse, SKLEARN_RNN_CACHE=str(folder))
    content = file.read_bytes()
    file.write_bytes(content[:-100])
    assert run_python(USE, SKLEARN_RNN_CACHE=str(folder)) == ""
    assert file.read_bytes()[:32] == content[:32]


def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert run_python(USE, SKLEARN_RNN_CACHE=str(blocked / "cache")) == ""


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners and modes here")
def test_a_folder_that_others_can_write_is_left_alone(tmp_path):
    tmp_path.chmod(0o777)
    assert run_python(USE, SKLEARN_RNN_CACHE=str(tmp_path)) == ""
    assert not list(tmp_path.iterdir())


def test_a_compiler_that_fails_leaves_it_to_torch():
    broken = USE.partition("layer =")[0] + (
        "from sklearn_rnn.kernels import _library\n"
        "def fail(*_): raise RuntimeError('no such processor')\n"
        "_library.load_kernels = fail\n"
        "layer = GRU(2, 3)\n"
        "name = type(layer(torch.zeros(2, 4, 2))[0].grad_fn).__name__\n"
        "assert name != 'CompiledBackward', name\n"
        "assert not _compiled.is_available()\n"
    )
    assert run_python(broken) == ""


def test_llvmlite_is_imported_when_it_is_used_and_not_before():
    code = (
        "import sys, sklearn_rnn, sklearn_rnn.nn, torch\n"
        "assert 'llvmlite' not in sys.modules\n"
        "sklearn_rnn.nn.make_layer('gru', 2, 3).to('meta')(torch.empty(2, 4, 2, device='meta'))\n"
        "assert 'llvmlite' not in sys.modules\n"
    )
    assert run_python(code) == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_has_threads_of_its_own():
    code = USE + (
        "import os, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "from sklearn_rnn.kernels import _call\n_call._WORTH_A_SHARD = 1\n"
        "torch.set_num_threads(2)\n"
        "x = torch.zeros(4, 6, 2)\n"
        "with torch.no_grad():\n"
        "    layer(x)\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        layer(x)\n"
        "        os._exit(0)\n"
        "    assert os.waitpid(child, 0)[1] == 0\n"
    )
    assert run_python(code, OMP_NUM_THREADS="1") == ""
