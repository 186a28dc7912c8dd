"""Waiting for what another process or thread does."""

import subprocess
import time
from collections.abc import Callable
from typing import Any


def wait_until(condition: Callable[[], Any], process: subprocess.Popen[str] | None = None) -> Any:
    """Waits until a condition holds, and returns what it returns.

    Fails after 180 s, or if the process ends before.
    """
    deadline = time.monotonic() + 180
    while not (result := condition()):
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return result
