"""Prediction: sequences through the trained network, in batches, back in their order.

Imports scikit-learn's check and layers 0 to 2.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from types import MethodType
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from ..nn import AttentionPooling, ChunkedRun, NetworkConfig, NGramPath, averaged, length_mask
from ..sequences import Sequences, check_missing, labels_as_parts
from ..training import (
    Batch,
    FlatStorage,
    Origins,
    SequenceNet,
    long_rows,
    names_parameters,
    recurrence_bounds,
    run_rows,
    run_steps,
    run_with_long,
    seeded_globals,
)
from ._in_step import InStepTransformer
from ._targets import Target


class _of_recurrence:
    """Make a method missing, with the reason, where a closed form was fitted alone."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    def __get__(self, model: Any, kind: type | None = None) -> Callable[..., Any]:
        if model is None:
            return self._method
        if "net_" in model.__dict__ and not model._config.recurrent:
            name, more = type(model).__name__, ""
            if not model._config.ngram_longest:
                more = f" {name.replace('RNN', 'Reservoir')} has hidden_states of its reservoir."
            raise AttributeError(
                f"This {name} was fitted with closed_form='only': there is no recurrence, and no "
                f"{self._method.__name__}. Fit it with closed_form=True, or take what the closed "
                f"form reads out, transform(X).{more}"
            )
        bound: Callable[..., Any] = MethodType(self._method, model)
        return bound


