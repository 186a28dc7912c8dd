"""The fixtures of the tests of a run's files: functions of the system that fail or are observed."""

import errno
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from lock_programs import LockTimes

from seqsweep.runs import lock_files

Replaced = Callable[..., AbstractContextManager[None]]


def no_space(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> Replaced:
    """`with replaced("os.fsync"):` lets a function of the system find the disk full in the block.

    With `by`, the function does something else.
    """

    @contextmanager
    def call(*names: str, by: Callable[..., Any] = no_space) -> Generator[None]:
        with monkeypatch.context() as patch:
            for name in names:
                patch.setattr(name, by)
            yield

    return call


@pytest.fixture
def lock_times(monkeypatch: pytest.MonkeyPatch) -> LockTimes:
    """`lock_times(beat=0.1, stale=1.0)` shortens the seconds after which locks count as dead."""

    def call(**seconds: float) -> None:
        for name, value in seconds.items():
            monkeypatch.setattr(lock_files, f"{name.upper()}_SECONDS", value)

    return call
