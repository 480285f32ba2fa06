"""Folds in order of time, and backtests over them."""

from ._backtest import backtest
from ._split import PanelTimeSeriesSplit

__all__ = ["PanelTimeSeriesSplit", "backtest"]
