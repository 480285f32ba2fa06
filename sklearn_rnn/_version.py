"""The version, in the one place that the build and the package read. Imports nothing."""

__version__ = "0.1.0.dev0"
