"""A sweep trains all of its runs together, or beside other workers a share at a time."""

import io
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from seqsweep.config.from_overrides import shared_composer
from seqsweep.runs.lock import RunLock
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.sweeping.launchers import RunLauncher
from seqsweep.sweeping.members import plan_members
from seqsweep.sweeping.queue import SweepMember
from seqsweep.sweeping.sweep import confirm_size, shown, train_sweep
from seqsweep.sweeping.work import Worker

WORDS = ("data=digits", "sweep.report=false", "trainer.max_epochs=20")


class Launcher(RunLauncher):
    """Finishes runs without training them.

    Attributes:
        sizes: the number of runs of each launch.
    """

    def __init__(self, threads: int | None) -> None:
        self.threads = threads
        self.sizes: list[int] = []

    def train(
        self, members: Sequence[SweepMember], folder: Path, judge: object
    ) -> Mapping[str, object]:
        self.sizes.append(len(members))
        for member in members:
            run = RunFolder(folder / member.run_id)
            run.start(member.config, {}, sync=False)
            result = {"metrics": {"val/acc": 0.5}, "train_seconds": 0.1, "epochs": 20}
            run.finish(member.record("complete", result), synced=True)
        return {}


@pytest.fixture
def members(tmp_path: Path) -> list[SweepMember]:
    jobs = [[*WORDS, f"seed={seed}"] for seed in range(12)]
    return plan_members(jobs, shared_composer(), tmp_path / "sweep")


def launched(members: list[SweepMember], threads: int | None) -> list[int]:
    launcher: Any = Launcher(threads)
    folder = members[0].folder.path.parent
    console = Console(file=io.StringIO())
    assert train_sweep(members, members, launcher, folder, console, shown(members, console)) == 0
    return launcher.sizes


def test_a_sweep_alone_trains_all_runs_together(members):
    assert launched(members, threads=2) == [12]


def test_jobs_of_another_launcher_start_all_at_once_beside_workers(members):
    folder = members[0].folder.path.parent
    folder.mkdir()
    with RunLock(folder, ".running-elsewhere-1"):
        assert launched(members, threads=None) == [12]


def test_a_worker_reads_a_changed_sweep_json_again(tmp_path):
    """The change may come while the worker begins."""
    SweepFile((), 0.0, {}).write(tmp_path)
    worker = Worker(tmp_path, 1, ())
    SweepFile((), 1.0, {}).write(tmp_path)
    worker.run(0.0)
    assert worker.sweep.started == 1.0


def test_a_worker_counts_the_runs_that_are_not_done(members):
    folder = members[0].folder.path.parent
    assert launched(members[:2], threads=1) == [2]
    SweepFile((), 0.0, {member.run_id: member.flat for member in members}).write(folder)
    assert Worker(folder, 1, ()).left() == 10


def test_a_worker_trains_a_run_that_had_failed_before_the_sweep_was_planned_again(members, capsys):
    """The worker knows from sweep.json which failures are older; a later one counts."""
    member, other = members[:2]
    for each in (member, other):
        each.folder.path.mkdir(parents=True)
        each.folder.fail(ValueError("before"))
    folder = member.folder.path.parent
    configs = {each.run_id: each.flat for each in (member, other)}
    SweepFile((), 0.0, configs, failures={member.run_id: 1}).write(folder)
    Worker(folder, 1, ()).run(0.0)
    assert (member.folder.state(), other.folder.state()) == ("complete", "failed")
    assert "training 1 run\n" in capsys.readouterr().out


@pytest.mark.slow
def test_limits_that_a_search_sets_while_a_sweep_begins_stay(members):
    folder = members[0].folder.path.parent
    folder.mkdir()
    limits = {"searched": {"thresholds": {}, "until": 3, "ends_at": None}}
    file = SweepFile((), 0.0, {"searched": {}})
    file.write(folder)
    beginning = threading.Thread(target=launched, args=(members, 1))
    with SweepFile.changing(folder):
        beginning.start()
        beginning.join(0.3)  # the sweep waits before it reads the file
        replace(file, limits=limits).write(folder)
    beginning.join()
    sweep = SweepFile.read(folder)
    assert sweep is not None and sweep.limits == limits and len(sweep.configs) == 13


class Terminal(io.StringIO):
    """The command as a person types it."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("typed", "is_yes"), [("YES\n", True), ("\n", False)])
def test_a_very_large_sweep_is_trained_only_after_a_yes(monkeypatch, typed, is_yes):
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    printed = io.StringIO()
    answer = confirm_size(1001, 1000, Console(file=printed, force_terminal=True))
    assert answer is is_yes
    assert "train 1,001 runs? [y/N] " in printed.getvalue()
    assert ("nothing was trained" in printed.getvalue()) is not is_yes
    assert confirm_size(1000, 1000, Console()) and confirm_size(10**6, None, Console())
