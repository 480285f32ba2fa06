"""The house holds: who imports whom, read from the source, and that files stay small."""

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import sklearn_rnn

ROOT = Path(sklearn_rnn.__file__).parent
PACKAGE = "sklearn_rnn"
MAX_LINES = 900

# Room -> the other rooms it may import. A room is a folder, or a file beside the folders.
BELOW_ESTIMATORS = {"sequences", "nn", "training", "exceptions"}
ALLOWED = {
    "_version": set(),
    "exceptions": set(),
    "sequences": {"_version", "exceptions"},
    "kernels": set(),
    "nn": {"kernels"},
    "training": {"sequences", "nn"},
    "estimators": {*BELOW_ESTIMATORS, "metrics"},
    "forecasting": {*BELOW_ESTIMATORS, "metrics"},
    "persistence": {*BELOW_ESTIMATORS, "estimators", "forecasting"},
    "preprocessing": {"sequences"},
    "model_selection": {"sequences", "metrics"},
    "metrics": {"sequences"},
    "inspection": {"sequences", "model_selection"},
    "datasets": {"sequences"},
    "testing": {"sequences", "datasets"},
}
# Outside package -> the rooms that may import it.
ONLY_IN = {
    "torch": {"nn", "training", "estimators", "forecasting", "persistence"},
    "skorch": {"training"},
    "llvmlite": {"kernels"},
}
NOT_IN_NN = {"sklearn", "skorch", "pandas", "narwhals"}
ONLY_IN_KERNELS = {"numpy", "llvmlite"}


class Import(NamedTuple):
    """One import of `target`, an absolute dotted name, on a line of the module `source`."""

    source: str
    target: str
    line: int
    relative: bool

    def __str__(self) -> str:
        return f"{self.source}, line {self.line}: {self.target}"


