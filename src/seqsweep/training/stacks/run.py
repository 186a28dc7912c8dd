"""Runs that train together, from their configs to their records."""

import contextlib
import dataclasses
import os
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from seqsweep.runs.lock import Locked, RunLock
from seqsweep.training.callbacks import StopOnSignal
from seqsweep.training.checkpoints import load_sealed
from seqsweep.training.continuing import begin
from seqsweep.training.loggers import PrintLoss
from seqsweep.training.parts import build_data, engine
from seqsweep.training.planning import Interrupted, Member, Outcome, RunFailed, finished
from seqsweep.training.stacks.company import forget_companies, keep_company
from seqsweep.training.stacks.data import StackDataModule
from seqsweep.training.stacks.files import StackFile, take_out
from seqsweep.training.stacks.fit import StackFit
from seqsweep.training.stacks.members import Schedule, StackMember
from seqsweep.training.stacks.stack import Checkpoint, Stack
from seqsweep.training.textlog import log_file
from seqsweep.training.trainer import build_trainer, own_torch_state

Outcomes = list[Outcome | BaseException]


def train_stack(
    members: Sequence[Member],
    root: Path,
    progress: Callback | None = None,
) -> Outcomes:
    """Trains runs of one `stack_key` in `root`/run_id together, each from its last epoch.

    Every run ends as it would alone, within rounding: another's failure, early stop or divergence
    changes nothing.

    Args:
        members: checked, identified, of one `engine.stack_key`.
        root: the folder of the runs.
        progress: a progress bar, for a single run.

    Returns:
        For each member its outcome, or why it has none: Locked, Interrupted, RunFailed, or what
        refused its config (ValueError, TypeError, OSError; nothing has been written then).
    """
    return _Training(members, root, progress).run()


