"""A sweep trains all of its runs together, or beside other workers a share at a time."""

import io
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
from seqsweep.sweeping import work
from seqsweep.sweeping.hydra_jobs import Train
from seqsweep.sweeping.members import plan_members
from seqsweep.sweeping.planned_sweep import new_sweep_file
from seqsweep.sweeping.queue import SweepMember
from seqsweep.sweeping.sweep import train_sweep

WORDS = ("data=digits", "sweep.report=false", "trainer.max_epochs=20")


class Launcher:
    """Finishes runs without training them.

    Attributes:
        sizes: the number of runs of each launch.
    """

    workers = None

    def __init__(self, threads: int | None) -> None:
        self.threads = threads
        self.sizes: list[int] = []

    def trainer(self) -> Train:
        return self._train

    def _train(
        self, members: Sequence[SweepMember], root: Path, judge: object
    ) -> Mapping[str, object]:
        self.sizes.append(len(members))
        for member in members:
            run = RunFolder(root / member.run_id)
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
    assert train_sweep(members, members, launcher, folder, console) == 0
    return launcher.sizes


def test_a_sweep_alone_trains_all_runs_together(members):
    assert launched(members, threads=2) == [12]


def test_jobs_of_another_launcher_start_all_at_once_beside_workers(members):
    folder = members[0].folder.path.parent
    folder.mkdir()
    with RunLock(folder, ".running-elsewhere-1"):
        assert launched(members, threads=None) == [12]


def test_a_worker_notices_a_change_of_sweep_json_while_it_begins(tmp_path, monkeypatch):
    SweepFile((), 0.0, {}).write(tmp_path)
    read = work.read_sweep

    def read_before_a_change(folder: Path) -> SweepFile:
        sweep = read(folder)
        SweepFile((), 1.0, {}).write(folder)
        return sweep

    queues: list[SweepFile] = []
    monkeypatch.setattr(work.Worker, "_queued", lambda self: queues.append(self.sweep) or [])
    monkeypatch.setattr(work, "read_sweep", read_before_a_change)
    worker = work.Worker(tmp_path, 1, ())
    monkeypatch.setattr(work, "read_sweep", read)
    worker.run(0.0)
    assert [sweep.started for sweep in queues] == [0.0, 1.0]


def test_a_worker_queues_the_runs_that_are_not_done_and_reads_each_record_once(members):
    folder = members[0].folder.path.parent
    assert launched(members[:2], threads=1) == [2]
    configs = {member.run_id: member.flat for member in members}
    SweepFile((), 0.0, configs).write(folder)
    worker = work.Worker(folder, 1, ())
    assert [run.run_id for run in worker._queued()] == [m.run_id for m in members[2:]]
    (members[0].folder.path / "record.json").write_text("")
    assert worker.left() == 10
    (members[0].folder.path / "record.json").unlink()
    assert worker.left() == 11


def test_limits_that_a_search_sets_while_a_sweep_begins_stay(
    members: list[SweepMember], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = members[0].folder.path.parent
    folder.mkdir()
    limits = {"searched": {"thresholds": {}, "until": 3, "ends_at": None}}
    file = SweepFile((), 0.0, {"searched": {}})
    file.write(folder)

    def judge() -> None:
        with SweepFile.changing(folder):
            replace(SweepFile.read(folder) or file, limits=limits).write(folder)

    judging = threading.Thread(target=judge)

    def plan_and_judge(*arguments: Any) -> SweepFile | None:
        planned = new_sweep_file(*arguments)
        judging.start()
        judging.join(0.2)
        return planned

    monkeypatch.setattr("seqsweep.sweeping.planned_sweep.new_sweep_file", plan_and_judge)
    launched(members, threads=1)
    judging.join()
    sweep = SweepFile.read(folder)
    assert sweep is not None and sweep.limits == limits and len(sweep.configs) == 13
