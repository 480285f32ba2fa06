"""How our estimators behave, whatever they learn: whole or not at all, and told in words.

What an estimator knows is a dict of attributes. A method that learns sets attributes and changes no
object that was there before it: what goes on from an earlier fit works on copies. So putting the
dict back is all that it takes to be as before. Whoever holds the objects of before, as a stream
does, keeps them as they were.

Imports our version and exceptions, and scikit-learn and joblib, to know their folders.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import joblib
import numpy as np
import sklearn
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from .._version import __version__
from ..exceptions import InconsistentVersionWarning, NotEnoughMemoryError, UnusedParameterWarning

Method = TypeVar("Method", bound=Callable[..., Any])
# What NumPy, torch on a CPU and torch on a GPU say when memory ends, or a size has no 64 bits.
_SAID = re.compile(
    r"allocat|out of memory|not enough memory|bad_alloc|calculation overflow"
    r"|multiplication overflow|too large|too big|maximum supported|array is too"
    r"|int too|[Oo]verflow when unpacking"
)
# What NumPy says of a size beyond 64 bits, as a ValueError.
_BEYOND = re.compile(r"Maximum allowed (dimension|size)|array is too big|negative dimensions")
# Whole numbers that are no sizes, and sizes that hardly anybody lowers.
_NO_SIZES = {"random_state", "n_jobs", "verbose", "max_epochs", "min_count"}
_NO_SIZES |= {"early_stopping__n_iter_no_change"}
_SMALL = 256
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def machine_memory() -> int:
    """Return the bytes that this process may take: the machine's, or less by its limits."""
    found = [2**63 - 1]
    try:
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):  # Windows
        pass
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        found += [limit] if limit != resource.RLIM_INFINITY else []
    except (ImportError, OSError, ValueError):
        pass
    try:
        found.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):  # no container, or one without a limit
        pass
    return min(size for size in found if size > 0)


