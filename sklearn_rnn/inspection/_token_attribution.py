"""TokenAttributionDisplay: texts with their tokens coloured by what they add. Imports `sequences`.

The class computes nothing that it draws: `from_estimator` asks the estimator, `plot` and `to_html`
draw, and matplotlib is imported where the drawing begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.util import find_spec
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..sequences import Sequences
from ._drawing import pyplot

# Two hues that colour-blind readers tell apart: blue speaks for the label, orange against it.
_FOR, _AGAINST = (0, 114, 178), (213, 94, 0)
# Control characters, which nothing shows, by the pictures that Unicode has of them.
_PICTURES = {code: 0x2400 + code for code in range(32)} | {127: 0x2421}
_METHODS = ("integrated_gradients", "attention")


class TokenAttributionDisplay:
    """Show texts with every token coloured by how much it adds to the answer.

    Use `from_estimator` on a fitted pipeline of `TextTokenizer` and an estimator. Blue tokens speak
    for the label, orange ones against it; the deeper the colour, the more. In a notebook the
    display shows itself; `plot` draws it with matplotlib.

    Parameters
    ----------
    tokens : list of lists of str
        The tokens of each text.
    attributions : list of array-like of shape (n_tokens,)
        What each token adds.
    titles : list of str, default=None
        A line above each text.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        The figure that holds them.
    texts_ : list of matplotlib Text
        The tokens.

    Raises
    ------
    ValueError
        When tokens and attributions differ in number.

    Examples
    --------
    >>> from sklearn_rnn.inspection import TokenAttributionDisplay
    >>> display = TokenAttributionDisplay([["not", "bad"]], [[0.5, -0.2]], titles=["liked"])
    >>> "not" in display.to_html()
    True
    """

    ax_: Any
    figure_: Any
    texts_: list[Any]

    def __init__(
        self,
        tokens: Sequence[Sequence[str]],
        attributions: Sequence[Any],
        *,
        titles: Sequence[str] | None = None,
    ) -> None:
        self.tokens = [[word.translate(_PICTURES) for word in row] for row in tokens]
        self.attributions = [np.asarray(row, dtype=np.float64).ravel() for row in attributions]
        self.titles = None if titles is None else [str(title) for title in titles]
        if len(self.tokens) != len(self.attributions):
            raise ValueError(
                f"There are {len(self.tokens)} texts, but {len(self.attributions)} attributions."
            )
        for row, (words, values) in enumerate(zip(self.tokens, self.attributions, strict=True)):
            if len(words) != len(values):
                raise ValueError(
                    f"Row {row} has {len(words)} tokens, but {len(values)} attributions."
                )
        if self.titles is not None and len(self.titles) != len(self.tokens):
            raise ValueError(f"There are {len(self.tokens)} texts, but {len(self.titles)} titles.")

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        target: Any = None,
        method: str = "integrated_gradients",
        ax: Any = None,
    ) -> TokenAttributionDisplay:
        """Attribute the answers of a fitted pipeline to the tokens of some texts, and draw them.

        Parameters
        ----------
        estimator : Pipeline, search or estimator
            Fitted; the last step an `RNNClassifier` or `RNNRegressor`.
        X : list of str, or what the estimator takes
            A few texts.
        target : label, default=None
            The label in question; None takes the predicted one of each text.
        method : {"integrated_gradients", "attention"}, default="integrated_gradients"
            ``"attention"`` needs ``"attention"`` in ``pooling``, and has no sign.
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        Returns
        -------
        display : TokenAttributionDisplay
            Drawn; without matplotlib it is coloured text in HTML alone.
        """
        if method not in _METHODS:
            raise ValueError(f"method must be one of {list(_METHODS)}; got {method!r}.")
        check_is_fitted(estimator)
        estimator = getattr(estimator, "best_estimator_", estimator)
        model, sequences = estimator, X
        if hasattr(estimator, "steps"):
            model = estimator.steps[-1][1]
            sequences = estimator[:-1].transform(X) if len(estimator.steps) > 1 else X
        if not isinstance(sequences, Sequences) or not sequences.is_tokens:
            raise ValueError(
                "X gave no tokens; use a pipeline with TextTokenizer, or pass its Sequences."
            )
        if method == "attention":
            found = model.attention_weights(sequences)
        else:
            found = model.token_attributions(sequences, target=target)
        spelled = () if sequences.lexicon is None else sequences.lexicon.tokens
        tokens = [
            [spelled[t] if t < len(spelled) else str(t) for t in row[:, 0].tolist()]
            for row in sequences
        ]
        answers = model.predict(sequences)
        titles = [str(answer) if target is None else str(target) for answer in answers]
        display = cls(tokens, [row[:, 0] for row in found], titles=titles)
        if ax is None and find_spec("matplotlib") is None:
            return display  # as coloured text in HTML, which needs nothing
        return display.plot(ax=ax)

    def _shades(self, row: int) -> list[tuple[tuple[int, int, int], float]]:
        """Return colour and depth, from 0 to 1, of each token of a text."""
        values = self.attributions[row]
        largest = float(np.abs(values).max(initial=0.0)) or 1.0
        return [(_FOR if v >= 0 else _AGAINST, float(abs(v)) / largest) for v in values]

    def to_html(self) -> str:
        """Return the texts as HTML, tokens coloured.

        Returns
        -------
        html : str
            A ``div`` with one paragraph for each text.
        """
        lines = []
        for row, words in enumerate(self.tokens):
            spans = [
                f'<span title="{value:+.3g}" style="background-color: '
                f'rgba({red},{green},{blue},{0.75 * depth:.2f}); padding: 0 0.15em">'
                f"{escape(word)}</span>"
                for word, value, ((red, green, blue), depth) in zip(
                    words, self.attributions[row], self._shades(row), strict=True
                )
            ]
            title = f"<b>{escape(self.titles[row])}</b> " if self.titles else ""
            lines.append(f"<p>{title}{' '.join(spans)}</p>")
        return f'<div class="sklearn-rnn-attributions">{"".join(lines)}</div>'

    def _repr_html_(self) -> str:
        return self.to_html()

    def plot(self, *, ax: Any = None) -> TokenAttributionDisplay:
        """Draw the texts, their lines broken at the edge.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        Returns
        -------
        display : TokenAttributionDisplay
            This one.
        """
        plt = pyplot("TokenAttributionDisplay")
        lines = self._lines()
        if ax is None:
            _, ax = plt.subplots(figsize=(8, 0.4 + 0.32 * len(lines)), layout="constrained")
        self.ax_, self.figure_, self.texts_ = ax, ax.figure, []
        ax.set_axis_off()
        ax.set_xlim(0, _WIDTH)
        ax.set_ylim(-len(lines) + 0.4, 0.6)
        for number, line in enumerate(lines):
            for left, word, colour, depth in line:
                self.texts_.append(
                    ax.text(
                        left,
                        -number,
                        # A dollar sign would begin a formula.
                        word.replace("$", r"\$"),
                        family="monospace",
                        fontsize=9,
                        va="center",
                        fontweight="bold" if colour is None else "normal",
                        bbox=None
                        if colour is None
                        else {
                            "facecolor": (*(part / 255 for part in colour), 0.75 * depth),
                            "edgecolor": "none",
                            "pad": 1.5,
                        },
                    )
                )
        return self

    def _lines(self) -> list[list[tuple[float, str, Any, float]]]:
        """Lay the tokens out in lines: where each begins, its text, colour and depth."""
        lines: list[list[tuple[float, str, Any, float]]] = []
        for row, words in enumerate(self.tokens):
            line: list[tuple[float, str, Any, float]] = []
            left = 0.0
            if self.titles:
                line.append((left, self.titles[row], None, 0.0))
                left += len(self.titles[row]) + 2
            for word, (colour, depth) in zip(words, self._shades(row), strict=True):
                if left and left + len(word) > _WIDTH:
                    lines.append(line)
                    line, left = [], 2.0
                line.append((left, word, colour, depth))
                left += len(word) + 1
            lines.append(line)
        return lines


# Characters of a line.
_WIDTH = 84.0
