"""Trains runs: locks, begins, fits, tests and records each of them.

The steps are the same for one run and for many, and for every engine: see `train_together`.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

from seqsweep.errors import Interrupted, LockLost, RunFailed, RunLocked
from seqsweep.importing import without_collections
from seqsweep.runs.lock import RunLock, wait_until_certain
from seqsweep.training.devices import restored_torch_state
from seqsweep.training.engine import engine_of
from seqsweep.training.engines.native.member import PoolMember
from seqsweep.training.engines.native.pool_engine import PoolEngine
from seqsweep.training.engines.protocol import Engine, M, Progress
from seqsweep.training.fed_loggers import feed
from seqsweep.training.limits import Judge
from seqsweep.training.loggers import log_to
from seqsweep.training.outcome import Outcome, finished
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.resume import MOST_KILLED, begin, count_killed
from seqsweep.training.run_data import data_of

Outcomes = list[Outcome | BaseException]


def train(
    run: PlannedRun, root: Path, progress: Progress | None = None, engine: str | None = None
) -> Outcome:
    """Trains one run in the folder `root`/run_id, from its last checkpoint if any.

    Args:
        progress: a progress bar for a terminal.
        engine: the engine that trains the run, instead of the config's choice.

    Raises:
        ValueError, TypeError: the config cannot be built; nothing has been written.
        OSError: as above, or the lock of the run's folder cannot be written.
        RunLocked: another process trains this run, or has taken it over.
        Interrupted: a signal came; the run resumes from its last epoch next time.
        RunFailed: training failed; failure.json holds the traceback.
    """
    config = run.config if engine is None else run.config | {"engine": engine}
    if engine_of(config) == "native":
        (outcome,) = train_pool([run], root, 1, progress)
    else:
        outcome = train_by_autograd(run, root, progress)
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def train_pool(
    runs: Sequence[PlannedRun],
    root: Path,
    threads: int,
    progress: Progress | None = None,
    judge: Judge | None = None,
    largest: int = 300,
) -> Outcomes:
    """Trains runs with the native engine; outcomes as in `train_together`.

    Args:
        runs: the runs, which must share their prepared data (`pool_key` returns equal texts).
        threads: the number of threads that train members, at least 1.
        progress: a progress bar, for a single run.
        judge: returns new limits for runs at the limits of a search; without a judge they pause.
        largest: the most runs of a pool, each of which holds three open files.
    """
    outcomes: Outcomes = []
    count = len(runs)
    pools = -(-count // largest)  # of about the same size, so that the last pool is not small
    for pool in range(pools):
        part = runs[pool * count // pools : (pool + 1) * count // pools]
        outcomes += train_together(PoolEngine(part, root, threads, progress, judge))
        signum = _signal_of(outcomes)
        if signum is not None:
            return outcomes + [Interrupted(signum)] * (count - len(outcomes))
    return outcomes


def train_by_autograd(
    run: PlannedRun, root: Path, progress: Progress | None = None
) -> Outcome | BaseException:
    """Trains a run with the engine `autograd`; the outcome as in `train_together`."""
    # Imported here, because the import of Lightning takes as long as that of torch.
    with without_collections():
        from seqsweep.training.engines.autograd import AutogradEngine

    (outcome,) = train_together(AutogradEngine([run], root, progress))
    return outcome


def train_together(engine: Engine[M]) -> Outcomes:
    """Trains the runs of an engine from their configs to their records.

    Returns:
        The outcome of each run, or an error in its place: RunLocked, Interrupted, RunFailed, the
        ValueError, TypeError or OSError that refused its config (for which nothing is written), or
        the OSError of a lock that cannot be written.
    """
    with contextlib.ExitStack() as contexts:
        contexts.enter_context(restored_torch_state(engine.torch_threads, engine.draws))
        try:
            members = engine.build()
        except (ValueError, TypeError, OSError) as error:
            return [error] * len(engine.runs)
        # A further process of a distributed run must not take the lock of the first process.
        assisted = engine.assist(members)
        if assisted is not None:
            return [assisted]
        # Sometimes only a wait shows that a lock's process is dead. This waits once for all locks.
        wait_until_certain(member.folder.path for member in members)
        contexts.enter_context(engine.stop.listening())
        for member in _fit_test_record(engine, contexts):
            outcome = engine.outcomes.get(member.run_id)
            if isinstance(outcome, (Outcome, RunFailed)) and engine.stop.received is None:
                record = outcome.record if isinstance(outcome, Outcome) else None
                feed(member.planned.config, member.folder, record)
    # Only members of a pool can lack an outcome here. Their locks have been released, so each
    # member takes its lock again and trains alone.
    for run in engine.runs:
        if run.run_id not in engine.outcomes:
            (engine.outcomes[run.run_id],) = train_together(PoolEngine([run], engine.root, 1, None))
    # Signals are not handled from here on. One may have come after the last record.
    outcomes = [engine.outcomes[run.run_id] for run in engine.runs]
    signum = engine.stop.received
    return [
        dataclasses.replace(outcome, signum=signum) if isinstance(outcome, Outcome) else outcome
        for outcome in outcomes
    ]


def _begin(engine: Engine[M], begun: list[M], contexts: contextlib.ExitStack, member: M) -> bool:
    """Locks a member and prepares its folder; returns whether it trains.

    A member that does not train has an outcome. Only a member of a pool that may kill the process
    has none: it trains alone later.
    """
    try:
        lock = contexts.enter_context(RunLock(member.folder.path))
    except (RunLocked, OSError) as error:
        engine.outcomes[member.run_id] = error
        return False
    # Another process may have finished the run since it was planned.
    if (outcome := finished(member.planned, engine.root)) is not None:
        engine.outcomes[member.run_id] = outcome
        return False
    if engine.is_single:
        contexts.enter_context(log_to(member.log))
    try:
        taken = {"taken_weights": list(member.taken)} if member.taken else {}
        origin = engine.origin | taken
        path = begin(member.planned, member.folder, origin, sync=engine.is_single)
        killed = count_killed(member, path, lock.taken_from)
        # In a pool, a run that kills its process would in the end make all other runs fail.
        if killed == MOST_KILLED - 1 and not engine.is_single:
            member.log.write_lines()
            return False
        start = path or "the start"
        member.log.say(f"run {member.run_id} from {start}: {member.planned.config}")
        # A single run writes this line at once. Many runs would each open a file for one line.
        if engine.is_single:
            member.log.write_lines()
        engine.start(member, path)
    except Exception as error:
        engine.fail(member, error)
        return False
    begun.append(member)
    return True


def _fit_test_record(engine: Engine[M], contexts: contextlib.ExitStack) -> list[M]:
    """Trains members to their records; returns the members that have begun.

    Members that should train alone get no outcome.
    """
    begun: list[M] = []
    try:
        with engine.running(functools.partial(_begin, engine, begun, contexts)):
            engine.fit()
    except (Interrupted, SystemExit, Exception) as error:
        left = [member for member in begun if member.run_id not in engine.outcomes]
        signum = engine.stop.received
        # If Lightning sees a SIGTERM first, it raises SystemExit with exit code 0. A signal to the
        # process group also ends DataLoader workers, which raises an error.
        if signum is not None and not isinstance(error, LockLost):
            _interrupt(engine, left, signum, error)
        elif isinstance(error, Exception):
            _fail(engine, left, error)
        else:  # a SystemExit without a signal comes from the user's code, and ends the program
            raise
    return begun


def _interrupt(engine: Engine[M], left: Sequence[M], signum: int, error: BaseException) -> None:
    """Writes that a signal has interrupted the members that are left without an outcome."""
    reason = Interrupted(signum)
    reason.__cause__ = error
    for member in left:
        with contextlib.suppress(OSError, LockLost):
            member.log.flush()
            member.folder.interrupt(reason)
        member.log.say(str(reason), level="WARNING")
        member.log.write_lines()
    for run in engine.runs:
        engine.outcomes.setdefault(run.run_id, reason)


def _fail(engine: Engine[M], left: Sequence[M], error: Exception) -> None:
    """Writes that a run has failed, or that a pool's runs train alone."""
    for member in left:
        # A run whose lock is lost is left to the process that has taken it over.
        if isinstance(error, LockLost):
            try:
                member.folder.check_held()
            except (LockLost, OSError) as lost:
                engine.outcomes[member.run_id] = lost
                continue
        if engine.is_single:
            engine.fail(member, error)
            continue
        member.log.say(
            f"the runs trained together failed ({error}); this one trains alone", level="WARNING"
        )
        member.log.write_lines()
    if engine.is_single:  # a run that has not begun gets an outcome, but no failure.json
        engine.outcomes.setdefault(engine.runs[0].run_id, error)


def _signal_of(outcomes: Outcomes) -> int | None:
    """Returns the number of a signal that has come during training, or None."""
    for outcome in outcomes:
        if isinstance(outcome, Interrupted):
            return outcome.exit_code - 128
        if isinstance(outcome, Outcome) and outcome.signum is not None:
            return outcome.signum
    return None


def check_parts(run: PlannedRun, root: Path) -> None:
    """Builds the parts of a run to find mistakes.

    Raises:
        ValueError, TypeError, OSError: a constructor refuses an argument; nothing has started.
    """
    folder = root / run.run_id
    if engine_of(run.config) == "autograd":
        with without_collections():
            from seqsweep.training.build_run import build_run  # late, as in `train_by_autograd`

        build_run(run.config, folder)
        return
    # Building the member is the check, so that no constructor's rule is written twice.
    PoolMember(run, folder, data_of(run.config["data"]).prepared)
