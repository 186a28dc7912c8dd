"""Runs that train together, from their configs to their records, whichever engine trains them."""

import contextlib
import dataclasses
import os
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import lightning as L
from lightning.pytorch.callbacks import Callback

from seqsweep.runs.lock import Locked, RunLock
from seqsweep.training.build_run import build_data
from seqsweep.training.callbacks import StopOnSignal
from seqsweep.training.checkpoints import load_sealed
from seqsweep.training.engines.joint.ending import fail_member
from seqsweep.training.engines.joint.member import Checkpoint, TrainingMember
from seqsweep.training.engines.joint.schedule import Schedule
from seqsweep.training.loggers import PrintLoss
from seqsweep.training.outcome import Interrupted, Outcome, finished
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.resume import begin
from seqsweep.training.train_log import log_file
from seqsweep.training.trainer import build_trainer, restored_torch_state

Outcomes = list[Outcome | BaseException]

M = TypeVar("M", bound=TrainingMember)


class Place(NamedTuple, Generic[M]):
    """Where a member resumes: its last checkpoint and its best, or None at the start."""

    member: M
    last: Checkpoint | None
    best: Checkpoint | None

    @property
    def epochs(self) -> int:
        return 0 if self.last is None else self.last["epoch"] + 1


class Together(ABC, Generic[M]):
    """The story of runs that train together; a subclass trains them.

    Args:
        members: checked, identified, of one prepared data set.
        root: the folder of the runs.
        threads: of torch.
        progress: a progress bar, for a single run.
    """

    kind: type[M]

    def __init__(
        self, members: Sequence[PlannedRun], root: Path, threads: int, progress: Callback | None
    ) -> None:
        self.asked = members
        self.root = root
        self.threads = threads
        self.progress = progress
        self.stop = StopOnSignal()
        self.outcomes: dict[str, Outcome | BaseException] = {}
        self.alone: list[PlannedRun] = []

    @property
    def is_single(self) -> bool:
        """A run by itself: it keeps its checkpoints as any run does, and fails as such."""
        return len(self.asked) == 1

    def run(self) -> Outcomes:
        """Returns for each member its outcome, or why it has none."""
        try:
            self.data = build_data(self.asked[0].config)
            trainer = self.trainer()
        except (ValueError, TypeError, OSError) as error:
            return [error] * len(self.asked)
        built = self._build()
        with contextlib.ExitStack() as held:
            taken = [member for member in built if self._take(member, held)]
            if taken:
                held.enter_context(restored_torch_state(self.threads))
                held.enter_context(self.stop.listening())
                self.train_taken(taken, trainer)
        for member in self.alone:
            self.outcomes[member.run_id] = self.train_alone(member)
        # Here, where signals are no longer taken: one may have come after the last record.
        return [self._with_signal(self.outcomes[member.run_id]) for member in self.asked]

    @abstractmethod
    def train_taken(self, members: Sequence[M], trainer: L.Trainer) -> None:
        """Trains members whose locks are held; what becomes of them goes to `outcomes`."""

    @abstractmethod
    def train_alone(self, member: PlannedRun) -> Outcome | BaseException:
        """Trains a member by itself, whose company has failed as a whole."""

    def trainer(self, **options: Any) -> L.Trainer:
        """Lightning's, for all members: apart from `options` they differ in nothing it reads."""
        config = self.asked[0].config["trainer"]
        section = {name: value for name, value in config.items() if name != "_target_"}
        section |= {"limit_val_batches": 0, "precision": "32"} | options
        callbacks: list[Callback] = [self.stop]
        if self.progress is not None:
            callbacks.append(self.progress)
        return build_trainer(
            **section,
            folder=self.root / self.asked[0].run_id if self.is_single else self.root,
            logger=[],
            callbacks=callbacks,
        )

    def begin(self, members: Sequence[M], origin: dict[str, Any]) -> list[Place[M]]:
        """Prepares the folders of members; returns where those resume that can be trained.

        Args:
            origin: what of the machine and the engine decides the last bits, for provenance.json.
        """
        places = [place for member in members if (place := self._begin(member, origin))]
        if not self.is_single:
            os.sync()  # hundreds of small files at once, before a checkpoint can outlive them
        return places

    def _begin(self, member: M, origin: dict[str, Any]) -> Place[M] | None:
        try:
            path = begin(member.planned, member.folder, origin, sync=self.is_single)
            place = Place(member, None, None)
            if path is not None:
                place = Place(member, load_sealed(path), load_sealed(path.with_name("best.ckpt")))
            member.log.say(f"run {member.run_id} from {path or 'the start'}: {member.config}")
        except OSError as error:
            self.fail(member, error)
            return None
        return place

    @contextlib.contextmanager
    def logging(self, member: M) -> Generator[None]:
        """What is logged while the block runs goes to the train.log of a single run."""
        with contextlib.ExitStack() as held:
            if self.is_single:
                held.enter_context(log_file(member.folder.path / "train.log"))
            yield

    def interrupt(self, members: Sequence[M], error: BaseException) -> None:
        """Writes that a signal has ended the training; raises any other error again."""
        if self.stop.received is None:
            raise error
        # SystemExit is what Lightning makes of a SIGTERM that it sees first, with exit code 0.
        reason = Interrupted(self.stop.received)
        for member in members:
            with contextlib.suppress(OSError):
                member.log.flush()
                member.folder.interrupt(reason)
            member.log.say(str(reason), level="WARNING")
            member.log.write_lines()
            self.outcomes[member.run_id] = reason

    def fail_as_a_whole(self, members: Sequence[M], error: Exception) -> None:
        """Lets each member of a company that has failed try by itself."""
        for member in members:
            if self.is_single:
                self.fail(member, error)
            else:
                member.log.say(f"its company failed ({error}); it trains alone", level="WARNING")
                member.log.write_lines()
                self.alone.append(member.planned)

    def fail(self, member: M, error: Exception) -> None:
        self.outcomes[member.run_id] = fail_member(member, error)

    def _build(self) -> list[M]:
        schedules: dict[str, Schedule] = {}
        built: list[M] = []
        for member in self.asked:
            folder = self.root / member.run_id
            try:
                built.append(self.kind(member, folder, self.data.splits, schedules))
            except (ValueError, TypeError, OSError) as error:
                self.outcomes[member.run_id] = error
                continue
            if not self.is_single:  # many at once would print into each other
                loggers = built[-1].log.loggers
                loggers[:] = [x for x in loggers if not isinstance(x, PrintLoss)]
        return built

    def _take(self, member: M, held: contextlib.ExitStack) -> bool:
        """Locks a run; False where another process has it, or has finished it meanwhile."""
        try:
            held.enter_context(RunLock(member.folder.path))
        except (Locked, OSError) as error:
            self.outcomes[member.run_id] = error
            return False
        outcome = finished(member.planned, self.root)
        if outcome is not None:
            self.outcomes[member.run_id] = outcome
        return outcome is None

    def _with_signal(self, outcome: Outcome | BaseException) -> Outcome | BaseException:
        if isinstance(outcome, Outcome):
            return dataclasses.replace(outcome, signum=self.stop.received)
        return outcome
