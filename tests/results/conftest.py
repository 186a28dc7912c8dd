"""Commands in the folder of a test, and what they print."""

from collections.abc import Callable

import pytest
from typed_commands import Command, command

__all__ = ["command", "said"]

Said = Callable[..., tuple[int, str]]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, command: Command) -> Said:
    """Runs a command in the test's folder; returns its exit code and what it printed."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> tuple[int, str]:
        done = command(*arguments)
        return done.code, done.out + done.err

    return run
