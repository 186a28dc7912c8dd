"""The callback that writes the files of a stack."""

import time

import lightning as L
from lightning.pytorch.callbacks import Checkpoint

from seqsweep.pacing import pause_after
from seqsweep.training.checkpoints import publish, save_in_run
from seqsweep.training.engines.joint.member import TrainingMember
from seqsweep.training.engines.stacked.ends import StackEnds
from seqsweep.training.engines.stacked.module import StackModule
from seqsweep.training.engines.stacked.stack_file import StackFile
from seqsweep.training.engines.stacked.state import Stack, cut


class StackCheckpoint(Checkpoint):
    """Writes a stack's files after an epoch, and ends members early.

    Lightning calls a `Checkpoint` after the module's own `on_train_epoch_end`.

    Args:
        stack: the members that train.
        ends: tests and records members.
        file: the file that keeps the stack between epochs; None for a stack of one.
    """

    def __init__(self, stack: Stack, ends: StackEnds, file: StackFile | None) -> None:
        self.stack = stack
        self.ends = ends
        self.file = file
        self._flushed = time.perf_counter()
        self._flush_seconds = 0.0
        self._has_saved = False

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        assert isinstance(pl_module, StackModule)
        stack = self.stack
        # A process that stood still has lost most of its members to others, or all of them.
        for member in stack.members:
            self.ends.attempt(member, member.folder.check_held)
        # Diverged members leave before the checkpoint, which they would resume from.
        self.ends.record(pl_module.diverged)
        self._flush()
        self.ends.drop_ended()
        if stack.members:
            stack.set_options()
            self._save(pl_module.better)
            stopping = [member for member in stack.members if member in pl_module.stopping]
            # If all members stop, they are tested and recorded when the fit has ended.
            if len(stopping) < len(stack.members):
                self.ends.end(stopping)
                return
        trainer.should_stop = True

    def _flush(self) -> None:
        """Writes the members' logs, in a small share of the time."""
        start = time.perf_counter()
        is_due = start - self._flushed >= pause_after(self._flush_seconds)
        # The stack's file holds the rows that wait; a run by itself is written after each epoch.
        if self.file is not None and not is_due:
            return
        for member in self.stack.members:
            if member.run_id not in self.ends.outcomes:
                self.ends.attempt(member, member.log.flush)
                member.log.write_lines()
        self._flushed = time.perf_counter()
        self._flush_seconds = self._flushed - start

    def _save(self, better: set[TrainingMember]) -> None:
        """Writes the checkpoint of the stack, or of its only member."""
        if self.file is None:
            (member,) = self.stack.members
            folder = member.folder.path / "checkpoints"
            last, _ = cut(self.stack.state_dict(), member)
            save_in_run(last, folder / "next.ckpt")
            publish(folder, member in better)
            return
        self.file.save(self.stack)
        if not self._has_saved:  # the checkpoints that members resumed from are older now
            self._has_saved = True
            for member in self.stack.members:
                for name in ("last.ckpt", "previous.ckpt") if member.begun else ():
                    (member.folder.path / "checkpoints" / name).unlink(missing_ok=True)
