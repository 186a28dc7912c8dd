"""The ends of a stack's members: tested, then recorded."""

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

from seqsweep.models.module import Diverged
from seqsweep.runs.lock import LockLost
from seqsweep.training.diagnosis import confusion_of, diagnose, members_at_once, splits_tested
from seqsweep.training.engines.ending import End, Findings, fail_member, record_end
from seqsweep.training.engines.joint.member import TrainingMember
from seqsweep.training.engines.protocol import Ended
from seqsweep.training.engines.stacked.datamodule import StackDataModule
from seqsweep.training.engines.stacked.evaluation import evaluate
from seqsweep.training.engines.stacked.stack_file import StackFile, save_members
from seqsweep.training.engines.stacked.state import Stack
from seqsweep.training.outcome import Outcome, RunFailed


class StackEnds:
    """Tests and records members of a stack, each for itself.

    Args:
        stack: the members that train; those that end early are taken out of it.
        data: the members' data.
        file: the file that keeps the stack between epochs; None for a stack of one.
        outcomes: filled, by run_id, with those of the members that have ended.
    """

    def __init__(
        self,
        stack: Stack,
        data: StackDataModule,
        file: StackFile | None,
        outcomes: dict[str, Outcome | BaseException],
    ) -> None:
        self.stack = stack
        self.data = data
        self.file = file
        self.outcomes = outcomes

    def end(self, members: Sequence[TrainingMember]) -> None:
        """Tests, records and drops members that end before the others."""
        if members:
            self.record(self.test(members))
            self.drop_ended()

    def drop_ended(self) -> None:
        """Takes the members that have an outcome out of the stack."""
        ended = {member for member in self.stack.members if member.run_id in self.outcomes}
        if ended:
            self.stack.drop(ended)

    def test(self, members: Sequence[TrainingMember]) -> list[Ended[TrainingMember]]:
        """Evaluates the weights of the members' best epochs.

        The test split is looked at once and chooses nothing.
        """
        if not members:
            return []
        network, _ = self.stack.best_of(members)
        splits = self.data.splits
        is_diagnosed = members[0].config["diagnostics"]
        evaluations = {
            split: evaluate(network, self.data, split)
            for split in splits_tested(members[0].config, splits)
        }
        diagnoses = self._diagnoses(members) if is_diagnosed else [None] * len(members)
        tested = evaluations["test"].metrics if "test" in evaluations else {}
        ended: list[Ended[TrainingMember]] = []
        for index, member in enumerate(members):
            metrics = {f"test/{name}": float(values[index]) for name, values in tested.items()}
            counts = {split: each.confusion[index] for split, each in evaluations.items()}
            findings = Findings(metrics, confusion_of(splits, counts), diagnoses[index])
            ended.append((member, findings))
        return ended

    def record(self, ended: Sequence[Ended[TrainingMember]]) -> None:
        """Writes the logs, the checkpoints and the records of members that have ended."""
        if not ended:
            return
        for member, _ in ended:
            # Logs come before the checkpoints, which hold the sizes of the logs.
            self.attempt(member, member.log.flush)
        # A stack of one has its own checkpoints already.
        if self.file is not None:
            self._cut_out(self._left(ended))
        for member, end in self._left(ended):
            self.attempt(member, functools.partial(self._record_one, member, end))
        # The file goes last: until the records exist, the members may have to resume from it.
        self._remove_file(len(ended))

    def attempt(self, member: TrainingMember, action: Callable[[], object]) -> None:
        """Calls an action for a member, which ends if its folder cannot be written."""
        try:
            action()
        except (OSError, LockLost) as error:
            self.outcomes[member.run_id] = fail_member(member, error)

    def _left(self, ended: Sequence[Ended[TrainingMember]]) -> list[Ended[TrainingMember]]:
        """Returns those that have not failed meanwhile."""
        return [(member, end) for member, end in ended if member.run_id not in self.outcomes]

    def _cut_out(self, ended: Sequence[Ended[TrainingMember]]) -> None:
        """Writes the members' own checkpoints, synced before any record."""
        assert self.file is not None
        now = self.stack.state_dict()
        has_diverged = any(isinstance(end, Diverged) for _, end in ended)
        before = self.file.load() if has_diverged else None
        for member, end in ended:
            # A member that has diverged keeps the checkpoint of the epoch before.
            checkpoint = before if isinstance(end, Diverged) else now
            if checkpoint is not None and member.run_id in checkpoint["run_ids"]:
                save = functools.partial(save_members, checkpoint, [member], sync=False)
                self.attempt(member, save)
        os.sync()

    def _record_one(self, member: TrainingMember, end: End) -> None:
        synced, splits = self.file is not None, self.data.splits
        self.outcomes[member.run_id] = record_end(member, end, self.stack.steps, splits, synced)

    def _remove_file(self, ended: int) -> None:
        """Removes the stack's file if no member may resume from it."""
        has_failed = any(isinstance(o, (RunFailed, LockLost)) for o in self.outcomes.values())
        if self.file is not None and ended == len(self.stack.members) and not has_failed:
            self.file.remove()

    def _diagnoses(self, members: Sequence[TrainingMember]) -> list[dict[str, Any] | None]:
        size = members_at_once(self.stack.shape, self.data.splits)
        diagnoses: list[dict[str, Any] | None] = []
        for start in range(0, len(members), size):
            part = members[start : start + size]
            diagnoses += diagnose(*self.stack.best_of(part), self.data.splits)
        return diagnoses
