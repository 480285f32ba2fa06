"""What a sample is: the ragged container, the reading of any form into it, the door for X and y."""

from ._container import Sequences

__all__ = ["Sequences"]
