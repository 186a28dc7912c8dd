"""The errors that a caller can catch by name, and two checks of arguments.

    SeqsweepError
      ConfigError       a config or an override is refused; also a ValueError and a TypeError
      DataError         the data are refused; also a ValueError and a TypeError
      FolderError       a folder holds no run or no sweep; also a ValueError and a TypeError
        Damaged         a file has unexpected content
      RunLocked         another process trains the run
        LockLost        another process has taken over the run
      RunFailed         a run failed after it had begun; `__cause__` is the error
      RunDiverged       a metric is NaN or infinite; also a FloatingPointError
      KilledTooOften    each process that trained a run was killed

A missing file is an OSError. `Interrupted` is a BaseException, as KeyboardInterrupt is.
"""

import errno
import operator
import signal
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, SupportsIndex

from seqsweep.text import did_you_mean, listed


class SeqsweepError(Exception):
    """The base of the errors of this package."""


class ConfigError(SeqsweepError, ValueError, TypeError):
    """A config or an override is refused, before anything is trained."""


class DataError(SeqsweepError, ValueError, TypeError):
    """A source refuses its arguments or files, or the sequences do not suit."""


class FolderError(SeqsweepError, ValueError, TypeError):
    """A folder or a file holds no usable run or sweep."""


class Damaged(FolderError):
    """A file has unexpected content; the message names the file."""


class RunLocked(SeqsweepError):
    """A lock is held already; the message names the process, which may be this one."""


class LockLost(RunLocked):
    """Another process has taken over a run that this process trained."""


class RunFailed(SeqsweepError):
    """A run failed after it had begun, and `__cause__` is the error; or it diverged."""


class RunDiverged(SeqsweepError, FloatingPointError):
    """The loss or the gradient norm of an epoch is NaN or infinite."""

    def __init__(self, name: str, value: float, epoch: int, rate: str = "optimizer.lr") -> None:
        super().__init__(
            f"{name} is {value} in epoch {epoch}; try a smaller {rate} or "
            "trainer.gradient_clip_val=1.0"
        )
        self.epoch = epoch


class KilledTooOften(SeqsweepError):
    """Each process that trained a run was killed before it had trained another epoch."""


class Interrupted(BaseException):
    """A signal ended the training. Like KeyboardInterrupt, it is not an Exception."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(signum).name}")
        self.exit_code = 128 + signum


class Proposal(ValueError, TypeError):
    """A file can only be read with further `options`; a `__cause__` of others."""

    def __init__(
        self, fact: str, options: Mapping[str, Any], hint: str, is_certain: bool = False
    ) -> None:
        super().__init__(f"{fact}; {hint}")
        self.fact, self.options, self.is_certain = fact, options, is_certain


@contextmanager
def raised_as(kind: type[ConfigError | DataError | FolderError]) -> Generator[None]:
    """Raises each ValueError and TypeError of the block as `kind`, with the same message."""
    try:
        yield
    except SeqsweepError:
        raise
    except (ValueError, TypeError) as error:
        raise kind(str(error)).with_traceback(error.__traceback__) from error.__cause__


def is_of_machine(error: Exception) -> bool:
    """Returns whether the machine causes an error, such as a full disk."""
    return isinstance(error, OSError) and error.errno in _OF_MACHINE


_OF_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE)


def integer(name: str, value: object, least: int, most: int | None = None, reason: str = "") -> int:
    """Returns an argument as an int; refuses other types, and values out of range.

    Args:
        name: the argument as messages name it, such as `data.fold`.
        reason: the end of the message, such as `, the number of sequences in train`.
    """
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise TypeError(f"{name}={value!r}: must be a whole number")
    number = operator.index(value)
    if number < least or (most is not None and number > most):
        allowed = f"at least {least}" if most is None else f"between {least} and {most}"
        raise ValueError(f"{name}={value}: must be {allowed}{reason}")
    return number


def check_known(name: str, value: str, known: Sequence[str]) -> None:
    """Refuses a value that is not one of the known texts."""
    if value not in known:
        hint = did_you_mean(str(value), known)
        raise ValueError(f"{name}={value!r}: must be one of {listed(known)}{hint}")