def require_memory(estimator: Any, needed: int, lower: str = "") -> None:
    """Refuse what would take `needed` bytes where the machine has fewer; say what to lower."""
    there = machine_memory()
    if needed > there:
        raise NotEnoughMemoryError(
            f"{type(estimator).__name__} would take about {_amount(needed)} of memory, and there "
            f"are {_amount(there)}; lower {lower or _sizes(estimator)}."
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory ended, or that a size is beyond all memory."""
    if isinstance(error, NotEnoughMemoryError):
        return False  # which is told already
    if isinstance(error, (MemoryError, OverflowError)):
        return True
    if isinstance(error, RuntimeError):
        return bool(_SAID.search(str(error)))
    return type(error) is ValueError and bool(_BEYOND.search(str(error)))


def not_enough(estimator: Any) -> NotEnoughMemoryError:
    """Return the error for memory that ended in a method of an estimator."""
    return NotEnoughMemoryError(
        f"{type(estimator).__name__} needs more memory than there is; lower {_sizes(estimator)}."
    )


def names_sizes(method: Method) -> Method:
    """Let a method of an estimator name the parameters that ask for more memory than there is."""

    @wraps(method)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            raise not_enough(self) from error

    return wrapped  # type: ignore[return-value]


def _sizes(estimator: Any) -> str:
    """Name the parameters that are large, the largest first."""
    params = getattr(estimator, "_with_settings", dict)(estimator.get_params(deep=False))
    values = {
        name: value
        for name, value in params.items()
        if isinstance(value, Integral) and int(value) >= _SMALL and name not in _NO_SIZES
    }
    largest = sorted(values, key=lambda name: -int(values[name]))
    if not largest:
        return "the number or the length of the sequences that are given at once"
    return ", ".join(f"{name}={values[name]}" for name in largest)


def _amount(size: int) -> str:
    """Return a number of bytes in words."""
    size = min(size, 2**900)
    power = min(len(_UNITS) - 1, max(0, (size.bit_length() - 1) // 10))
    return f"{size / 1024**power:.3g} {_UNITS[power]}"


def all_or_nothing(method: Method) -> Method:
    """Let a method that learns leave its estimator as it was, whatever goes wrong in it.

    Memory that ends is told by the parameters that took it.

    The outermost decorator. What :func:`kept_if_interrupted` lets through stays where there was no
    fitted model before.
    """

    @wraps(method)
    def wholly(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = self.__dict__.copy()
        try:
            return method(self, *args, **kwargs)
        except BaseException as error:
            # One assignment, which no further interrupt can cut in two.
            after, self.__dict__ = self.__dict__, before
            if getattr(error, "leaves_a_model", False) and not _is_fitted(self):
                self.__dict__ = after
            if is_out_of_memory(error):
                raise not_enough(self) from error
            raise

    wholly.is_all_or_nothing = True  # type: ignore[attr-defined]
    return wholly  # type: ignore[return-value]


@contextmanager
def kept_if_interrupted() -> Iterator[None]:
    """Say that the model is whole from here on, and that an interrupt in here may leave it."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        interrupt.leaves_a_model = True  # type: ignore[attr-defined]
        raise


def _is_fitted(estimator: Any) -> bool:
    """Tell whether an estimator is fitted."""
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        return False
    return True


# Code that stands between a user's line and ours: files and folders.
_BETWEEN = (
    *(f"{Path(module.__file__).parent}{os.sep}" for module in (joblib, sklearn)),
    f"{Path(__file__).parents[1]}{os.sep}",
    contextlib.__file__,
)


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn where the user called, however many functions of ours and scikit-learn's lie between.

    Parameters
    ----------
    message : str
        What is wrong, and the remedy.
    category : type of Warning, default=UserWarning
        Its class.
    """
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_BETWEEN):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


_KEY = "_sklearn_rnn_version"


DOC_LINK_TEMPLATE = "https://sklearn-rnn.readthedocs.io/en/latest/generated/{estimator_module}.{estimator_name}.html"

_AT_ROOT = ("sequences", "estimators", "forecasting")


def public_module(kind: type) -> str:
    """Return the module from which users import a class of this package."""
    parts = [part for part in kind.__module__.split(".") if not part.startswith("_")]
    return parts[0] if len(parts) > 1 and parts[1] in _AT_ROOT else ".".join(parts[:2])


class Versioned:
    """An estimator of ours: what is pickled names our version, its diagram links to our reference.

    Loading what another version saved is warned of. Stands before scikit-learn's `BaseEstimator`,
    which does both for scikit-learn alone.
    """

    _doc_link_module = "sklearn_rnn"
    _doc_link_template = DOC_LINK_TEMPLATE

    def _doc_link_url_param_generator(self) -> dict[str, str]:
        """Name the page of this class."""
        return {
            "estimator_module": public_module(type(self)),
            "estimator_name": type(self).__name__,
        }

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), _KEY: __version__}  # type: ignore[dict-item]

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        state = dict(state)
        version = state.pop(_KEY, None)
        if version != __version__:
            by = "a version that left no name" if version is None else f"version {version}"
            warn(
                f"This {type(self).__name__} was saved by {by} of sklearn-rnn, and is loaded by "
                f"version {__version__}: it may predict otherwise, or not at all. Fit it anew, or "
                "load it with the version that saved it.",
                InconsistentVersionWarning,
            )
        super().__setstate__(state)  # type: ignore[misc]


class Unused(NamedTuple):
    """Parameters that have no effect when something holds of a fitted model, and why."""

    names: tuple[str, ...]
    when: Callable[[Any], bool]
    why: str


def warn_of_unused(model: Any, table: Iterable[Unused]) -> None:
    """Warn, once for a fit, of parameters that differ from their defaults for nothing.

    The candidates of a search are silent: each leaves unused what others need. The one that the
    search fits at its end is not.
    """
    signature = inspect.signature(type(model)).parameters
    flat = getattr(model, "_with_settings", dict)  # with the settings inside of parameters
    values = flat(model.get_params(deep=False))
    defaults = flat({name: p.default for name, p in signature.items()})
    changed = {name for name in values if not _same(values[name], defaults[name])}
    found: dict[str, str] = {}
    for entry in table:
        names = [name for name in entry.names if name in changed and name not in found]
        if names and entry.when(model):
            found |= dict.fromkeys(names, entry.why)
    if not found or _is_candidate():
        return
    told = [
        f"{', '.join(name for name in found if found[name] == why)} ({why})"
        for why in dict.fromkeys(found.values())
    ]
    warn(
        f"{type(model).__name__} was given parameters that have no effect in this fit: "
        f"{'; '.join(told)}. Leave them out, or change what stands against them.",
        UnusedParameterWarning,
    )


def _same(value: Any, default: Any) -> bool:
    """Tell whether a value is the default, whatever it compares to."""
    if value is default:
        return True
    if isinstance(value, (bool, str)) or isinstance(default, (bool, str)):
        return type(value) is type(default) and value == default
    try:
        return bool(np.array_equal(value, default))
    except Exception:
        return False


def _is_candidate() -> bool:
    """Tell whether scikit-learn is fitting a candidate of a search, with parameters of its own."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "_fit_and_score":
            return bool(frame.f_locals.get("parameters"))
        frame = frame.f_back  # type: ignore[assignment]
    return False
