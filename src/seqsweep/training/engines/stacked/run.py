"""Runs that train as one stack, from their configs to their records."""

from collections.abc import Sequence
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from seqsweep.runs.clean import forget_stacks
from seqsweep.training.build_run import numerics
from seqsweep.training.engines.joint.member import TrainingMember
from seqsweep.training.engines.joint.run import Outcomes, Place, Together
from seqsweep.training.engines.stacked.company import keep_company
from seqsweep.training.engines.stacked.datamodule import StackDataModule
from seqsweep.training.engines.stacked.fit import StackFit
from seqsweep.training.engines.stacked.stack_file import StackFile, extract_members
from seqsweep.training.engines.stacked.state import Stack
from seqsweep.training.outcome import Interrupted, Outcome
from seqsweep.training.planned_run import PlannedRun


def train_stack(
    members: Sequence[PlannedRun],
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


class _Training(Together[TrainingMember]):
    """The story of one stack; see `train_stack`."""

    kind = TrainingMember

    def __init__(
        self,
        members: Sequence[PlannedRun],
        root: Path,
        progress: Callback | None,
    ) -> None:
        super().__init__(members, root, members[0].config["threads"], progress)

    def run(self) -> Outcomes:
        outcomes = super().run()
        forget_stacks(self.root)
        return outcomes

    def train_taken(self, members: Sequence[TrainingMember], trainer: L.Trainer) -> None:
        """Those that stand at the same epoch go on together."""
        if not self.is_single:
            keep_company(self.root, [member.planned for member in members])
        extract_members(self.root, [member for member in members if member.begun])
        origin = numerics(trainer, "stacked") | {
            "stack": {"members": [member.run_id for member in members]}
        }
        by_epoch: dict[int, list[Place[TrainingMember]]] = {}
        for place in self.begin(members, origin):
            by_epoch.setdefault(place.epochs, []).append(place)
        for _, group in sorted(by_epoch.items()):
            self._fit(group, trainer)
            trainer = self.trainer()

    def train_alone(self, member: PlannedRun) -> Outcome | BaseException:
        return train_stack([member], self.root)[0]

    def _fit(self, group: Sequence[Place[TrainingMember]], trainer: L.Trainer) -> None:
        members = [place.member for place in group]
        fit: StackFit | None = None
        with self.logging(members[0]):
            try:
                fit = self._stack_fit(group, trainer)
                fit.run()
            except (Interrupted, SystemExit) as error:
                self.interrupt(members if fit is None else fit.stack.members, error)
            except Exception as error:
                self.fail_as_a_whole(members if fit is None else fit.stack.members, error)
            finally:
                if fit is not None:
                    self.outcomes |= fit.outcomes

    def _stack_fit(self, group: Sequence[Place[TrainingMember]], trainer: L.Trainer) -> StackFit:
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
