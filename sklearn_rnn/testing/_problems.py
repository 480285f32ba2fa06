"""Small problems in every form of X, models fitted on them, and what these answer, row by row.

Imports `sequences` only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any
from unittest import SkipTest

import narwhals as nw
import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.utils import get_tags

from ..sequences import Sequences, read_sequences

N_ROWS = 24
N_STEPS = 6
VOCABULARY = 7

Rows = list[np.ndarray]
MakeY = Callable[[Rows], Any]


@dataclass(frozen=True)
class Form:
    """One form of X: what rows it holds and how they are laid out.

    Attributes
    ----------
    name : str
        What the form is called in the names of checks.
    make : callable
        Lays a list of arrays (n_steps, n_channels) out as X.
    n_channels : int
        Channels of its rows.
    ragged : bool
        Whether rows of unequal length fit in.
    holes : bool
        Whether values are missing inside its rows.
    refusal : str or None
        Pattern of the message with which an estimator may say that it does not take this form.
    needs : str or None
        Package that has to be installed.
    """

    name: str
    make: Callable[[Rows], Any]
    n_channels: int = 2
    ragged: bool = True
    holes: bool = False
    refusal: str | None = None
    needs: str | None = None

    @property
    def is_frame(self) -> bool:
        """Whether X is a table with list columns."""
        return self.name.startswith(("pandas", "polars", "arrow"))

    @property
    def is_tokens(self) -> bool:
        """Whether X holds tokens."""
        return self.name == "tokens"


def _array_2d(rows: Rows) -> np.ndarray:
    return np.stack(rows)[:, :, 0]


def _padded(rows: Rows, extra: int = 0) -> np.ndarray:
    """Stack ragged rows, NaN after their ends and in `extra` more steps."""
    longest = max(len(row) for row in rows) + extra
    padded = np.full((len(rows), longest, rows[0].shape[1]), np.nan)
    for row, values in zip(padded, rows, strict=True):
        row[: len(values)] = values
    return padded


def _columns(rows: Rows) -> dict[str, list[list[float]]]:
    """Return a list of lists for each channel."""
    return {f"channel{j}": [row[:, j].tolist() for row in rows] for j in range(rows[0].shape[1])}


def _pandas(rows: Rows) -> pd.DataFrame:
    return pd.DataFrame(_columns(rows), index=[f"row{i}" for i in range(len(rows))])


def _pandas_static(rows: Rows) -> pd.DataFrame:
    """Add a numeric and a categorical static column, each a function of its row."""
    frame = _pandas(rows)
    frame["number"] = [float(row[0, 0]) for row in rows]
    labels = ["even" if len(row) % 2 == 0 else "odd" for row in rows]
    frame["category"] = pd.Categorical(labels, categories=["even", "odd"])
    return frame


def _pandas_arrow(rows: Rows) -> pd.DataFrame:
    import pyarrow as pa

    kind = pd.ArrowDtype(pa.list_(pa.float64()))
    frame = _pandas(rows)
    return pd.DataFrame(
        {name: pd.Series(frame[name].to_list(), dtype=kind, index=frame.index) for name in frame}
    )


def _polars(rows: Rows) -> Any:
    import polars as pl

    return pl.DataFrame(_columns(rows))


def _arrow(rows: Rows) -> Any:
    import pyarrow as pa

    return pa.table(_columns(rows))


def _tokens(rows: Rows) -> Sequences:
    return Sequences.from_list(
        [row[:, 0].astype(np.int64) for row in rows], vocabulary_size=VOCABULARY
    )


def _times(rows: Rows) -> Sequences:
    """Space the steps by a function of their values."""
    return Sequences.from_list(rows, times=[np.cumsum(0.5 + np.abs(row[:, 0])) for row in rows])


FORMS = {
    form.name: form
    for form in (
        Form("array_2d", _array_2d, n_channels=1, ragged=False),
        Form("array_3d", np.stack, ragged=False),
        Form("padded_3d", _padded),
        Form("list", list),
        Form("list_1d", lambda rows: [row[:, 0] for row in rows], n_channels=1),
        Form("sequences", Sequences.from_list),
        Form("missing", list, holes=True, refusal="(?i)nan|missing"),
        Form("times", _times),
        Form("pandas", _pandas),
        Form("pandas_static", _pandas_static, refusal="(?i)static"),
        Form("pandas_arrow", _pandas_arrow, needs="pyarrow"),
        Form("polars", _polars, needs="polars"),
        Form("arrow", _arrow, needs="pyarrow"),
        Form("tokens", _tokens, n_channels=1, refusal="(?i)token|vocabular"),
    )
}


def choose_forms(names: Iterable[str] | None) -> list[Form]:
    """Return the forms of these names, or all for which the packages are installed."""
    if names is None:
        return [form for form in FORMS.values() if form.needs is None or find_spec(form.needs)]
    names = [names] if isinstance(names, str) else list(names)
    unknown = [name for name in names if name not in FORMS]
    if unknown or not names:
        raise ValueError(f"forms must be among {list(FORMS)}; got {unknown or names}.")
    return [FORMS[name] for name in names]


@dataclass(frozen=True)
class Problem:
    """Rows, their targets and the form in which an estimator gets them."""

    form: Form
    rows: Rows
    y: Any

    @property
    def X(self) -> Any:
        """The rows in the form, made anew each time."""
        return self.form.make(self.rows)

    @property
    def keep(self) -> tuple[Any, ...]:
        """Arguments of fit: X and, unless there is none, y."""
        return (self.X,) if self.y is None else (self.X, self.y)

    def made(self, rows: Rows) -> Any:
        """Lay other rows out in the same form."""
        return self.form.make(rows)

    def with_rows(self, rows: Rows) -> Problem:
        """Return the problem with other rows and the same targets."""
        return replace(self, rows=rows)


def make_problem(estimator: Any, form: Form, make_y: MakeY | None, seed: int = 0) -> Problem:
    """Draw rows for a form and targets for an estimator."""
    rng = np.random.default_rng(seed)
    rows = draw_rows(form, rng)
    return Problem(form, rows, (make_y or (lambda rows: default_y(estimator, rows)))(rows))


def draw_rows(form: Form, rng: np.random.Generator, n_channels: int | None = None) -> Rows:
    """Draw rows that fit into a form."""
    lengths = rng.integers(2, 10, size=N_ROWS) if form.ragged else np.full(N_ROWS, N_STEPS)
    channels = n_channels or form.n_channels
    if form.is_tokens:
        return [rng.integers(VOCABULARY, size=(n, 1)).astype(float) for n in lengths]
    rows = [rng.normal(size=(n, channels)) for n in lengths]
    if form.holes:
        for row in rows:
            row[1:][rng.random((len(row) - 1, channels)) < 0.2] = np.nan
    return rows


def default_y(estimator: Any, rows: Rows) -> Any:
    """Return labels for a classifier, numbers for a regressor, None where y is not needed."""
    tags = get_tags(estimator)
    if is_classifier(estimator):
        classifier_tags = tags.classifier_tags
        n_classes = 3 if classifier_tags is None or classifier_tags.multi_class else 2
        return np.array(["ash", "birch", "cedar"])[np.arange(len(rows)) % n_classes]
    if is_regressor(estimator) or tags.target_tags.required:
        means = [np.nan_to_num(row[:, 0]).mean() for row in rows]
        return np.array(means) + 0.1 * np.arange(len(rows))
    return None


# What a fitted estimator may be asked about X.
METHODS = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "transform",
    "hidden_states",
)
TOLERANCE = 1e-5


def seeded(estimator: Any, seed: int = 0) -> Any:
    """Return an unfitted copy with every `random_state` set, those of its parts too."""
    copy = clone(estimator)
    names = [
        name
        for name in copy.get_params()
        if name == "random_state" or name.endswith("__random_state")
    ]
    return copy.set_params(**dict.fromkeys(names, seed))


def fitted(estimator: Any, problem: Problem, **fit_params: Any) -> Any:
    """Return a seeded copy, fitted; skip when it says that it does not take this form of X."""
    return fit_or_skip(seeded(estimator), problem, **fit_params)


def fit_or_skip(model: Any, problem: Problem, **fit_params: Any) -> Any:
    """Fit, unless the estimator refuses the form by a message that names what it cannot take."""
    refusal = problem.form.refusal
    try:
        model.fit(*problem.keep, **fit_params)
    except (ValueError, TypeError) as error:
        if refusal is not None and re.search(refusal, str(error)):
            raise SkipTest(f"{name_of(model)} refuses {problem.form.name}: {error}") from error
        raise
    return model


def name_of(estimator: Any) -> str:
    """Return the name of the estimator's class."""
    return type(estimator).__name__


