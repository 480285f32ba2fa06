"""TrainingCurveDisplay: loss and validation score over the epochs. Imports no other room.

The class computes nothing that it draws: `from_estimator` reads the arrays, `plot` draws them, and
matplotlib is imported where the drawing begins.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_regressor
from sklearn.utils.validation import check_is_fitted

from ._drawing import pyplot

# Two hues that colour-blind readers tell apart, and a grey that stays in the background.
_LOSS_COLOR, _SCORE_COLOR, _RATE_COLOR = "#0072B2", "#D55E00", "#999999"
# Marks the axes that hold scores and learning rates, so that a second plot finds them again.
_SCORE_AXES, _RATE_AXES = "sklearn_rnn.score", "sklearn_rnn.learning_rate"


class TrainingCurveDisplay:
    """Draw how training went: the loss of every epoch, and the validation score beside it.

    Use `from_estimator` on a fitted `RNNClassifier` or `RNNRegressor`, on a pipeline or a search
    that ends in one, or on any scikit-learn estimator that keeps a `loss_curve_`. The loss has the
    axis on the left, the score the axis on the right, each in the colour of its line.

    Parameters
    ----------
    loss : array-like of shape (n_epochs,)
        Training loss of every epoch.
    validation_score : array-like of shape (n_epochs,), default=None
        Score on the validation set after every epoch; NaN leaves an epoch out. None draws no
        second axis.
    learning_rate : array-like of shape (n_epochs,), default=None
        Learning rate of every epoch, for `plot(learning_rate=True)`.
    epochs : array-like of shape (n_epochs,), default=None
        Numbers of the epochs. None counts from 1.
    score_name : str, default="Validation score"
        What the axis on the right is called.
    estimator_name : str, default=None
        Name that the legend gives to the lines, to compare several models in one picture.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes of the loss.
    score_ax_ : matplotlib Axes or None
        The axes of the validation score, on the same epochs.
    figure_ : matplotlib Figure
        The figure that holds them.
    loss_line_, score_line_ : matplotlib Line2D
        The lines; `score_line_` is None where there is no score.
    best_ : matplotlib Line2D or None
        The dot on the best validation score.
    learning_rate_ : matplotlib artist or None
        The grey area of the learning rate.

    Raises
    ------
    ValueError
        If there are no epochs, or the arrays differ in length.

    Examples
    --------
    >>> from sklearn_rnn import RNNClassifier
    >>> from sklearn_rnn.datasets import make_sequential_digits
    >>> from sklearn_rnn.inspection import TrainingCurveDisplay
    >>> X, y = make_sequential_digits(200, random_state=0)
    >>> classifier = RNNClassifier(8, max_epochs=5, early_stopping=True, closed_form=False)
    >>> display = TrainingCurveDisplay.from_estimator(classifier.fit(X, y))
    >>> display.score_ax_.get_ylabel()
    'Validation accuracy'
    >>> len(display.loss)
    5
    """

    ax_: Any
    score_ax_: Any
    figure_: Any
    loss_line_: Any
    score_line_: Any
    best_: Any
    learning_rate_: Any

    def __init__(
        self,
        loss: Any,
        *,
        validation_score: Any = None,
        learning_rate: Any = None,
        epochs: Any = None,
        score_name: str = "Validation score",
        estimator_name: str | None = None,
    ) -> None:
        self.loss = _curve("loss", loss)
        if not len(self.loss):
            raise ValueError("loss holds no epochs; there is nothing to draw.")
        self.validation_score = _curve("validation_score", validation_score, len(self.loss))
        self.learning_rate = _curve("learning_rate", learning_rate, len(self.loss))
        counted = np.arange(1, len(self.loss) + 1) if epochs is None else epochs
        self.epochs = _curve("epochs", counted, len(self.loss))
        self.score_name = score_name
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        learning_rate: bool = False,
        name: str | None = None,
        ax: Any = None,
        log_loss_scale: bool = False,
        color: Any = None,
        loss_kwargs: dict[str, Any] | None = None,
        score_kwargs: dict[str, Any] | None = None,
    ) -> TrainingCurveDisplay:
        """Read the training of a fitted estimator and draw it.

        Parameters
        ----------
        estimator : estimator, Pipeline or search
            Fitted. Of a pipeline the last step is taken, of a search the best estimator. An
            estimator of scikit-learn that has `loss_curve_`, as `MLPClassifier`, serves too.
        learning_rate : bool, default=False
            Whether to draw the learning rate as a grey area behind the curves.
        name : str, default=None
            Name in the legend, for several models in one picture.
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.
        log_loss_scale : bool, default=False
            Whether the axis of the loss is logarithmic.
        color : matplotlib color, default=None
            One colour for all of this model, the loss solid and the score dashed. None gives each
            quantity its own colour.
        loss_kwargs, score_kwargs : dict, default=None
            Passed to the `plot` of the axes for the line of the loss and of the score.

        Returns
        -------
        display : TrainingCurveDisplay
            The display, drawn.

        Raises
        ------
        ValueError, TypeError
            If the estimator is not fitted, or kept no loss by epoch.
        """
        display = cls(**_training_of(estimator), estimator_name=name)
        return display.plot(
            ax,
            learning_rate=learning_rate,
            log_loss_scale=log_loss_scale,
            color=color,
            loss_kwargs=loss_kwargs,
            score_kwargs=score_kwargs,
        )

    def plot(
        self,
        ax: Any = None,
        *,
        learning_rate: bool = False,
        log_loss_scale: bool = False,
        color: Any = None,
        loss_kwargs: dict[str, Any] | None = None,
        score_kwargs: dict[str, Any] | None = None,
    ) -> TrainingCurveDisplay:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on, which keep what they show. None makes a new figure.
        learning_rate : bool, default=False
            Whether to draw the learning rate as a grey area behind the curves.
        log_loss_scale : bool, default=False
            Whether the axis of the loss is logarithmic.
        color : matplotlib color, default=None
            One colour for all of this model, the loss solid and the score dashed. None gives each
            quantity its own colour.
        loss_kwargs, score_kwargs : dict, default=None
            Passed to the `plot` of the axes for the line of the loss and of the score.

        Returns
        -------
        self : TrainingCurveDisplay
            The display, with the artists as attributes.

        Raises
        ------
        ImportError
            If matplotlib is not installed; the message says how to install it.
        ValueError
            If the learning rate is asked for and unknown.
        """
        plt = pyplot("TrainingCurveDisplay")
        if learning_rate and self.learning_rate is None:
            raise ValueError("The learning rate of the epochs is unknown; pass learning_rate.")
        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        self.score_ax_ = self.score_line_ = self.best_ = self.learning_rate_ = None
        own_colors = color is None

        style = {"color": _LOSS_COLOR if own_colors else color, "linewidth": 1.8}
        style |= {"label": self._label("training loss") if own_colors else self._summary()}
        (self.loss_line_,) = ax.plot(self.epochs, self.loss, **style | (loss_kwargs or {}))
        ax.set_xlabel("Epoch")
        ax.set_ylabel("Training loss" if own_colors else "Training loss (solid)")
        ax.xaxis.set_major_locator(plt.MaxNLocator(integer=True, min_n_ticks=1))
        if log_loss_scale:
            ax.set_yscale("log")
        if learning_rate:
            self._draw_learning_rate(ax)
        if self.validation_score is not None:
            self._draw_score(ax, color, score_kwargs)
        ax.spines[["top", "right"]].set_visible(False)
        if own_colors:
            _color_axis(ax, "left", self.loss_line_.get_color())
        self._draw_legend(ax)
        return self

    def _draw_score(self, ax: Any, color: Any, score_kwargs: dict[str, Any] | None) -> None:
        """Draw the validation score on an axis of its own, with a dot on its best."""
        scores = self.validation_score
        assert scores is not None
        self.score_ax_ = _second_axes(ax, _SCORE_AXES)
        style = {"color": _SCORE_COLOR, "linewidth": 1.8, "label": self._label(self._score_label)}
        if color is not None:
            style |= {"color": color, "linestyle": "--", "label": "_score"}
        style |= score_kwargs or {}
        seen = ~np.isnan(scores)
        (self.score_line_,) = self.score_ax_.plot(self.epochs[seen], scores[seen], **style)
        self.score_ax_.set_ylabel(self.score_name + (" (dashed)" if color is not None else ""))
        self.score_ax_.spines[["top", "left"]].set_visible(False)
        line_color = self.score_line_.get_color()
        if color is None:
            _color_axis(self.score_ax_, "right", line_color)
        best = self._best_epoch()
        if best is not None:
            (self.best_,) = self.score_ax_.plot(
                self.epochs[best],
                scores[best],
                linestyle="none",
                marker="o",
                markersize=7,
                markerfacecolor="white",
                markeredgecolor=line_color,
                markeredgewidth=1.8,
                label="_best" if color is not None else self._label(self._best_label(best)),
            )

    def _draw_learning_rate(self, ax: Any) -> None:
        """Draw the learning rate behind the curves, to its own scale and without an axis."""
        rates = self.learning_rate
        assert rates is not None
        behind = _second_axes(ax, _RATE_AXES)
        behind.set_axis_off()
        behind.set_zorder(ax.get_zorder() - 1)
        ax.patch.set_visible(False)
        self.learning_rate_ = behind.fill_between(
            self.epochs,
            rates,
            color=_RATE_COLOR,
            alpha=0.18,
            linewidth=0,
            label=self._label(f"learning rate, at most {rates.max():.2g}"),
        )
        behind.set_ylim(0, 1.05 * max(rates.max(), behind.get_ylim()[1] / 1.05))

    def _draw_legend(self, ax: Any) -> None:
        """Put one legend for all axes below them, where it covers no line."""
        from matplotlib.transforms import offset_copy

        legends = [one.get_legend_handles_labels() for one in _axes_over(ax)]
        handles = [handle for some, _ in legends for handle in some]
        labels = [label for _, some in legends for label in some]
        if len(labels) == 1 and self.estimator_name is None:
            return  # the label of the axis says it all
        ax.legend(
            handles,
            labels,
            loc="upper center",
            bbox_to_anchor=(0.5, 0),
            bbox_transform=offset_copy(ax.transAxes, ax.figure, y=-36, units="points"),
            ncols=3 if len(labels) == 3 and self.estimator_name is None else 2,
            frameon=False,
        )

    def _best_epoch(self) -> int | None:
        """Return the position of the best score, where there is one."""
        scores = self.validation_score
        return None if scores is None or np.isnan(scores).all() else int(np.nanargmax(scores))

    def _best_label(self, best: int) -> str:
        return f"best, {self.validation_score[best]:.3f} in epoch {self.epochs[best]:.0f}"

    def _summary(self) -> str:
        """Name the model, and its best score, in one entry of the legend."""
        best = self._best_epoch()
        name = self.estimator_name or "training loss"
        return name if best is None else f"{name} ({self._best_label(best)})"

    @property
    def _score_label(self) -> str:
        return self.score_name[:1].lower() + self.score_name[1:]

    def _label(self, what: str) -> str:
        """Name a line in the legend."""
        return what if self.estimator_name is None else f"{self.estimator_name}: {what}"


