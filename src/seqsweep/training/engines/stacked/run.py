"""The engine `stacked`: runs that train as one stack."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback

from seqsweep.training.build_run import numerics
from seqsweep.training.engines.joint.member import TrainingMember
from seqsweep.training.engines.joint.run import JointEngine, Saved, start_at_epoch
from seqsweep.training.engines.protocol import Begun, Ended
from seqsweep.training.engines.stacked.company import keep_company
from seqsweep.training.engines.stacked.datamodule import StackDataModule
from seqsweep.training.engines.stacked.ends import StackEnds
from seqsweep.training.engines.stacked.module import StackModule
from seqsweep.training.engines.stacked.stack_checkpoint import StackCheckpoint
from seqsweep.training.engines.stacked.stack_file import StackFile, extract_members
from seqsweep.training.engines.stacked.state import Stack
from seqsweep.training.planned_run import PlannedRun


class StackEngine(JointEngine[TrainingMember]):
    """Trains members in step; those that stand at different epochs are different stacks.

    Args:
        runs: of one `engine.stack_key`.
        root, progress: see `Engine`.
    """

    kind = TrainingMember

    def __init__(self, runs: Sequence[PlannedRun], root: Path, progress: Callback | None) -> None:
        super().__init__(runs, root, progress)
        self.torch_threads: int = runs[0].config["threads"]
        self._saved: dict[TrainingMember, Saved | None] = {}
        self._trainer_is_used = False

    def prepare(self, members: Sequence[TrainingMember]) -> dict[str, Any]:
        if not self.is_single:
            keep_company(self.root, [member.planned for member in members])
        extract_members(self.root, [member for member in members if member.begun])
        stack = {"members": [member.run_id for member in members]}
        return numerics(self.trainer, "stacked") | {"stack": stack}

    def groups(
        self, begun: Sequence[Begun[TrainingMember]]
    ) -> list[Sequence[Begun[TrainingMember]]]:
        """Splits members by the epoch at which they resume, the earliest first."""
        self._saved = dict(self.load(begun))
        by_epoch: dict[int, list[Begun[TrainingMember]]] = {}
        for each in begun:
            if each.member in self._saved:
                saved = self._saved[each.member]
                epochs = 0 if saved is None else saved.last["epoch"] + 1
                by_epoch.setdefault(epochs, []).append(each)
        return [group for _, group in sorted(by_epoch.items())]

    def fit(self, group: Sequence[Begun[TrainingMember]]) -> None:
        # A Trainer counts its epochs on, so each group needs a new one.
        trainer = self.make_trainer() if self._trainer_is_used else self.trainer
        self._trainer_is_used = True
        members = [begun.member for begun in group]
        stack, data = self._stack(members, trainer.strategy.root_device)
        file = None if self.is_single else StackFile.of(self.root, members)
        config = members[0].config["trainer"]
        max_epochs, val_every = config["max_epochs"], config.get("check_val_every_n_epoch", 1)
        self.ends = StackEnds(stack, data, file, self.outcomes)
        # Some had stopped when they were killed; all of them, or the last ones, are left to `test`.
        stopped = [member for member in stack.members if member.had_stopped()]
        if stack.epochs >= max_epochs or len(stopped) == len(members):
            return
        self.ends.end(stopped)
        module = StackModule(stack, data, max_epochs, val_every, self.stop)
        trainer.callbacks.append(StackCheckpoint(stack, self.ends, file))  # pyright: ignore[reportAttributeAccessIssue]
        start_at_epoch(trainer, stack.epochs)
        trainer.fit(module, datamodule=data)

    def test(self) -> list[Ended[TrainingMember]]:
        return self.ends.test(self.ends.stack.members)

    def record(self, ended: Sequence[Ended[TrainingMember]]) -> None:
        self.ends.record(ended)

    def alone(self, run: PlannedRun) -> "StackEngine":
        return StackEngine([run], self.root, None)

    def _stack(
        self, members: Sequence[TrainingMember], device: torch.device
    ) -> tuple[Stack, StackDataModule]:
        """Builds the networks of members, as their checkpoints have them, and their data."""
        splits, precision = self.data.splits, self.runs[0].config["trainer"]["precision"]
        half = torch.bfloat16 if precision == "bf16-mixed" else None
        stack = Stack(members, splits.input_size, splits.num_classes, device, half)
        saved = [each for member in members if (each := self._saved.pop(member)) is not None]
        if saved:
            stack.restore([each.last for each in saved], [each.best for each in saved])
        bidirectional = stack.shape.bidirectional
        data = StackDataModule(self.data, stack.members, bidirectional, half or torch.float32)
        return stack, data
