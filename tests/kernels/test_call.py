"""The kernels work on plain arrays, in a process that has no torch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import sklearn_rnn
from sklearn_rnn.kernels import is_available

pytestmark = pytest.mark.skipif(not is_available(), reason="llvmlite is not installed")

CODE = """
import sys

sys.modules["torch"] = sys.modules["sklearn"] = None
import numpy as np

from sklearn_rnn.kernels import load

B, T, C, H = 5, 7, 3, 6
random = np.random.default_rng(0)
x, out = random.normal(size=(B, T, C)), np.zeros((B, T, H))
w, u, b = random.normal(size=(H, C)), random.normal(size=(H, H)), random.normal(size=H)
lengths = np.array([7, 1, 4, 4, 6])
kernels = load("rnn_tanh", 8)


def by_hand(x, w, u, b):
    states = np.zeros((B, T, H))
    for row, length in enumerate(lengths):
        h = np.zeros(H)
        for t in range(length):
            h = states[row, t] = np.tanh(w @ x[row, t] + u @ h + b)
    return states


call = kernels.call((B, T, C), H, (False, True), lengths, False, 1)
h_end, d_out = np.empty((B, H)), random.normal(size=(B, T, H))
at = lambda array: array.ctypes.data
common = dict(x=at(x), x_row=T * C, x_step=C, out=at(out), out_row=T * H, out_step=H)
common |= dict(h_start=0, w=at(w), u=at(u), kept=0)
call.forward(common | dict(b_w=at(b), b_u=0, c_start=0, h_end=at(h_end), c_end=0))
expected = by_hand(x, w, u, b)
np.testing.assert_allclose(out, expected, atol=1e-12)
np.testing.assert_allclose(h_end, expected[np.arange(B), lengths - 1], atol=1e-12)

found = {name: np.empty_like(a) for name, a in dict(d_x=x, to_w=w, to_u=u, to_b_w=b).items()}
found["d_x"][:] = 0
call.backward(
    common
    | {name: at(array) for name, array in found.items()}
    | dict(d_x_row=T * C, d_x_step=C, d_out=at(d_out), d_out_row=T * H, d_out_step=H)
    | dict(d_h_end=0, d_c_end=0, d_h_start=0, d_c_start=0, to_b_u=0)
)
for place, name in enumerate(("d_x", "to_w", "to_u", "to_b_w")):
    arrays = [x, w, u, b]
    wanted = np.empty_like(arrays[place])
    for index in np.ndindex(wanted.shape):
        sides = []
        for step in (1e-6, -1e-6):
            moved = [a.copy() for a in arrays]
            moved[place][index] += step
            sides.append((by_hand(*moved) * d_out).sum())
        wanted[index] = (sides[0] - sides[1]) / 2e-6
    np.testing.assert_allclose(found[name], wanted, atol=1e-7)
print("done")
"""


def test_arrays_in_and_arrays_out_without_torch():
    root = str(Path(sklearn_rnn.__file__).parents[1])
    paths = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done\n"
