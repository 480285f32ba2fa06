"""Small problems in every form of X that the checks feed; imports `sequences` only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier, is_regressor
from sklearn.utils import get_tags

from ..sequences import Sequences

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
