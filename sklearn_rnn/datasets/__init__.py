"""Data sets that come with the package, and generators. May import ``sequences``, no torch."""

from ._generators import make_adding_problem, make_copy_memory, make_sequential_digits
from ._loaders import load_air_passengers, load_basic_motions, load_japanese_vowels, load_surnames

__all__ = [
    "load_air_passengers",
    "load_basic_motions",
    "load_japanese_vowels",
    "load_surnames",
    "make_adding_problem",
    "make_copy_memory",
    "make_sequential_digits",
]
