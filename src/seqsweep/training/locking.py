"""Locks runs before their training, and counts the processes that were killed meanwhile."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from seqsweep.runs.lock import Locked, RunLock, wait_for_doubts
from seqsweep.runs.lock_files import Holder
from seqsweep.training.checkpoints import load_sealed
from seqsweep.training.engines.ending import Member
from seqsweep.training.engines.protocol import Engine, M
from seqsweep.training.outcome import finished

MOST_KILLED = 3
"""The number of processes killed in a row, without a new epoch, after which a run has failed."""


class KilledTooOften(Exception):
    """Each process that trained a run was killed before it had trained another epoch."""


def lock_all(
    engine: Engine[M], members: Sequence[M], contexts: contextlib.ExitStack
) -> dict[str, RunLock]:
    """Locks runs; those that another process trains or has finished get their outcomes."""
    locks: dict[str, RunLock] = {}
    _lock(engine, members, contexts, locks)
    refused = [m for m in members if isinstance(engine.outcomes.get(m.run_id), Locked)]
    # Only a clock says that some holders are dead. All are watched at the same time.
    if wait_for_doubts([member.folder.path for member in refused]):
        _lock(engine, refused, contexts, locks)
    return locks


def _lock(
    engine: Engine[M],
    members: Sequence[M],
    contexts: contextlib.ExitStack,
    locks: dict[str, RunLock],
) -> None:
    for member in members:
        try:
            lock = contexts.enter_context(RunLock(member.folder.path))
        except (Locked, OSError) as error:
            engine.outcomes[member.run_id] = error
            continue
        engine.outcomes.pop(member.run_id, None)  # of the first try
        # Another process may have finished the run since it was planned.
        outcome = finished(member.planned, engine.root)
        if outcome is None:
            locks[member.run_id] = lock
        else:
            engine.outcomes[member.run_id] = outcome


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
