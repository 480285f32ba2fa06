"""Recurrences compiled for the CPU: loops over time that torch leaves slow. See ``_call``."""
