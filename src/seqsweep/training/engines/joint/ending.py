"""The end of a member: its record, or why it has none."""

import contextlib
import math
import traceback
from typing import Any, NamedTuple

from seqsweep.data.sequences import Splits
from seqsweep.models.module import Diverged
from seqsweep.training.diagnosis import write_diagnosis
from seqsweep.training.engines.joint.member import TrainingMember
from seqsweep.training.outcome import Outcome, RunFailed


class Findings(NamedTuple):
    """What a member's best weights do: test metrics, confusion for its record, diagnosis."""

    metrics: dict[str, float]
    confusion: dict[str, Any]
    diagnosis: dict[str, Any] | None


def end_member(
    member: TrainingMember,
    end: Findings | Diverged,
    steps: int,
    splits: Splits,
    synced: bool,
) -> Outcome:
    """Writes the record of a member, the last of its files.

    Args:
        end: what its best weights do, or why it diverged.
        steps: of its optimizer.
        splits: its data.
        synced: all of its other files are on disk.

    Raises:
        OSError: a file cannot be written.
    """
    why = end if isinstance(end, Diverged) else _why_untested(member, end)
    if why is not None:
        record = member.planned.record("diverged", {"error": str(why), "epoch": why.epoch})
    else:
        assert isinstance(end, Findings)
        record = member.planned.record("complete", _result(member, end, steps, len(splits.train)))
        if end.diagnosis is not None:
            write_diagnosis(member.folder.path, end.diagnosis)
    member.folder.finish(record, synced)
    member.log.say(f"done: {record.get('metrics', record.get('error'))}")
    return Outcome(member.folder, record, trained=True)


def _why_untested(member: TrainingMember, found: Findings) -> Diverged | None:
    loss = found.metrics.get("test/loss", 0.0)
    if math.isfinite(loss):
        return None
    return Diverged("test/loss", loss, member.best.best_epoch or 0)


def _result(member: TrainingMember, found: Findings, steps: int, size: int) -> dict[str, Any]:
    best = member.best
    return {
        "metrics": best.best_metrics | found.metrics,
        "best_epoch": best.best_epoch,
        "epochs": best.epochs,
        "steps": steps,
        "params": member.params,
        "train_seconds": round(best.seconds, 3),
        "samples_per_s": round(best.epochs * size / best.seconds, 1),
        "num_train": size,
        **found.confusion,
    }


def fail_member(member: TrainingMember, error: Exception) -> RunFailed:
    """Writes that a member has failed, as far as its folder can be written."""
    text = "".join(traceback.format_exception(error))
    member.log.say(f"failed: {text}", level="ERROR")
    member.log.write_lines()
    with contextlib.suppress(OSError):  # a full disk is the failure itself
        member.folder.fail(error)
    failure = RunFailed(member.folder.path, error)
    failure.__cause__ = error
    return failure
