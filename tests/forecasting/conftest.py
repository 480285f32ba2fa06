"""The series of these tests are simple, and a baseline may well beat the forecast on the tail."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


def pytest_collection_modifyitems(items):
    """Ignore the warning that a baseline wins, but where it is what a test is about."""
    for item in items:
        if Path(__file__).parent in item.path.parents and "baseline" not in item.name:
            item.add_marker(pytest.mark.filterwarnings("ignore:On the held-out tail:UserWarning"))
