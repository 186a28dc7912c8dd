"""Runs that train as one stack, from their configs to their records."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from seqsweep.stacked.grouping import padded
from seqsweep.training.parts import engine
from seqsweep.training.planning import Interrupted, Member, Outcome
from seqsweep.training.stacks.data import StackDataModule
from seqsweep.training.stacks.files import StackFile, recorded_width, take_out
from seqsweep.training.stacks.fit import StackFit
from seqsweep.training.stacks.stack import Stack
from seqsweep.training.together.member import TrainingMember
from seqsweep.training.together.run import Outcomes, Place, Together


def train_stack(
    members: Sequence[Member],
    root: Path,
    progress: Callback | None = None,
    hidden: int | None = None,
) -> Outcomes:
    """Trains runs of one `stack_key` in `root`/run_id together, each from where it was left.

    Every run ends as it would alone: another's failure, early stop or divergence changes nothing.

    Args:
        members: checked, identified, of one `engine.stack_key`.
        root: the folder of the runs.
        progress: a progress bar, for a single run.
        hidden: the width that all are padded to; None for that of an earlier attempt, or the least.

    Returns:
        For each member its outcome, or why it has none: Locked, Interrupted, RunFailed, or what
        refused its config (ValueError, TypeError, OSError; nothing has been written then).
    """
    return _Training(members, root, progress, hidden).run()


class _Training(Together[TrainingMember]):
    """The story of one stack; see `train_stack`."""

    kind = TrainingMember

    def __init__(
        self,
        members: Sequence[Member],
        root: Path,
        progress: Callback | None,
        hidden: int | None,
    ) -> None:
        super().__init__(members, root, members[0].config["threads"], progress)
        self.hidden = hidden

    def train_taken(self, members: Sequence[TrainingMember], trainer: L.Trainer) -> None:
        """Those that stand at the same epoch go on together."""
        if self.hidden is None:
            self.hidden = recorded_width(members)
        take_out(self.root, [member for member in members if member.begun])
        origin = engine(trainer, "stacked") | {"stack": self._company(members)}
        by_epoch: dict[int, list[Place[TrainingMember]]] = {}
        for place in self.begin(members, origin):
            by_epoch.setdefault(place.epochs, []).append(place)
        for _, group in sorted(by_epoch.items()):
            self._fit(group, trainer)
            trainer = self.trainer()

    def train_alone(self, member: Member) -> Outcome | BaseException:
        return train_stack([member], self.root, None, self.hidden)[0]

    def _company(self, members: Sequence[TrainingMember]) -> dict[str, Any]:
        """What a provenance.json says of the stack."""
        widest = max(member.network.hidden_size for member in members)
        return {
            "hidden": self.hidden or padded(widest),
            "size": len(members),
            "members": [member.run_id for member in members],
        }

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
        dtype = torch.float64 if precision == "64-true" else torch.float32  # see training.verify
        device = trainer.strategy.root_device
        stack = Stack(
            members, splits.input_size, splits.num_classes, self.hidden, device, half, dtype
        )
        if group[0].last is not None:
            stack.restore(
                [place.last for place in group if place.last is not None],
                [place.best for place in group if place.best is not None],
            )
        data = StackDataModule(self.data, stack.members, stack.shape.bidirectional, half or dtype)
        file = None if self.is_single else StackFile.of(self.root, members)
        return StackFit(stack, data, trainer, file, self.stop.check)
