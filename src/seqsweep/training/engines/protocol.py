"""The interface of an engine: the steps that `training.train` calls."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from lightning.pytorch.callbacks import Callback

from seqsweep.training.callbacks import StopOnSignal
from seqsweep.training.engines.ending import Member, fail_member
from seqsweep.training.outcome import Outcome
from seqsweep.training.planned_run import PlannedRun

M = TypeVar("M", bound=Member)


class Engine(ABC, Generic[M]):
    """Trains one or more runs of one data set together.

    A member that ends before the others is tested and recorded inside `fit`. The members that end
    last are tested and recorded by `finish`.

    Args:
        runs: checked configs; at least one.
        root: the folder of the runs.
        progress: a progress bar, for a single run.

    Attributes:
        torch_threads: the number of threads that torch uses.
        origin: what decides the last bits of the results, for provenance.json; set by `build`.
        stop: handles the signals; it is a callback of every Trainer.
        outcomes: the outcome or the error of each run that has ended, by run_id.
    """

    torch_threads = 1
    origin: dict[str, Any]

    def __init__(self, runs: Sequence[PlannedRun], root: Path, progress: Callback | None) -> None:
        self.runs = runs
        self.root = root
        self.progress = progress
        # One object serves all Trainers of the engine, so a signal between two of them is not lost.
        self.stop = StopOnSignal()
        self.outcomes: dict[str, Outcome | BaseException] = {}

    @property
    def is_single(self) -> bool:
        """Returns whether this is a single run, whose files are synced one by one."""
        return len(self.runs) == 1

    @abstractmethod
    def build(self) -> list[M]:
        """Builds the parts of the runs from their configs; nothing is written.

        Raises:
            ValueError, TypeError, OSError: something that all runs share is refused.
        """

    def assist(self, members: Sequence[M]) -> Outcome | None:
        """Trains in a further process of a distributed run; otherwise returns None.

        The first process locks, begins and records the run.
        """
        return None

    @abstractmethod
    def start(self, member: M, checkpoint: Path | None) -> None:
        """Prepares a member for its training, from its checkpoint if it has one."""

    @contextmanager
    def running(self, begin: Callable[[M], bool]) -> Generator[None]:
        """Holds the engine's resources while members are fitted, tested and recorded.

        Args:
            begin: locks a member whose turn has come, prepares its folder and calls `start`;
                returns False if the member cannot be trained here.
        """
        yield

    @abstractmethod
    def fit(self) -> None:
        """Begins and trains members until none of them has an epoch left."""

    @abstractmethod
    def finish(self) -> None:
        """Tests and records the members that `fit` has left; records are their last files."""

    def fail(self, member: M, error: Exception) -> None:
        """Writes that a member has failed."""
        self.outcomes[member.run_id] = fail_member(member, error)
