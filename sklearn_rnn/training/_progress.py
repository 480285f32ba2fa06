"""The progress bar behind ``verbose=1``. Imports tqdm, and only when it is shown."""

from __future__ import annotations

from typing import Any, Protocol


class _Record(Protocol):
    """What the bar reads of an epoch."""

    train_loss: float
    valid_score: float | None


class Progress:
    """A bar over epochs with loss, validation score and time left; nothing when not shown."""

    def __init__(self, total: int, title: str, *, show: bool) -> None:
        self._bar: Any = None
        if show:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=total, desc=title, unit="epoch", dynamic_ncols=True)

    def update(self, record: _Record) -> None:
        """Move on by one epoch."""
        if self._bar is None:
            return
        shown = {"loss": f"{record.train_loss:.4g}"}
        if record.valid_score is not None:
            shown["score"] = f"{record.valid_score:.4g}"
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update()

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.close()
