"""Make the golden values anew and show what differs: ``python tests/golden/golden.py``.

``--write`` keeps the new ones. What is kept of an array is a hash of its bits, and some of its
values, for machines whose processor rounds in another way.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

KEPT = Path(__file__).with_name("golden.json")
#: Values kept of an array, evenly spread.
N_VALUES = 6
#: Largest difference between processors, of values of size 1.
TOLERANCE = 2e-3
KINDS = ("compiled", "plain")


def describe(value: Any) -> dict[str, Any]:
    """Return the hash of an answer and some of its values."""
    if isinstance(value, list):
        value = np.concatenate([np.ravel(np.asarray(item)) for item in value])
    array = np.asarray(value)
    some = array.ravel()[np.unique(np.linspace(0, array.size - 1, N_VALUES).astype(int))]
    plain = array.dtype.kind in "OUS"
    bits = json.dumps(array.ravel().tolist()).encode() if plain else np.ascontiguousarray(array)
    values = some.tolist() if plain else [float(f"{item:.6g}") for item in some.astype(float)]
    return {
        "shape": list(array.shape),
        "hash": hashlib.sha256(bits).hexdigest()[:16],
        "values": values,
    }


def run(names: list[str] | None = None) -> dict[str, dict[str, Any]]:
    """Return what the cases give in this process."""
    from cases import CASES

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            name: {key: describe(value) for key, value in function().items()}
            for name, function in CASES.items()
            if names is None or name in names
        }


def difference(kept: dict[str, Any], now: dict[str, Any]) -> float:
    """Return 0 for the same bits, else how far values are apart; infinity for another kind."""
    if kept["hash"] == now["hash"]:
        return 0.0
    if kept["shape"] != now["shape"] or len(kept["values"]) != len(now["values"]):
        return float("inf")
    apart = np.finfo(float).tiny
    for first, second in zip(kept["values"], now["values"], strict=True):
        if isinstance(first, str) or isinstance(second, str):
            apart = max(apart, 0.0 if first == second else float("inf"))
        elif not (np.isnan(first) and np.isnan(second)):
            apart = max(apart, abs(first - second) / (1 + abs(first)))
    return apart


def run_apart(kind: str) -> dict[str, dict[str, Any]]:
    """Run the cases in a process of their own, with or without the compiled kernels."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment["SKLEARN_RNN_COMPILED"] = "1" if kind == "compiled" else "0"
    done = subprocess.run(
        [sys.executable, __file__, "--print"], env=environment, stdout=subprocess.PIPE, check=True
    )
    return json.loads(done.stdout)


def main() -> int:
    """Show what differs from the kept values, and keep the new ones where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="keep the new values")
    parser.add_argument("--print", action="store_true", help="print this process's values")
    chosen = parser.parse_args()
    if chosen.print:
        print(json.dumps(run()))
        return 0
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {kind: {} for kind in KINDS}
    found = {kind: run_apart(kind) for kind in KINDS}
    n_changed = 0
    for kind in KINDS:
        for name in sorted({*kept[kind], *found[kind]}):
            before, now = kept[kind].get(name), found[kind].get(name)
            if before is None or now is None:
                n_changed += 1
                print(f"{kind:8} {name}: {'new' if before is None else 'gone'}")
                continue
            for key in sorted({*before, *now}):
                if key not in before or key not in now:
                    n_changed += 1
                    print(f"{kind:8} {name}.{key}: {'new' if key in now else 'gone'}")
                    continue
                apart = difference(before[key], now[key])
                if apart:
                    n_changed += 1
                    print(f"{kind:8} {name}.{key}: {apart:.1e} apart")
    print(f"{n_changed} of {sum(map(len, found['plain'].values())) * 2} answers differ")
    if chosen.write:
        KEPT.write_text(json.dumps(found, indent=1) + "\n")
    return 1 if n_changed and not chosen.write else 0


if __name__ == "__main__":
    sys.exit(main())
