"""What a fitted estimator says of itself, in plain words and in its HTML diagram.

Imports nothing but layer 1's configuration.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from ..sequences import DOC_LINK_TEMPLATE, public_module

if TYPE_CHECKING:
    from ..nn import NetworkConfig
    from ..training import SequenceNet
    from ._targets import Target


class Description(str):
    """Text that shows without quotation marks."""

    def __repr__(self) -> str:
        return str(self)


class DescribedNetworkMixin:
    """Fitted attributes ``input_``, ``core_``, ``head_``, ``n_weights_``; the HTML diagram."""

    _doc_link_module = "sklearn_rnn"
    _doc_link_template = DOC_LINK_TEMPLATE

    _config: NetworkConfig
    _target: Target
    net_: SequenceNet

    def _doc_link_url_param_generator(self) -> dict[str, str]:
        """Name the page of this class in our reference."""
        return {
            "estimator_module": public_module(type(self)),
            "estimator_name": type(self).__name__,
        }

    @property
    def input_(self) -> Description:
        """What goes in, in words."""
        config = self._fitted_config()
        if config.words is not None:
            text = f"{config.words.n_words} words"
            if config.character_size:
                text += f" of {config.words.n_characters} characters"
        elif config.vocabulary_size is not None:
            text = f"{config.vocabulary_size} tokens" + ", times" * config.timed
        else:
            text = f"{config.n_channels} channel" + "s" * (config.n_channels != 1)
        if config.indicator:
            text += ", missing marked"
        if config.n_static:
            text += f", {config.n_static} static"
        return Description(text)

    @property
    def core_(self) -> Description:
        """What reads the sequences, in words: the recurrence, and the closed form beside it."""
        config = self._fitted_config()
        if not config.recurrent:
            return Description(self.net_.module_.path.in_words())
        cell = config.cell if isinstance(config.cell, str) else config.cell.__name__
        text = f"{cell} {config.hidden_size}"
        if config.num_layers > 1:
            text += f" x {config.num_layers} layers"
        if config.bidirectional:
            text += ", bidirectional"
        if config.n_members > 1:
            text = f"{config.n_members} x ({text})"
        if config.reservoir_units:
            text += " + reservoir"
        if config.ngram_longest:
            text += " + n-grams"
        return Description(text)

    @property
    def head_(self) -> Description:
        """What comes out, in words."""
        return Description(self._target.describe(self._fitted_config()))

    @property
    def prediction_(self) -> Description:
        """How the prediction is made up, in words: shares, and what each part scores alone."""
        config = self._fitted_config()
        report = self.__dict__.get("report_")
        if report is not None and report.parts:
            return Description(report.made_of)
        share = float(self.net_.module_.recurrence_share)
        closed = "n-grams" if config.ngram_longest else "closed form"
        if not (config.ngram_longest or config.reservoir_units):
            return Description("1.00 recurrence")
        return Description(f"{1 - share:.2f} {closed} + {share:.2f} recurrence")

    @property
    def n_weights_(self) -> int:
        """Number of trained weights; of a closed form alone, those that were solved."""
        if not self._fitted_config().recurrent:
            return int(self.net_.module_.path.n_solved)
        return sum(p.numel() for p in self.net_.module_.parameters() if p.requires_grad)

    @property
    def recurrence_share_(self) -> float:
        """Share of the trained recurrence in the prediction; reservoir or n-grams have the rest."""
        self._fitted_config()
        return float(self.net_.module_.recurrence_share)

    def _fitted_config(self) -> NetworkConfig:
        """Return the architecture, or say that there is none, as a missing attribute is said."""
        if "net_" not in self.__dict__:
            raise AttributeError(f"This {type(self).__name__} instance is not fitted yet.")
        return self._config

    def _repr_html_inner(self) -> str:
        """Return scikit-learn's diagram, and below it the fitted network in one line."""
        return self._html_with_summary()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        """Return what notebooks show."""
        bundle = super()._repr_mimebundle_(**kwargs)  # type: ignore[misc]
        if "text/html" in bundle:
            bundle["text/html"] = self._html_with_summary()
        return bundle

    def _html_with_summary(self) -> str:
        """Return the diagram with the summary, once fitted."""
        html = super()._repr_html_inner()  # type: ignore[misc]
        if "net_" not in self.__dict__:
            return html
        parts = [
            f"<b>input</b> {escape(self.input_)}",
            f"<b>core</b> {escape(self.core_)}",
            f"<b>head</b> {escape(self.head_)}",
            f"<b>weights</b> {self.n_weights_:,}",
        ]
        if self._config.ngram_longest or self._config.reservoir_units:
            parts.append(f"<b>prediction</b> {escape(self.prediction_)}")
        return f"{html}<p class='sklearn-rnn-network'>{' &rarr; '.join(parts)}</p>"