def module_name(path: Path) -> str:
    """Name a file as Python would: sklearn_rnn.nn._cells, or sklearn_rnn.nn for its __init__."""
    parts = [PACKAGE, *path.relative_to(ROOT).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    """List the modules of the package."""
    return {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def imports_of(source: str, path: Path) -> list[Import]:
    """List the imports anywhere in a file, inside functions and TYPE_CHECKING too."""
    found = []
    package = source.split(".") if path.name == "__init__.py" else source.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [Import(source, alias.name, node.lineno, False) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            for alias in node.names:
                named = f"{origin}.{alias.name}"
                # `from ._cells import GRU` imports _cells; `from . import _cells` does too.
                target = named if named in modules() else origin
                found.append(Import(source, target, node.lineno, bool(node.level)))
    return found


@cache
def imports() -> list[Import]:
    """List all imports of the package, but those of its root, which only gathers names."""
    return [
        found
        for name, path in modules().items()
        if name != PACKAGE
        for found in imports_of(name, path)
    ]


def room(name: str) -> str:
    """Find the room of a module of the package."""
    return name.split(".")[1]


def outside() -> list[Import]:
    """List the imports of other packages."""
    return [found for found in imports() if found.target.split(".")[0] != PACKAGE]


def inside() -> list[Import]:
    """List the imports of the package by itself."""
    return [found for found in imports() if found.target.split(".")[0] == PACKAGE]


def listed(found) -> str:
    """Show imports one a line, for a failing test."""
    return "\n".join(sorted(str(item) for item in found))


def test_the_graph_is_read():
    rooms = {room(name) for name in modules() if name != PACKAGE}
    assert {"sequences", "datasets"} <= rooms
    assert any(room(i.source) == "datasets" and room(i.target) == "sequences" for i in inside())


def test_every_room_is_known():
    assert {room(name) for name in modules() if name != PACKAGE} <= set(ALLOWED)


def test_the_package_imports_itself_by_relative_path():
    assert not listed(i for i in inside() if not i.relative)


def test_nothing_comes_from_the_package_root():
    assert not listed(i for i in inside() if i.target == PACKAGE)


def test_no_import_goes_upwards():
    wrong = [
        i
        for i in inside()
        if i.target != PACKAGE
        and room(i.target) not in {room(i.source), "_version", *ALLOWED[room(i.source)]}
    ]
    assert not listed(wrong)


def test_rooms_go_through_each_others_doors():
    wrong = [
        i
        for i in inside()
        if any(part.startswith("_") for part in i.target.split(".")[2:])
        and room(i.target) != room(i.source)
    ]
    assert not listed(wrong)


def test_doors_hand_out_what_is_used():
    """What a room hands out beside its public names, as itself, another room takes."""
    idle = []
    for name, path in modules().items():
        if path.name != "__init__.py" or name == PACKAGE:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        handed = [a.name for n in tree.body if isinstance(n, ast.ImportFrom) for a in n.names]
        public = getattr(importlib.import_module(name), "__all__", [])
        idle += [f"{name}: {n}" for n in handed if n not in public and (name, n) not in taken()]
    assert not idle


@cache
def taken() -> set[tuple[str, str]]:
    """List the names that rooms take from another's door."""
    found = set()
    for source, path in modules().items():
        package = source.split(".") if path.name == "__init__.py" else source.split(".")[:-1]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                base = package[: len(package) - node.level + 1]
                origin = ".".join([*base, *(node.module or "").split(".")]).strip(".")
                found |= {(origin, alias.name) for alias in node.names}
    return found


def test_public_networks_are_those_of_the_guide():
    guide = ROOT.parent / "docs" / "guide" / "extending.rst"
    if not guide.is_file():
        pytest.skip("the package comes without its docs")
    text = guide.read_text(encoding="utf-8")
    names = importlib.import_module(f"{PACKAGE}.nn").__all__
    assert not [name for name in names if not re.search(rf"\b{name}\b", text)]


def test_no_circle():
    graph: dict[str, set[str]] = {name: set() for name in modules()}
    for found in inside():
        if found.target in graph and found.target != PACKAGE:
            graph[found.source].add(found.target)
    done: set[str] = set()

    def walk(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            pytest.fail("circle: " + " -> ".join([*path[path.index(name) :], name]))
        if name not in done:
            for target in sorted(graph[name]):
                walk(target, (*path, name))
            done.add(name)

    for name in graph:
        walk(name, ())


@pytest.mark.parametrize("package", ONLY_IN)
def test_heavy_packages_stay_in_their_rooms(package):
    users = [i for i in outside() if i.target.split(".")[0] == package]
    assert not listed(i for i in users if room(i.source) not in ONLY_IN[package])


def test_networks_are_plain_torch():
    users = [i for i in outside() if room(i.source) == "nn"]
    assert not listed(i for i in users if i.target.split(".")[0] in NOT_IN_NN)


def test_kernels_know_arrays_alone():
    users = [i for i in outside() if room(i.source) == "kernels"]
    packages = {i.target.split(".")[0] for i in users} - sys.stdlib_module_names
    assert packages == ONLY_IN_KERNELS


def is_private_sklearn(name: str) -> bool:
    """Tell scikit-learn's private modules."""
    parts = name.split(".")
    return parts[0] == "sklearn" and any(part.startswith("_") for part in parts)


def test_private_sklearn_is_touched_in_one_file():
    door = ROOT / "sequences" / "_sklearn.py"
    wrong = []
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            if path != door and any(map(is_private_sklearn, names)):
                wrong.append(f"{name}, line {node.lineno}")
    assert not wrong


# The files whose classes answer for the kinds of targets and heads.
KINDS = {"_targets", "_labels", "_tags"}


def questions_of_kind(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield comparisons of `.head`, and `isinstance` of a target or against a kind of it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(isinstance(side, ast.Attribute) and side.attr == "head" for side in sides):
                yield node
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
            what, kinds = map(ast.unparse, node.args)
            if what.split(".")[-1] in {"target", "_target"} or "Target" in kinds:
                yield node


def test_nobody_asks_which_kind_a_target_is():
    wrong = [
        f"{name}, line {node.lineno}"
        for name, path in modules().items()
        if room(f"{name}.") in {"estimators", "nn", "training"}
        if name.split(".")[-1] not in KINDS
        for node in questions_of_kind(ast.parse(path.read_text(encoding="utf-8")))
    ]
    # A network's configuration names its head, which is looked up.
    assert [line.split(",")[0] for line in wrong] == ["sklearn_rnn.nn._building"]


def test_no_file_is_long():
    lengths = {
        name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules().items()
    }
    assert not {name: n for name, n in lengths.items() if n > MAX_LINES}


def test_every_file_says_what_it_is():
    silent = [
        name
        for name, path in modules().items()
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not silent


def test_no_utils():
    assert not [name for name in modules() if name.split(".")[-1].strip("_") in {"utils", "util"}]
