"""Commands in the folder of a test, and what they print."""

from collections.abc import Callable

import pytest
from typed_commands import Command, command

__all__ = ["command", "output_of"]

OutputOf = Callable[..., tuple[int, str]]


@pytest.fixture
def output_of(monkeypatch: pytest.MonkeyPatch, command: Command) -> OutputOf:
    """Runs a command in the test's folder; returns its exit code and what it printed."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> tuple[int, str]:
        done = command(*arguments)
        return done.code, done.out + done.err

    return run