class PredictionMixin(InStepTransformer):
    """`transform`, `hidden_states`, and what the estimators' ``predict`` rests on.

    It is a transformer because ``set_output`` wraps `transform` where that is written.
    """

    net_: SequenceNet
    _config: NetworkConfig
    missing: str
    _origins: Origins
    pooling: Any
    _target: Target
    _n_threads: Callable[[], int]
    _read_X: Callable[..., Sequences]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _prediction_dtype(self) -> torch.dtype:
        """Return the number type in which the network predicts."""
        return torch.float32

    def _read_for_prediction(self, X: Any) -> Sequences:
        """Check X against what the model was fitted on."""
        if "net_" not in self.__dict__:
            check_is_fitted(self)
        sequences = self._read_X(X, reset=False)
        if self.missing == "error":
            check_missing(sequences, type(self).__name__)
        return sequences

    def _predict_raw(self, sequences: Sequences) -> np.ndarray:
        """Return the head's decoded output by row, or flat by step for targets per step."""
        dtype = self._prediction_dtype()
        network: Any = self.net_.network_for(dtype)

        def decode(raw: torch.Tensor) -> torch.Tensor:
            return self._decoded(network, raw)

        # A recurrence that is as exact in single precision stays in it.
        return self._run_over(
            sequences,
            lambda b: decode(network.answer(b.x, b.lengths, b.static)),
            lambda run: map(decode, run.answer()),
            network=network,
            per_step=self._target.by_step,
        )

    def _decoded(self, network: Any, raw: torch.Tensor) -> torch.Tensor:
        """Return what the head makes of raw outputs, several outputs side by side."""
        # Numbers far from zero would lose in float32 what the network tells apart.
        wide = self._target.in_double and raw.device.type != "mps"
        result = network.head.decode(raw.double() if wide else raw.float())
        return torch.cat(result, dim=1) if isinstance(result, (list, tuple)) else result

    @names_parameters
    def _run_over(
        self,
        sequences: Sequences,
        call: Callable[[Batch], torch.Tensor],
        call_long: Callable[[ChunkedRun], Iterator[torch.Tensor]],
        *,
        network: Any = None,
        per_step: bool = False,
    ) -> np.ndarray:
        """Run something over all sequences, by row or by step: in batches, long ones in pieces."""
        compute, n_threads = self.net_.run_.compute, self._n_threads()
        if network is None:
            network = self.net_.network_for(torch.float32)
        storage = FlatStorage(sequences, compute.device, network.states_dtype, self._origins)
        long = long_rows(network, storage)
        with self._guarded():
            if len(long):
                return run_with_long(
                    call,
                    call_long,
                    network,
                    storage,
                    compute,
                    long,
                    per_step=per_step,
                    n_threads=n_threads,
                )
            bounds = None
            if network.path is None:
                bounds = recurrence_bounds(compute, network.recurrence.output_size)
            run = run_steps if per_step else run_rows
            return run(call, storage, compute, n_threads=n_threads, bounds=bounds)

    def _guarded(self) -> contextlib.AbstractContextManager:
        """Return the context in which a user's own cell may draw from torch's global generator."""
        ours = isinstance(self._config.cell, str)
        return contextlib.nullcontext() if ours else seeded_globals(0)

    def transform(self, X: Any) -> np.ndarray:
        """Return the pooled representation of each sequence, from which the head predicts.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.

        Returns
        -------
        features : ndarray of shape (n_samples, n_features_out), float32
            Pooled states of the recurrence, static features joined; those of all members side by
            side. With ``closed_form="only"``
            what the closed form reads out: those of the reservoir, or the raw outputs of the
            n-grams.
        """
        sequences = self._read_for_prediction(X)
        if self._target.by_step:
            raise ValueError(
                "This model has one target a step and pools nothing; use hidden_states(X)."
            )
        network: Any = self.net_.network_for(torch.float32)
        if not network.is_recurrent and isinstance(network.path, NGramPath):
            return self._run_over(
                sequences,
                lambda b: network.answer(b.x, b.lengths, b.static),
                lambda run: run.answer(),
            )
        if not network.is_recurrent:
            path = network.path
            return self._run_over(
                sequences,
                lambda b: path.pooled(network.input(b.x), b.lengths),
                lambda run: iter([run.path_features()]),
            )
        return self._run_over(
            sequences,
            lambda b: torch.cat(
                [m.features(b.x, b.lengths, b.static).float() for m in network.members()], 1
            ),
            lambda run: iter([torch.cat([one.features().float() for one in run.members()], 1)]),
        )

    @_of_recurrence
    def hidden_states(self, X: Any) -> Sequences:
        """Return the output of the last recurrent layer at every step.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.

        Returns
        -------
        states : Sequences
            One sequence for each of X, with ``hidden_size`` channels (twice that when
            bidirectional: the forward states first), for each member of an ensemble.

        Raises
        ------
        AttributeError
            When the closed form was fitted alone, which has no recurrence.
        """
        sequences = self._read_for_prediction(X)
        network: Any = self.net_.network_for(torch.float32)

        def call(batch: Batch) -> torch.Tensor:
            outputs = [member.states(batch.x, batch.lengths) for member in network.members()]
            mask = length_mask(batch.lengths, outputs[0].shape[1]).to(outputs[0].device)
            return torch.cat([output[mask].float() for output in outputs], 1)

        def call_long(run: ChunkedRun) -> Iterator[torch.Tensor]:
            pieces = zip(*(one.outputs() for one in run.members()), strict=True)
            return (torch.cat([output[0].float() for output in piece], 1) for piece in pieces)

        states = self._run_over(sequences, call, call_long, per_step=True)
        return Sequences(states, sequences.offsets)._with(**labels_as_parts(sequences))

    @_of_recurrence
    def attention_weights(self, X: Any) -> Sequences:
        """Return how much each step counts in the attention pooling.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.

        Returns
        -------
        weights : Sequences
            One sequence for each of X, with one channel of weights that sum to one: the mean of
            all members' weights in an ensemble.

        Raises
        ------
        ValueError
            When `pooling` has no ``"attention"``.
        AttributeError
            When the closed form was fitted alone, which has no recurrence.
        """
        sequences = self._read_for_prediction(X)
        network: Any = self.net_.network_for(torch.float32)
        members: list[Any] = network.members()
        found = [
            part
            for member in members
            for part in member.pooling.modules()
            if isinstance(part, AttentionPooling)
        ]
        if not found:
            raise ValueError(
                f"pooling={self.pooling!r} has no attention to look at; choose "
                "pooling=('attention', 'max'), for example."
            )

        def call(batch: Batch) -> torch.Tensor:
            weights = averaged(
                [
                    pooling.weights(member.states(batch.x, batch.lengths), batch.lengths)
                    for member, pooling in zip(members, found, strict=True)
                ]
            )
            mask = length_mask(batch.lengths, weights.shape[1]).to(weights.device)
            return weights[mask][:, None].float()

        def call_long(run: ChunkedRun) -> Iterator[torch.Tensor]:
            weights = averaged(
                [
                    pooling.weights(torch.cat(list(one.outputs()), 1))
                    for one, pooling in zip(run.members(), found, strict=True)
                ]
            )
            return iter([weights[0][:, None].float()])

        weights = self._run_over(sequences, call, call_long, per_step=True)
        answer = Sequences(weights, sequences.offsets, channel_names=["attention"])
        return answer._with(**labels_as_parts(sequences))
