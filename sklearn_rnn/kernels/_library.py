"""Compile a cell's kernels for this processor, once; keep the machine code on disk.

The only module that imports llvmlite's compiler. Machine code lies in ``$SKLEARN_RNN_CACHE``, or
else in ``sklearn-rnn`` in the user's cache folder, in files named by a hash of everything it
depends on. A folder that cannot be written, or that others can write, is left alone: each process
then compiles for itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import stat
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from ._builder import CELLS, Real
from ._call import CellKernels
from ._features import ConvolutionKernel, ReservoirKernel, write_convolutions, write_reservoir
from ._loops import write_module

#: The functions of a cell.
NAMES = ("pack_forward", "forward", "pack_backward", "backward", "unpack_grads")
#: What writes the kernels of fixed features, and what calls them.
FEATURES: dict[str, tuple[Any, Any]] = {
    "reservoir": (write_reservoir, ReservoirKernel),
    "convolutions": (write_convolutions, ConvolutionKernel),
}
_lock = threading.Lock()
if hasattr(os, "register_at_fork"):
    # Who held it in the parent does not give it back in a child.
    os.register_at_fork(after_in_child=_lock._at_fork_reinit)  # type: ignore[attr-defined]


@cache
def _processor() -> tuple[str, str, int, int]:
    """Return this processor's name and features, a vector's bytes and the vector registers."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features()
    if features.get("avx512f") and features.get("avx512dq"):
        size, registers = 64, 32
    elif features.get("avx2"):
        size, registers = 32, 16
    else:
        size, registers = 16, 32 if features.get("neon") else 16
    # Some processors are told to prefer short vectors; ours are as long as we say.
    text = ",".join(part for part in features.flatten().split(",") if "prefer-256" not in part)
    return llvm.get_host_cpu_name(), text, size, registers


def real_type(size: int) -> Real:
    """Return float (4 bytes) or double (8) with this processor's vectors."""
    _, _, width, registers = _processor()
    return Real("float" if size == 4 else "double", size, width // size, registers)


def cache_folder() -> Path | None:
    """Return where machine code is kept, or None where nothing can be."""
    given = os.environ.get("SKLEARN_RNN_CACHE")
    try:
        if given:
            return Path(given)
        if sys.platform == "win32":
            base = os.environ.get("LOCALAPPDATA")
            folder = Path(base) if base else Path.home() / "AppData" / "Local"
        elif sys.platform == "darwin":
            folder = Path.home() / "Library" / "Caches"
        else:
            base = os.environ.get("XDG_CACHE_HOME")
            folder = Path(base) if base else Path.home() / ".cache"
    except RuntimeError:
        return None
    return folder / "sklearn-rnn"


@cache
def _sources() -> bytes:
    """Return the source of this room, so that a change of what writes kernels is a new name."""
    return b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))


def _file_name(name: str, real: Real) -> str | None:
    """Name the file by everything that the machine code depends on."""
    cpu, features, *_ = _processor()
    parts = (name, *map(str, real), cpu, features, llvmlite.__version__, llvm.get_process_triple())
    try:
        digest = hashlib.sha256("|".join(parts).encode() + _sources()).hexdigest()
    except OSError:
        return None
    return f"{name}-{real.name}-{digest[:32]}.o"


def _is_ours(path: Path) -> bool:
    """Tell whether nobody but the user can have written a file or folder."""
    if not hasattr(os, "getuid"):
        return True
    found = path.stat()
    return found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _read(path: Path) -> bytes | None:
    """Read machine code, if it is there, whole and the user's own."""
    try:
        if not (_is_ours(path.parent) and _is_ours(path)):
            return None
        content = path.read_bytes()
    except OSError:
        return None
    digest, body = content[:32], content[32:]
    return body if hashlib.sha256(body).digest() == digest else None


def _write(path: Path, body: bytes) -> None:
    """Keep machine code, if that is possible; another process may be doing the same."""
    name: str | None = None
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_ours(path.parent):
            return
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(body).digest() + body)
        os.replace(name, path)
        name = None
    except OSError:
        pass
    finally:
        if name is not None:
            with contextlib.suppress(OSError):
                os.unlink(name)


def _machine() -> Any:
    """Describe this processor to the compiler."""
    cpu, features, *_ = _processor()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(cpu=cpu, features=features, opt=2, jit=True)


def compile_cell(name: str, real: Real) -> bytes:
    """Return the machine code of a cell, or of fixed features, newly compiled."""
    machine = _machine()
    if name in FEATURES:
        source = FEATURES[name][0](real, name)
    else:
        source = write_module(real, CELLS[name], name)
    source.triple = llvm.get_process_triple()
    source.data_layout = str(machine.target_data)
    module = llvm.parse_assembly(str(source))
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    body: bytes = machine.emit_object(module)
    return body


def _load(body: bytes, name: str, real: Real) -> Any:
    """Bring machine code into memory."""
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(body))
    engine.finalize_object()
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p)

    def function(symbol: str) -> Any:
        return kind(engine.get_function_address(symbol))

    if name in FEATURES:
        return FEATURES[name][1](real, engine, function("run"))
    return CellKernels(name, real, engine, *map(function, NAMES))


_loaded: dict[tuple[str, int], Any] = {}


def load_kernels(name: str, size: int) -> Any:
    """Return the kernels of a cell, or of fixed features, for numbers of 4 or 8 bytes.

    From memory, from disk, or compiled now, which takes a part of a second.
    """
    found = _loaded.get((name, size))
    if found is not None:
        return found
    with _lock:
        if (name, size) not in _loaded:
            real = real_type(size)
            folder, file = cache_folder(), _file_name(name, real)
            path = None if folder is None or file is None else folder / file
            body = None if path is None else _read(path)
            if body is None:
                body = compile_cell(name, real)
                if path is not None:
                    _write(path, body)
            _loaded[name, size] = _load(body, name, real)
        return _loaded[name, size]
