"""Locks a run before its training, and counts the processes that were killed meanwhile."""

import contextlib
from pathlib import Path

from seqsweep.runs.lock import Locked, RunLock
from seqsweep.runs.lock_files import Holder
from seqsweep.training.checkpoints import load_sealed
from seqsweep.training.engines.ending import Member
from seqsweep.training.engines.protocol import Engine, M
from seqsweep.training.outcome import finished

MOST_KILLED = 3
"""The number of processes killed in a row, without a new epoch, after which a run has failed."""


class KilledTooOften(Exception):
    """Each process that trained a run was killed before it had trained another epoch."""


def lock(engine: Engine[M], member: M, locks: contextlib.ExitStack) -> RunLock | None:
    """Locks a run; one that another process trains or has finished gets its outcome instead."""
    try:
        lock = locks.enter_context(RunLock(member.folder.path))
    except (Locked, OSError) as error:
        engine.outcomes[member.run_id] = error
        return None
    # Another process may have finished the run since it was planned.
    outcome = finished(member.planned, engine.root)
    if outcome is None:
        return lock
    engine.outcomes[member.run_id] = outcome
    return None


def count_killed(member: Member, checkpoint: Path | None, killed: Holder | None) -> int:
    """Counts that the process that trained a run before was killed, if it was.

    Returns how many were killed in a row without a new epoch of this run.

    Raises:
        KilledTooOften: so many were killed that the run has failed.
    """
    if killed is None:
        return 0
    epochs = 0 if checkpoint is None else load_sealed(checkpoint)["epoch"] + 1
    member.log.say(f"{killed} was killed or stood still while it trained this run", "WARNING")
    count = member.folder.count_killed(epochs)
    if count >= MOST_KILLED:
        raise KilledTooOften(
            f"{count} processes were killed while they trained it; the last was {killed}"
        )
    return count
