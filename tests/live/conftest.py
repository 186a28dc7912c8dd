"""The folder of a sweep for each test of the display."""

from collections.abc import Callable
from pathlib import Path

import pytest
from live_sweeps import Sweep


@pytest.fixture
def sweep(tmp_path: Path) -> Callable[..., Sweep]:
    """Makes a sweep with one run for each config in the test's folder."""
    return lambda *configs: Sweep(tmp_path, configs)
