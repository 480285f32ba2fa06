"""Docstrings say what the signatures do: the same parameters, the same defaults."""

import ast
import importlib
import inspect
import pkgutil
import re

import pytest
from numpydoc.docscrape import NumpyDocString

import sklearn_rnn

# Users meet their names through the package root alone.
INTERNAL = {"sequences", "training", "estimators", "forecasting"}


def public_modules():
    """Import the root and the modules beside it that users import from."""
    yield sklearn_rnn
    for found in pkgutil.iter_modules(sklearn_rnn.__path__):
        if not found.name.startswith("_") and found.name not in INTERNAL:
            yield importlib.import_module(f"sklearn_rnn.{found.name}")


def documented():
    """List the public classes and functions, and the public methods written in our classes."""
    found = {}
    for module in public_modules():
        for name in getattr(module, "__all__", []):
            thing = getattr(module, name)
            if not (inspect.isclass(thing) or inspect.isfunction(thing)):
                continue
            if inspect.isclass(thing) and issubclass(thing, BaseException | tuple):
                continue
            found[f"{thing.__module__}.{thing.__qualname__}"] = thing
            if not inspect.isclass(thing):
                continue
            for owner in thing.__mro__:
                if not owner.__module__.startswith("sklearn_rnn"):
                    continue
                for key, attribute in vars(owner).items():
                    method = getattr(attribute, "__func__", attribute)
                    if not key.startswith("_") and inspect.isfunction(method):
                        method = inspect.unwrap(method)
                        found[f"{owner.__module__}.{owner.__qualname__}.{key}"] = method
    return found


DOCUMENTED = documented()


def parameters_of(thing):
    """Read the section Parameters: (name, type) pairs, `*` and `**` taken off."""
    parsed = NumpyDocString(inspect.getdoc(thing) or "")
    return [
        (name.strip().lstrip("*"), entry.type)
        for entry in [*parsed["Parameters"], *parsed["Other Parameters"]]
        for name in entry.name.split(",")
    ]


def signature_of(thing):
    """Read the parameters of a signature, without self."""
    parameters = dict(inspect.signature(thing).parameters)
    parameters.pop("self", None)
    parameters.pop("cls", None)
    return parameters


def takes_our_parameters(thing):
    """Tell whether a class has a constructor of ours, not one inherited from another package."""
    if not inspect.isclass(thing):
        return True
    owner = next(base for base in thing.__mro__ if "__init__" in vars(base))
    return owner.__module__.startswith("sklearn_rnn")


def stated(text):
    """Evaluate a default as written, or keep the text."""
    text = text.strip().strip("`")
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def agrees(written, default):
    """Compare a default as written with the one in the signature."""
    value = stated(written)
    if isinstance(value, str) and not isinstance(default, str):
        return value in {repr(default), f"np.{default!r}", getattr(default, "__qualname__", None)}
    return type(value) is type(default) and value == default


@pytest.mark.parametrize("name", sorted(DOCUMENTED))
def test_parameters_are_those_of_the_signature(name):
    thing = DOCUMENTED[name]
    written = [parameter for parameter, _ in parameters_of(thing)]
    signature = signature_of(thing)
    assert set(written) <= set(signature), "documented, but not taken"
    if "." not in thing.__qualname__ and takes_our_parameters(thing):
        assert written == list(signature), "each parameter is documented, in order"


@pytest.mark.parametrize("name", sorted(DOCUMENTED))
def test_defaults_are_those_of_the_signature(name):
    thing = DOCUMENTED[name]
    signature = signature_of(thing)
    for parameter, kind in parameters_of(thing):
        default = signature[parameter].default
        match = re.search(r"default\s*=\s*(.+)$", kind or "")
        if match:
            assert default is not inspect.Parameter.empty, f"{parameter} has no default"
            assert agrees(match[1], default), f"{parameter}: {match[1]} is not {default!r}"
        elif inspect.isclass(thing) and default is not inspect.Parameter.empty:
            pytest.fail(f"{parameter}: its default, {default!r}, is not documented")


def test_a_wrong_default_is_noticed():
    assert agrees("'auto'", "auto") and agrees('"auto"', "auto") and agrees("None", None)
    assert agrees('("mean", "max")', ("mean", "max")) and agrees("np.nan", float("nan"))
    assert not agrees("64", 32) and not agrees("1", True) and not agrees("None", 0)
    assert not agrees('"auto"', None)
