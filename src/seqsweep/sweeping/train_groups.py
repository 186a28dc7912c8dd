"""The pools and stacks of a sweep, trained one after another in this process."""

import contextlib
import resource
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from seqsweep.console import say_error
from seqsweep.runs.run_folder import RunFolder
from seqsweep.sweeping.forming import Plan, cores
from seqsweep.training.outcome import STOP_FILE, Interrupted, Outcome, request_stop_if_configured
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.resume import forget_finished_runs
from seqsweep.training.train import train_pool, train_stack

Outcomes = Sequence[Outcome | BaseException]


def launch(planned: Plan, root: Path, threads: int | None) -> None:
    """Trains the pools and stacks in `root`; the result of a run is its folder.

    Args:
        planned: what `form` found.
        root: the folder of the runs.
        threads: how many members of a pool train side by side; None for one a core.

    Raises:
        Interrupted: a signal came; every run resumes from its last epoch next time.
    """
    _allow_many_files()
    forget_finished_runs()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for pool in planned.pools:
            _train(pool.members, root, lambda runs: train_pool(runs, root, threads or cores()))
        for stack in planned.stacks:
            _train(stack.members, root, lambda runs: train_stack(runs, root))
    finally:
        torch.set_num_threads(before)  # the process may be a program of the user's own


def _train(
    members: Sequence[PlannedRun], root: Path, train: Callable[[Sequence[PlannedRun]], Outcomes]
) -> None:
    if (root / STOP_FILE).exists():
        return
    try:
        outcomes = train(members)
    except OSError as error:  # a full disk, for instance; the next group may have more luck
        say_error(str(error))
        return
    for member, outcome in zip(members, outcomes, strict=True):
        if isinstance(outcome, Interrupted):
            raise outcome
        if isinstance(outcome, (ValueError, TypeError, OSError)):
            with contextlib.suppress(OSError):  # a folder that cannot be written says nothing
                RunFolder(root / member.run_id).refuse(member.config, outcome)
        if isinstance(outcome, Exception):
            request_stop_if_configured(member, root)
    for outcome in outcomes:
        if isinstance(outcome, Outcome) and outcome.signum is not None:
            raise Interrupted(outcome.signum)


def _allow_many_files() -> None:
    """Raises the limit of open files: each member holds a lock, so an open file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 4096 and (hard == resource.RLIM_INFINITY or hard > soft):
        most = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