def outputs(model: Any, X: Any) -> dict[str, Any]:
    """Call every method that the fitted estimator has."""
    results = {}
    for method in METHODS:
        if not hasattr(model, method):
            continue
        try:
            results[method] = getattr(model, method)(X)
        except ValueError:
            # What a model predicts is its first duty; features it may have none of, as when it
            # predicts every step.
            if method != "transform" or not (is_classifier(model) or is_regressor(model)):
                raise
    assert results, f"{name_of(model)} has none of the methods {', '.join(METHODS)}."
    return results


def rows_of(output: Any, method: str, n_rows: int | None = None) -> list[np.ndarray]:
    """Return what a method gave as one array for each row; skip when there are not `n_rows`."""
    if isinstance(output, Sequences):
        rows = list(output)
    elif isinstance(output, (list, tuple)) and method.startswith(("predict_", "decision")):
        rows = [np.hstack(parts) for parts in zip(*output, strict=True)]
    elif isinstance(output, (list, tuple)):
        rows = [np.asarray(row) for row in output]
    elif issparse(output):
        rows = list(output.toarray())
    elif nw.dependencies.is_into_dataframe(output):
        rows = list(read_sequences(output))
    else:
        rows = [np.asarray(row) for row in output]
        if getattr(output, "ndim", 0) == 3:
            rows = [_without_padding(row) for row in rows]
    if n_rows is not None and len(rows) != n_rows:
        raise SkipTest(f"{method} returned {len(rows)} rows for {n_rows}")
    return rows


