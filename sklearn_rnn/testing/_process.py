"""What must not change around a fit: global states, standard output, files, arguments.

Imports nothing of the package.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import sklearn


def global_states() -> dict[str, Any]:
    """Return the states of the process that an estimator might touch, in comparable form."""
    states = {
        "the random state of Python": random.getstate(),
        "the random state of NumPy": joblib.hash(np.random.get_state()),  # noqa: NPY002
        "NumPy's error handling": np.geterr(),
        "NumPy's print options": str(np.get_printoptions()),
        "the environment variables": dict(os.environ),
        "the working directory": str(Path.cwd()),
        "the warning filters": list(warnings.filters),
        "scikit-learn's configuration": sklearn.get_config(),
    }
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        states["the random state of torch"] = torch.get_rng_state().numpy().tobytes()
        states["torch's number of threads"] = torch.get_num_threads()
        states["torch's default type"] = torch.get_default_dtype()
        states["torch's gradient mode"] = torch.is_grad_enabled()
        states["torch's deterministic mode"] = torch.are_deterministic_algorithms_enabled()
        if torch.cuda.is_initialized():
            states["the random state of CUDA"] = torch.cuda.get_rng_state().numpy().tobytes()
    return states


@contextlib.contextmanager
def unchanged_globals(who: str) -> Iterator[None]:
    """Raise when the process is not left as it was found."""
    before = global_states()
    yield
    after = global_states()
    for what, state in before.items():
        assert after[what] == state, f"{who} changes {what}."


@contextlib.contextmanager
def global_seed(seed: int) -> Iterator[None]:
    """Seed every global random state for a while, then put the old ones back."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    torch: Any = sys.modules.get("torch")
    torch_state = None if torch is None else torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    if torch is not None:
        torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        if torch is not None:
            torch.set_rng_state(torch_state)


@contextlib.contextmanager
def silence_expected(who: str) -> Iterator[None]:
    """Raise when anything is written to standard output or error, or to the working directory."""
    here = Path.cwd()
    captured = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as stream:
        os.chdir(folder)
        try:
            with _descriptors_to(stream.fileno()), contextlib.ExitStack() as stack:
                stack.enter_context(contextlib.redirect_stdout(captured))
                stack.enter_context(contextlib.redirect_stderr(captured))
                yield
            files = sorted(str(path) for path in Path().rglob("*"))
        finally:
            os.chdir(here)
        stream.seek(0)
        text = captured.getvalue() + stream.read().decode(errors="replace")
    assert not text, f"{who} is not silent; it writes {text[:200]!r}."
    assert not files, f"{who} writes files: {files[:5]}."


@contextlib.contextmanager
def _descriptors_to(target: int) -> Iterator[None]:
    """Send what is written past Python's streams, from compiled code, to another file."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    saved = [os.dup(1), os.dup(2)]
    try:
        os.dup2(target, 1)
        os.dup2(target, 2)
        yield
    finally:
        for number, copy in zip((1, 2), saved, strict=True):
            os.dup2(copy, number)
            os.close(copy)
