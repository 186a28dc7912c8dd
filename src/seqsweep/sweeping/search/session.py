"""What both searches do besides choosing: their lock, their time, and the runs with fresh seeds.

The module imports no torch.
"""

import contextlib
import os
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from seqsweep.console import place
from seqsweep.results.formatting import count
from seqsweep.runs.lock import Locked, RunLock, is_locked
from seqsweep.runs.lock_files import file_of, generations
from seqsweep.runs.searchfile import NAME, SearchFile, Trial
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.sweeping.hydra_jobs import RunLauncher
from seqsweep.sweeping.members import SweepMember
from seqsweep.sweeping.search.planning import TrialPlanner
from seqsweep.sweeping.sweep import launch_all, train_pending
from seqsweep.training.planned_run import PlannedRun

LOCK = ".searching"
"""The lock of the process that chooses or judges the runs of a folder."""


@contextlib.contextmanager
def searching(folder: Path, first: PlannedRun, console: Console) -> Generator[None]:
    """Holds the lock of the search during the block; waits for another process before.

    Args:
        folder: the sweep's folder.
        first: a run of the search, whose config says if the command waits.
        console: prints that the command waits.

    Raises:
        Locked: another process searches here, and the config says `when_locked=skip`.
    """
    with contextlib.ExitStack() as stack:
        is_waiting = False
        while True:
            try:
                stack.enter_context(RunLock(folder, LOCK))
                break
            except Locked:
                if first.config["when_locked"] == "skip":
                    raise
            if not is_waiting:
                text = f"another process searches in {place(folder)}; waiting for it"
                console.print(text, soft_wrap=True, highlight=False, markup=False)
                is_waiting = True
            while is_locked(folder, LOCK):
                time.sleep(0.5)
        yield


def minutes_before(folder: Path) -> float:
    """Returns the minutes that earlier commands have searched; this process holds the lock.

    A killed command has written them when it began to train. Its lock shows how long it lived
    after that, because a process touches its lock every few seconds.
    """
    search, sweep = SearchFile.read(folder), SweepFile.read(folder)
    if search is None:
        return 0.0
    if sweep is None or sweep.ended is not None:
        return search.minutes
    path = f"{folder}/{LOCK}"
    # The last file is that of this process. Those before it stay until it releases the lock.
    alive = [os.stat(file_of(path, number)).st_mtime for number in generations(path)[:-1]]
    written = (folder / NAME).stat().st_mtime
    return search.minutes + max([0.0, *(when - written for when in alive)]) / 60


def refuse_other_search(differences: Sequence[str], folder: Path) -> None:
    """Refuses the folder of another search, whose decisions are not those of this one.

    Raises:
        ValueError: there are differences.
    """
    if differences:
        raise ValueError(
            f"{place(folder)}: holds a search with {' and '.join(differences)}; give another"
            " sweep.name"
        )


OTHER_RUNS = ("another config or other data",)
"""The difference of two searches whose trials have other run_ids."""


def train_fresh_seeds(
    best: Sequence[Trial],
    seeds: Sequence[int],
    planner: TrialPlanner,
    swept: Sequence[SweepMember],
    note: Callable[[Mapping[int, Sequence[str]]], object],
    launcher: RunLauncher,
    console: Console,
) -> tuple[list[SweepMember], int]:
    """Trains the best trials again; returns these runs, and the exit code as `train_pending`.

    Args:
        best: the best trials.
        seeds: seeds that the search has not used.
        planner: plans the runs.
        swept: the runs of the search, which sweep.json lists too.
        note: notes their run_ids by trial in search.json, before the first one starts.
        launcher: trains them.
        console: prints how many there are.
    """
    planned = {trial.number: planner.plan(trial.params, seeds) for trial in best}
    note({number: [m.folder.run_id for m in members] for number, members in planned.items()})
    members = [member for each in planned.values() for member in each]
    left = [member for member in members if not member.is_done()]
    if not left:
        return members, 0
    line = f"confirming the best configs: {count(len(left), 'run')} with fresh seeds"
    console.print(line, soft_wrap=True, highlight=False, markup=False)
    folder = planner.folder
    code = train_pending(
        [*swept, *members],
        left,
        folder,
        console,
        lambda: launch_all(left, launcher, folder, console),
    )
    return members, code
