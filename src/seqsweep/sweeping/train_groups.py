"""Trains the groups of a sweep (pools and single runs), one after another."""

import resource
from collections.abc import Sequence
from pathlib import Path

from seqsweep.console import say_error
from seqsweep.errors import Interrupted, LockLost, RunLocked
from seqsweep.sweeping.estimates import pools_and_singles
from seqsweep.text import count
from seqsweep.training.engine import engine_of
from seqsweep.training.limits import Judge
from seqsweep.training.outcome import (
    STOP_FILE,
    Outcome,
    finished,
    record_refusal,
    request_stop_if_configured,
)
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.train import train_by_autograd, train_pool


def train_groups(
    runs: Sequence[PlannedRun], root: Path, judge: Judge | None = None, *, threads: int
) -> dict[str, Outcome | BaseException]:
    """Trains the runs of a sweep, pool after pool, then single runs.

    Args:
        runs: what was planned; runs that are done are left out.
        root: the folder of the runs.
        judge: decides how runs of a pool continue after their limits; without a judge they pause.
        threads: the number of runs of a pool that train side by side.

    Returns:
        The outcome or the error of each run, by run_id. A run that cannot be built has left
        failure.json, like a run that failed later. Runs are missing if they were done before, if
        the sweep was stopped, or if an error such as a full disk ended their whole group.

    Raises:
        ValueError: a config asks for an engine that cannot train it.
        Interrupted: a signal came; the next call resumes every run from its last epoch.
    """
    largest = _allow_many_files()
    root.mkdir(parents=True, exist_ok=True)
    # A dict by run_id, because another sweeper may give the same job twice.
    pending = {run.run_id: run for run in runs if finished(run, root) is None}
    outcomes: dict[str, Outcome | BaseException] = {}
    pools, singles = pools_and_singles(list(pending.values()))
    for group in (*pools, *([run] for run in singles)):
        if (root / STOP_FILE).exists():
            break
        try:
            ended = (
                train_pool(group, root, threads, judge=judge, largest=largest)
                if engine_of(group[0].config) == "native"
                else [train_by_autograd(group[0], root)]
            )
        except OSError as error:  # for example a full disk; the next group may still fit
            say_error(str(error))
            continue
        lost = sum(isinstance(outcome, LockLost) for outcome in ended)
        if lost:
            why = "because this one has stood still for a minute"
            say_error(f"{count(lost, 'run')}: other processes have taken over, {why}")
        for run, outcome in zip(group, ended, strict=True):
            if isinstance(outcome, Interrupted):
                raise outcome
            if isinstance(outcome, (ValueError, TypeError, OSError)):
                record_refusal(run, outcome, root)
            if isinstance(outcome, Exception) and not isinstance(outcome, RunLocked):
                request_stop_if_configured(run, root)
            outcomes[run.run_id] = outcome
        for outcome in ended:  # a signal may have come after the last record
            if isinstance(outcome, Outcome) and outcome.signum is not None:
                raise Interrupted(outcome.signum)
    return outcomes


def _allow_many_files() -> int:
    """Raises the limit of open files, and returns the most runs of a pool."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 4096 and (hard == resource.RLIM_INFINITY or hard > soft):
        soft = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(300, (soft - 40) // 3))  # each run of a pool holds three files
