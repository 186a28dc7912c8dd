"""Trains the groups of a sweep, one pool after another."""

import resource
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from seqsweep.console import say_error
from seqsweep.runs.lock import Locked
from seqsweep.sweeping.forming import form
from seqsweep.training.limits import Judge
from seqsweep.training.outcome import (
    STOP_FILE,
    Interrupted,
    Outcome,
    finished,
    record_refusal,
    request_stop_if_configured,
)
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.train import train_pool
from seqsweep.training.trainer import restored_torch_state, takes_gpu


class Trained(NamedTuple):
    """The runs that `train_groups` has left.

    Attributes:
        alone: the runs that autograd trains one by one; none of them has been trained.
        locked: the run_ids of runs that another process trains.
    """

    alone: list[PlannedRun]
    locked: set[str]


def train_groups(
    members: Sequence[PlannedRun], root: Path, threads: int, judge: Judge | None = None
) -> Trained:
    """Trains the pools of a sweep into the folders of their runs.

    Args:
        members: the planned runs; those that are complete are left out.
        root: the folder of the runs.
        threads: the number of members of a pool that train side by side.
        judge: decides about the runs of pools at their limits; without it they pause.

    Raises:
        ValueError: a config asks for an engine that cannot train it.
        Interrupted: a signal came; the next call resumes every run from its last epoch.
    """
    _allow_many_files()
    root.mkdir(parents=True, exist_ok=True)
    # A dict by run_id, because another sweeper may give the same job twice.
    pending = {member.run_id: member for member in members if finished(member, root) is None}
    locked: set[str] = set()
    planned = form(list(pending.values()), takes_gpu)
    for group in planned.pools:
        if (root / STOP_FILE).exists():
            break
        try:
            with restored_torch_state(threads=1):
                outcomes = train_pool(group.members, root, threads, judge=judge)
        except OSError as error:  # for example a full disk; the next group may still fit
            say_error(str(error))
            continue
        _record_errors(group.members, outcomes, root)
        pairs = zip(group.members, outcomes, strict=True)
        locked |= {member.run_id for member, outcome in pairs if isinstance(outcome, Locked)}
    return Trained(planned.alone, locked)


def _record_errors(
    members: Sequence[PlannedRun], outcomes: Sequence[Outcome | BaseException], root: Path
) -> None:
    """Writes failure.json for each refused run, and asks for a stop if configured.

    Raises:
        Interrupted: a signal came during the training or after its last record.
    """
    for member, outcome in zip(members, outcomes, strict=True):
        if isinstance(outcome, Interrupted):
            raise outcome
        if isinstance(outcome, (ValueError, TypeError, OSError)):
            record_refusal(member, outcome, root)
        if isinstance(outcome, Exception) and not isinstance(outcome, Locked):
            request_stop_if_configured(member, root)
    for outcome in outcomes:
        if isinstance(outcome, Outcome) and outcome.signum is not None:
            raise Interrupted(outcome.signum)


def _allow_many_files() -> None:
    """Raises the limit of open files, because each member's lock is an open file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 4096 and (hard == resource.RLIM_INFINITY or hard > soft):
        most = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