class _Training:
    """The story of one stack; see `train_stack`."""

    def __init__(
        self,
        members: Sequence[Member],
        root: Path,
        progress: Callback | None,
    ) -> None:
        self.asked = members
        self.root = root
        self.progress = progress
        self.stop = StopOnSignal()
        self.outcomes: dict[str, Outcome | BaseException] = {}
        self.alone: list[Member] = []

    @property
    def is_single(self) -> bool:
        """A run by itself: it keeps its checkpoints as any run does, and fails as such."""
        return len(self.asked) == 1

    def run(self) -> Outcomes:
        config = self.asked[0].config
        try:
            self.data = build_data(config)
            trainer = self._trainer()
        except (ValueError, TypeError, OSError) as error:
            return [error] * len(self.asked)
        built = self._build()
        with contextlib.ExitStack() as held:
            taken = [member for member in built if self._take(member, held)]
            if taken:
                held.enter_context(own_torch_state(config["threads"]))
                held.enter_context(self.stop.listening())
                self._train_by_epoch(taken, trainer)
        for member in self.alone:
            self.outcomes[member.run_id] = train_stack([member], self.root)[0]
        forget_companies(self.root)
        # Here, where signals are no longer taken: one may have come after the last record.
        return [self._with_signal(self.outcomes[member.run_id]) for member in self.asked]

    def _trainer(self) -> L.Trainer:
        """Lightning's, for all members: they differ in nothing that it reads."""
        config = self.asked[0].config["trainer"]
        section = {name: value for name, value in config.items() if name != "_target_"}
        section |= {"limit_val_batches": 0, "precision": "32"}
        callbacks: list[Callback] = [self.stop]
        if self.progress is not None:
            callbacks.append(self.progress)
        return build_trainer(
            **section,
            folder=self.root / self.asked[0].run_id if self.is_single else self.root,
            logger=[],
            callbacks=callbacks,
        )

    def _build(self) -> list[StackMember]:
        schedules: dict[str, Schedule] = {}
        built: list[StackMember] = []
        for member in self.asked:
            folder = self.root / member.run_id
            try:
                built.append(StackMember(member, folder, self.data.splits, schedules))
                if not self.is_single:  # many at once would print into each other
                    loggers = built[-1].log.loggers
                    loggers[:] = [x for x in loggers if not isinstance(x, PrintLoss)]
            except (ValueError, TypeError, OSError) as error:
                self.outcomes[member.run_id] = error
        return built

    def _take(self, member: StackMember, held: contextlib.ExitStack) -> bool:
        """Locks a run; False where another process has it, or has finished it meanwhile."""
        try:
            held.enter_context(RunLock(member.folder.path))
        except (Locked, OSError) as error:
            self.outcomes[member.run_id] = error
            return False
        outcome = finished(member.member, self.root)
        if outcome is not None:
            self.outcomes[member.run_id] = outcome
        return outcome is None

    def _train_by_epoch(self, members: Sequence[StackMember], trainer: L.Trainer) -> None:
        """Those that stand at the same epoch go on together."""
        if not self.is_single:
            keep_company(self.root, [member.member for member in members])
        take_out(self.root, [member for member in members if member.begun])
        origin = engine(trainer, "stacked") | {
            "stack": {"members": [member.run_id for member in members]}
        }
        places: dict[int, list[_Place]] = {}
        for member in members:
            place = self._begin(member, origin)
            if place is not None:
                places.setdefault(place.epochs, []).append(place)
        if not self.is_single:
            os.sync()  # hundreds of small files at once, before a checkpoint can outlive them
        # The ones from the start first: members share schedules, and the others restore theirs.
        for _, group in sorted(places.items()):
            self._fit(group, trainer)
            trainer = self._trainer()

    def _begin(self, member: StackMember, origin: dict[str, Any]) -> "_Place | None":
        try:
            path = begin(member.member, member.folder, origin, sync=self.is_single)
            place = _Place(member, None, None)
            if path is not None:
                place = _Place(member, load_sealed(path), load_sealed(path.with_name("best.ckpt")))
            member.log.say(f"run {member.run_id} from {path or 'the start'}: {member.config}")
        except OSError as error:
            self._fail(member, error)
            return None
        return place

    def _fit(self, group: Sequence["_Place"], trainer: L.Trainer) -> None:
        members = [place.member for place in group]
        fit: StackFit | None = None
        with contextlib.ExitStack() as held:
            if self.is_single:
                held.enter_context(log_file(members[0].folder.path / "train.log"))
            try:
                fit = self._stack_fit(group, trainer)
                fit.run()
            except (Interrupted, SystemExit) as error:
                self._interrupted(members if fit is None else fit.stack.members, error)
            except Exception as error:
                self._failed(members if fit is None else fit.stack.members, error)
            finally:
                if fit is not None:
                    self.outcomes |= fit.outcomes

    def _stack_fit(self, group: Sequence["_Place"], trainer: L.Trainer) -> StackFit:
        members = [place.member for place in group]
        splits, config = self.data.splits, self.asked[0].config
        precision = config["trainer"]["precision"]
        half = torch.bfloat16 if precision == "bf16-mixed" else None
        device = trainer.strategy.root_device
        stack = Stack(members, splits.input_size, splits.num_classes, device, half)
        if group[0].last is not None:
            stack.restore(
                [place.last for place in group if place.last is not None],
                [place.best for place in group if place.best is not None],
            )
        data = StackDataModule(
            self.data, stack.members, stack.shape.bidirectional, half or torch.float32
        )
        file = None if self.is_single else StackFile.of(self.root, members)
        return StackFit(stack, data, trainer, file, self.stop.check)

    def _interrupted(self, members: Sequence[StackMember], error: BaseException) -> None:
        """They go on from their last epoch next time."""
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

    def _failed(self, members: Sequence[StackMember], error: Exception) -> None:
        """A stack that fails as a whole: each of its members tries by itself."""
        for member in members:
            if self.is_single:
                self._fail(member, error)
            else:
                member.log.say(f"its stack failed ({error}); it goes on alone", level="WARNING")
                member.log.write_lines()
                self.alone.append(member.member)

    def _fail(self, member: StackMember, error: Exception) -> None:
        text = "".join(traceback.format_exception(error))
        member.log.say(f"failed: {text}", level="ERROR")
        member.log.write_lines()
        with contextlib.suppress(OSError):  # a full disk is the failure itself
            member.folder.fail(error)
        failure = RunFailed(member.folder.path, error)
        failure.__cause__ = error
        self.outcomes[member.run_id] = failure

    def _with_signal(self, outcome: Outcome | BaseException) -> Outcome | BaseException:
        if isinstance(outcome, Outcome):
            return dataclasses.replace(outcome, signum=self.stop.received)
        return outcome


class _Place(NamedTuple):
    """Where a member goes on: its last checkpoint and its best, or None at the start."""

    member: StackMember
    last: Checkpoint | None
    best: Checkpoint | None

    @property
    def epochs(self) -> int:
        return 0 if self.last is None else self.last["epoch"] + 1
