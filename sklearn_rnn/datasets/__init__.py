"""Data sets that come with the package, and generators. May import ``sequences``, no torch."""

from ._adding_problem import make_adding_problem
from ._air_passengers import load_air_passengers
from ._basic_motions import load_basic_motions
from ._copy_memory import make_copy_memory
from ._japanese_vowels import load_japanese_vowels
from ._sequential_digits import make_sequential_digits
from ._surnames import load_surnames

__all__ = [
    "load_air_passengers",
    "load_basic_motions",
    "load_japanese_vowels",
    "load_surnames",
    "make_adding_problem",
    "make_copy_memory",
    "make_sequential_digits",
]
