"""The end of a member: its record, or why it has none."""

import contextlib
import math
import traceback
from typing import Any, NamedTuple, Protocol

from seqsweep.models.module import Diverged
from seqsweep.runs.lock import LockLost
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.best_epoch import BestEpoch
from seqsweep.training.diagnosis import write_diagnosis
from seqsweep.training.engines.member_log import MemberLog
from seqsweep.training.limits import Paused, Pruned
from seqsweep.training.outcome import Outcome, RunFailed
from seqsweep.training.planned_run import PlannedRun


class Member(Protocol):
    """A run while an engine trains it."""

    planned: PlannedRun
    folder: RunFolder
    log: MemberLog
    best: BestEpoch

    @property
    def run_id(self) -> str: ...

    @property
    def params(self) -> int:
        """The number of trained parameters."""
        ...


class Findings(NamedTuple):
    """The results of a member's best weights: test metrics, confusion, diagnosis."""

    metrics: dict[str, float]
    confusion: dict[str, Any]
    diagnosis: dict[str, Any] | None


End = Findings | Diverged | Pruned | Paused
"""The end of a member: what its best weights achieve, or why it ended before its last epoch."""


def record_end(
    member: Member,
    end: End,
    steps: int,
    num_train: int | None,
    synced: bool,
) -> Outcome:
    """Writes the record of a member, the last of its files.

    A paused member gets no record, since it will be resumed.

    Args:
        steps: the number of optimizer steps.
        num_train: the number of training sequences; None if a data module of the user's own does
            not tell it.
        synced: whether all of its other files are on disk.

    Raises:
        LockLost: another process trains the run now.
        OSError: a file cannot be written.
    """
    if isinstance(end, Paused):
        member.log.say(f"paused after {end.epochs} epochs")
        member.log.write_lines()
        return Outcome(member.folder, {}, trained=True)
    record = record_of(member, end, steps, num_train)
    member.folder.check_held()
    if isinstance(end, Findings) and end.diagnosis is not None and record["status"] == "complete":
        write_diagnosis(member.folder.path, end.diagnosis)
    member.folder.finish(record, synced)
    word = "pruned" if isinstance(end, Pruned) else "done"
    member.log.say(f"{word}: {record.get('metrics', record.get('error'))}")
    member.log.write_lines()
    return Outcome(member.folder, record, trained=True)


def record_of(
    member: Member, end: Findings | Diverged | Pruned, steps: int, num_train: int | None
) -> dict[str, Any]:
    """Returns the content of record.json."""
    best = member.best
    # A loss that is not finite only on the test split makes a run diverged, too.
    if isinstance(end, Findings):
        loss = end.metrics.get("test/loss", 0.0)
        if not math.isfinite(loss):
            end = Diverged("test/loss", loss, best.best_epoch or 0)
    if isinstance(end, Diverged):
        return member.planned.record("diverged", {"error": str(end), "epoch": end.epoch})
    tested = end.metrics if isinstance(end, Findings) else {}
    result: dict[str, Any] = {
        "metrics": best.best_metrics | tested,
        "best_epoch": best.best_epoch,
        "epochs": best.epochs,
        "steps": steps,
        "params": member.params,
        "train_seconds": round(best.seconds, 3),
    }
    if num_train is not None:
        result["samples_per_s"] = round(best.epochs * num_train / best.seconds, 1)
        result["num_train"] = num_train
    if isinstance(end, Pruned):
        return member.planned.record("pruned", result | {"pruned": end._asdict()})
    return member.planned.record("complete", result | end.confusion)


def fail_member(member: Member, error: Exception) -> RunFailed | LockLost:
    """Writes that a member has failed, if its folder can be written.

    A member that another process trains now has not failed: the outcome is the lost lock.
    """
    text = "".join(traceback.format_exception(error))
    try:
        with contextlib.suppress(OSError):  # a full disk is the failure itself
            member.folder.fail(error)
    except LockLost as lost:
        return lost
    member.log.say(f"failed: {text}", level="ERROR")
    member.log.write_lines()
    failure = RunFailed(member.folder.path, error)
    failure.__cause__ = error
    return failure