def _curve(name: str, values: Any, n_epochs: int | None = None) -> Any:
    """Return a curve as a float array of the right length, or None."""
    if values is None:
        return None
    curve = np.asarray(values, dtype=np.float64)
    if curve.ndim != 1:
        raise ValueError(f"{name} must hold one number for each epoch; got shape {curve.shape}.")
    if n_epochs is not None and len(curve) != n_epochs:
        raise ValueError(f"{name} has {len(curve)} epochs, but loss has {n_epochs}.")
    return curve


def _training_of(estimator: Any) -> dict[str, Any]:
    """Read the curves of a fitted estimator, inside searches and pipelines too."""
    check_is_fitted(estimator)
    while hasattr(estimator, "best_estimator_") or hasattr(estimator, "steps"):
        best = getattr(estimator, "best_estimator_", None)
        estimator = best if best is not None else estimator.steps[-1][1]
    if not hasattr(estimator, "loss_curve_"):
        raise TypeError(
            f"{type(estimator).__name__} has no loss_curve_: it is no RNNClassifier, RNNRegressor "
            "or other estimator that keeps its loss by epoch."
        )
    score_name = "Validation R²" if is_regressor(estimator) else "Validation accuracy"
    history = getattr(estimator, "history_", None)
    if history is None:
        return {
            "loss": estimator.loss_curve_,
            "validation_score": getattr(estimator, "validation_scores_", None),
            "score_name": score_name,
        }
    scores = history["valid_score"].astype(float).to_numpy()
    return {
        "loss": history["train_loss"].to_numpy(),
        "validation_score": None if np.isnan(scores).all() else scores,
        "learning_rate": history["learning_rate"].to_numpy(),
        "epochs": history["epoch"].to_numpy(),
        "score_name": score_name,
    }


def _axes_over(ax: Any) -> list[Any]:
    """List the axes and those of ours that lie on the same place."""
    ours = [
        other
        for other in ax.figure.axes
        if other.get_gid() in (_SCORE_AXES, _RATE_AXES)
        and ax.get_shared_x_axes().joined(ax, other)
        and other.get_position().bounds == ax.get_position().bounds
    ]
    return [ax, *ours]


def _second_axes(ax: Any, gid: str) -> Any:
    """Return the axes of a kind over `ax`, made on the first call."""
    for other in _axes_over(ax):
        if other.get_gid() == gid:
            return other
    second = ax.twinx()
    second.set_gid(gid)
    return second


def _color_axis(ax: Any, side: str, color: Any) -> None:
    """Give the spine, the ticks and the label of an axis the colour of its line."""
    ax.spines[side].set_color(color)
    ax.tick_params(axis="y", colors=color)
    ax.yaxis.label.set_color(color)
