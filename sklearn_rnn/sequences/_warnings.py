"""Warnings at the user's own line. Imports scikit-learn and joblib, to know their folders."""

import contextlib
import os
import sys
import warnings
from pathlib import Path

import joblib
import sklearn

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
