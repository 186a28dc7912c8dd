"""Writes sweep.json, from which any process can train the sweep. Imports no torch."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from seqsweep.command import command_line
from seqsweep.console import print_notes
from seqsweep.runs.sweepfile import (
    SweepFile,
    is_sweep_running,
    lock_notes,
    remove_leftovers,
    sweep_lock,
)
from seqsweep.sweeping.queue import SweepMember
from seqsweep.training.outcome import STOP_FILE

STARTED = ".workers.json"
"""The file with the names of started workers. A worker that finds no run left removes the file."""


def new_sweep_file(
    members: Sequence[SweepMember], pending: Sequence[SweepMember], folder: Path
) -> SweepFile | None:
    """Returns the new content of sweep.json; None if the file is kept."""
    before = SweepFile.read(folder)
    # Another process may be training a sweep in this folder at this moment.
    others = before if is_sweep_running(folder) else None
    left = {member.run_id for member in pending}
    costs = {m.run_id: m.epoch_seconds for m in members}
    file = SweepFile(
        command_line(),
        time.time(),
        {m.run_id: m.flat for m in members},
        frozenset(m.run_id for m in members if m.run_id not in left),
        costs=costs if all(costs.values()) else {},  # the cost of a user's network is unknown
        failures={m.run_id: count for m in pending if (count := m.folder.attempts())},
        directory=str(Path.cwd()),
        limits={m.run_id: m.limits.plain() for m in members if m.limits is not None},
    )
    is_known = before is not None and file.configs.keys() <= before.configs.keys()
    # sweep.json stays as it is if nothing is left to train, the file lists these runs, and the
    # sweep that wrote it has ended or is still running.
    if not pending and before is not None and is_known and (others or before.ended is not None):
        return None
    if others is not None:
        # `seqsweep watch` shows the runs of both sweeps.
        return file.joined(others)
    return file if before is None else file.after(before)


def write_sweep(
    members: Sequence[SweepMember],
    pending: Sequence[SweepMember],
    folder: Path,
    console: Console,
    is_open: bool = False,
    sweep: contextlib.ExitStack | None = None,
) -> SweepFile | None:
    """Writes sweep.json, unless the old file is kept.

    It also removes what killed sweeps left: locks, temporary files and STOP_FILE. It returns the
    written content of sweep.json; None if the old files are kept.

    Args:
        members: the runs that the command asks for.
        pending: the members that are not done.
        is_open: whether the sweep is a search that may add runs.
        sweep: the stack that takes this sweep's lock; None without training, or if the caller holds
            the lock.
    """
    with SweepFile.changing(folder):
        file = new_sweep_file(members, pending, folder)
        if file is None:
            return None
        remove_leftovers(folder)
        is_alone = not is_sweep_running(folder)
        if sweep is not None:
            sweep.enter_context(sweep_lock(folder))
        elif is_alone:
            (folder / STOP_FILE).unlink(missing_ok=True)  # left by an earlier sweep that failed
        replace(file, open=is_open or file.open).write(folder)
        print_notes(lock_notes(folder), console)
        return file


def close_sweep(folder: Path) -> None:
    """Ends a search's sweep, if sweep.json is still open for more runs."""
    file = SweepFile.read(folder)
    if file is None or not file.open:
        return
    # While the file is open, workers wait for runs, and a sweep cannot end while workers wait.
    with SweepFile.changing(folder):
        replace(SweepFile.read(folder) or file, open=False).write(folder)
    file.end(folder, time.time())