def _without_padding(row: np.ndarray) -> np.ndarray:
    """Cut trailing steps that are NaN throughout."""
    seen = np.flatnonzero(~np.isnan(row).all(axis=1))
    return row[: seen[-1] + 1] if len(seen) else row


def assert_same_rows(
    model: Any, expected: dict[str, list], found: dict[str, list], when: str
) -> None:
    """Compare rows to 1e-5, labels exactly."""
    for method, wanted in expected.items():
        for row, (a, b) in enumerate(zip(wanted, found[method], strict=True)):
            if not _close(a, b):
                raise AssertionError(
                    f"{name_of(model)}.{method}: row {row} is {b!r} and not {a!r} {when}."
                )


def _close(a: np.ndarray, b: np.ndarray) -> bool:
    """Compare two rows."""
    if a.shape != b.shape:
        return False
    if a.dtype.kind in "fc" and b.dtype.kind in "fc":
        return bool(np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True))
    return bool(np.array_equal(a, b))


def assert_same_bits(model: Any, expected: dict, found: dict, when: str) -> None:
    """Compare what all methods gave, bit by bit."""
    for method, wanted in expected.items():
        pairs = zip(rows_of(wanted, method), rows_of(found[method], method), strict=True)
        for row, (a, b) in enumerate(pairs):
            if (a.dtype, a.shape, _bits(a)) != (b.dtype, b.shape, _bits(b)):
                raise AssertionError(
                    f"{name_of(model)}.{method}: the bits of row {row} differ {when}: "
                    f"{a!r} and {b!r}."
                )


def _bits(array: np.ndarray) -> Any:
    """Return the bits of an array; the objects of an object array."""
    return array.tolist() if array.dtype == object else array.tobytes()


def row_outputs(model: Any, X: Any, n_rows: int) -> dict[str, list]:
    """Call every method and split what it gives into rows."""
    return {method: rows_of(output, method, n_rows) for method, output in outputs(model, X).items()}
