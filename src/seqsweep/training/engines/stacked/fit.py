"""The fit of a stack: what happens to its members' folders after each epoch, and at their end."""

import functools
import os
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

import lightning as L

from seqsweep.models.module import Diverged
from seqsweep.pacing import pause_after
from seqsweep.training.checkpoints import publish, save_sealed
from seqsweep.training.diagnosis import (
    MOST_CLASSES,
    confusion_of,
    diagnose,
    members_at_once,
)
from seqsweep.training.engines.joint.ending import Findings, end_member, fail_member
from seqsweep.training.engines.joint.member import TrainingMember
from seqsweep.training.engines.stacked.datamodule import StackDataModule
from seqsweep.training.engines.stacked.module import Ended, StackModule, evaluate
from seqsweep.training.engines.stacked.stack_file import StackFile, save_members
from seqsweep.training.engines.stacked.state import Stack, cut
from seqsweep.training.outcome import Outcome, RunFailed


class StackFit:
    """Trains a stack from where it stands to the end of each member.

    Args:
        stack: at the epoch from which it goes on.
        data: of its members.
        trainer: fresh.
        file: where the stack is kept between epochs; None for a stack of one.
        check: called after each step; raises what ends the training.

    Attributes:
        outcomes: by run_id, of those that have ended.
    """

    def __init__(
        self,
        stack: Stack,
        data: StackDataModule,
        trainer: L.Trainer,
        file: StackFile | None,
        check: Any,
    ) -> None:
        self.stack = stack
        self.data = data
        self.trainer = trainer
        self.file = file
        self.outcomes: dict[str, Outcome | BaseException] = {}
        config = stack.members[0].config["trainer"]
        self.max_epochs: int = config["max_epochs"]
        self.module = StackModule(
            stack,
            data,
            self.max_epochs,
            config.get("check_val_every_n_epoch", 1),
            flush=self._flush,
            save=self._save,
            end=self._end,
            check=check,
        )
        self._flushed = time.perf_counter()
        self._flush_seconds = 0.0
        self._saved = False

    def run(self) -> None:
        """Raises what ends the training early; `stack.members` are those that have not ended."""
        self._finish_ended()
        if not self.stack.members:
            return
        progress = self.trainer.fit_loop.epoch_progress.current
        for stage in ("ready", "started", "processed", "completed"):
            setattr(progress, stage, self.stack.epochs)
        self.trainer.fit(self.module, datamodule=self.data)

    def _finish_ended(self) -> None:
        """Those that were killed between their last epoch and their record."""
        is_last = self.stack.epochs >= self.max_epochs
        ended = [m for m in self.stack.members if is_last or m.had_stopped()]
        if ended:
            self._end([(member, None) for member in ended])
            self.stack.drop(set(ended))

    def _flush(self) -> Ended:
        """Writes the members' logs; those of many only as long as it takes a small part of the
        time."""
        start = time.perf_counter()
        is_due = start - self._flushed >= pause_after(self._flush_seconds)
        if self.file is not None and not is_due:
            return []
        failed: list[tuple[TrainingMember, Diverged | OSError | None]] = []
        for member in self.stack.members:
            try:
                member.log.flush()
            except OSError as error:
                failed.append((member, error))
            member.log.write_lines()
        self._flushed = time.perf_counter()
        self._flush_seconds = self._flushed - start
        return failed

    def _save(self, better: Collection[TrainingMember]) -> None:
        if self.file is None:
            (member,) = self.stack.members
            folder = member.folder.path / "checkpoints"
            last, _ = cut(self.stack.state_dict(), member)
            save_sealed(last, folder / "next.ckpt")
            publish(folder, member in better)
            return
        self.file.save(self.stack)
        if not self._saved:  # what the members went on from is older now
            self._saved = True
            for member in self.stack.members:
                for name in ("last.ckpt", "previous.ckpt") if member.begun else ():
                    (member.folder.path / "checkpoints" / name).unlink(missing_ok=True)

    def _end(self, ended: Ended) -> None:
        """Records of the members that have ended, each for itself."""
        for member, why in ended:
            if isinstance(why, OSError):
                self._fail(member, why)
            else:
                self._try(member, member.log.flush)
        left = [(member, why) for member, why in ended if member.run_id not in self.outcomes]
        found = self._evaluate_best([member for member, why in left if why is None])
        if self.file is not None:
            self._cut_out(left)
        for member, why in left:
            if member.run_id not in self.outcomes:
                assert not isinstance(why, OSError)
                end = found[member] if why is None else why
                self._try(member, functools.partial(self._end_one, member, end))
        for member, _ in ended:
            member.log.write_lines()
        self._remove_file(len(ended))

    def _remove_file(self, ended: int) -> None:
        """When all have ended; a run that failed may still go on from it."""
        has_failed = any(isinstance(outcome, RunFailed) for outcome in self.outcomes.values())
        if self.file is not None and ended == len(self.stack.members) and not has_failed:
            self.file.remove()

    def _try(self, member: TrainingMember, action: Callable[[], object]) -> None:
        """A folder that cannot be written fails its own run alone."""
        try:
            action()
        except OSError as error:
            self._fail(member, error)

    def _cut_out(self, ended: Ended) -> None:
        """The members' own checkpoints; all on disk by one sync, before any record can be seen."""
        assert self.file is not None
        now = self.stack.state_dict()
        before = self.file.load() if any(why is not None for _, why in ended) else None
        for member, why in ended:
            checkpoint = now if why is None else before  # a diverged one keeps what it was before
            if checkpoint is not None and member.run_id in checkpoint["run_ids"]:
                save = functools.partial(save_members, checkpoint, [member], sync=False)
                self._try(member, save)
        os.sync()

    def _end_one(self, member: TrainingMember, end: Findings | Diverged) -> None:
        synced, splits = self.file is not None, self.data.splits
        self.outcomes[member.run_id] = end_member(member, end, self.stack.steps, splits, synced)

    def _fail(self, member: TrainingMember, error: Exception) -> None:
        self.outcomes[member.run_id] = fail_member(member, error)

    def _evaluate_best(self, members: Sequence[TrainingMember]) -> dict[TrainingMember, Findings]:
        """With the best epoch's weights: the test split, looked at once, chooses nothing."""
        if not members:
            return {}
        network, _ = self.stack.best_of(members)
        splits = self.data.splits
        is_diagnosed = members[0].config["diagnostics"]
        wanted = (
            ("val", "test") if is_diagnosed and splits.num_classes <= MOST_CLASSES else ("test",)
        )
        found = {
            split: evaluate(network, self.data, split)
            for split in wanted
            if getattr(splits, split) is not None
        }
        diagnoses = self._diagnoses(members) if is_diagnosed else [None] * len(members)
        tested = found["test"].metrics if "test" in found else {}
        counts = {split: evaluation.confusion for split, evaluation in found.items()}
        return {
            member: Findings(
                {f"test/{name}": float(values[index]) for name, values in tested.items()},
                confusion_of(splits, {split: table[index] for split, table in counts.items()}),
                diagnoses[index],
            )
            for index, member in enumerate(members)
        }

    def _diagnoses(self, members: Sequence[TrainingMember]) -> list[dict[str, Any] | None]:
        size = members_at_once(self.stack.shape, self.data.splits)
        parts = [members[start : start + size] for start in range(0, len(members), size)]
        found = [diagnose(*self.stack.best_of(part), self.data.splits) for part in parts]
        return [each for part in found for each in part]
