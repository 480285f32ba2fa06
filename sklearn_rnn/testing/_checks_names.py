"""Checks of names: of features in and out, of `set_output`, of the HTML diagram.

Imports `sequences` only.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from sklearn.base import clone

from ._models import fitted, name_of, outputs
from ._problems import Problem


def check_feature_names_in(estimator: Any, problem: Problem) -> None:
    """Fit on a frame and on what has no names."""
    model = fitted(estimator, problem)
    if not problem.form.is_frame:
        named = hasattr(model, "feature_names_in_")
        assert not named, f"{name_of(model)} has feature_names_in_ for X without names."
        return
    names = list(nw.from_native(problem.X, eager_only=True).columns)
    found = list(getattr(model, "feature_names_in_", []))
    assert found == names, f"{name_of(model)}.feature_names_in_ is {found} and not {names}."
    assert hasattr(model, "n_features_in_"), f"{name_of(model)} has no n_features_in_."
    assert model.n_features_in_ == len(names), (
        f"{name_of(model)}.n_features_in_ is {model.n_features_in_} for {len(names)} columns."
    )


def check_feature_names_out_fit(estimator: Any, problem: Problem) -> None:
    """Compare the number of names with the columns of the output."""
    model = fitted(estimator, problem)
    output = outputs(model, problem.X).get("transform")
    if output is None:
        return
    names = model.get_feature_names_out()
    assert len(set(names)) == len(names), f"{name_of(model)}.get_feature_names_out repeats names."
    if isinstance(output, np.ndarray) and output.ndim == 2:
        assert output.shape[1] == len(names), (
            f"{name_of(model)}.get_feature_names_out gives {len(names)} names for "
            f"{output.shape[1]} columns."
        )


def check_set_output(estimator: Any, problem: Problem) -> None:
    """Ask for frames; what is no table must come through unhurt."""
    plain = fitted(estimator, problem)
    output = outputs(plain, problem.X).get("transform")
    if output is None:
        return
    table = isinstance(output, np.ndarray) and output.ndim == 2
    for library in ("pandas", "polars"):
        if not find_spec(library):
            continue
        model = clone(plain).set_output(transform=library)
        model.fit(*problem.keep)
        frame = model.transform(problem.X)
        if not table:
            assert len(frame) == len(output)
            continue
        kind = type(frame).__module__.partition(".")[0]
        assert kind == library, f"{name_of(model)}.transform gives {type(frame)} for {library}."
        assert list(frame.columns) == list(model.get_feature_names_out())
        assert np.array_equal(frame.to_numpy(), output, equal_nan=True)
        if library == "pandas" and isinstance(problem.X, pd.DataFrame):
            assert frame.index.equals(problem.X.index), f"{name_of(model)} drops the index."


def check_html(estimator: Any, problem: Problem) -> None:
    """Render the diagram, before and after fit."""
    for model in (clone(estimator), fitted(estimator, problem)):
        html = model._repr_mimebundle_()["text/html"]
        assert name_of(model) in html, f"The diagram of {name_of(model)} does not name it."
