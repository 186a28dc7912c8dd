"""The first command of a sweep starts its workers, and the same command follows them."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sweep_members import member_at

from seqsweep.extras.clusters.workers import Workers
from seqsweep.runs.run_folder import RunFolder
from seqsweep.sweeping.planned_sweep import STARTED
from seqsweep.sweeping.queue import SweepMember
from seqsweep.training.outcome import STOP_FILE


@dataclass
class Threads:
    """A cluster whose workers are threads; each finishes some runs."""

    runs: Sequence[Path] = ()
    options: Sequence[str] = ()
    logs: Path = Path("logs")
    started: list[int] = field(default_factory=list[int])
    threads: list[threading.Thread] = field(default_factory=list[threading.Thread])

    def start(self, folder: Path, count: int, command: Sequence[str]) -> str:
        time.sleep(0.05)  # meanwhile another command looks
        self.started.append(count)
        for number in range(count):
            work = threading.Thread(target=self._work, args=(self.runs[number::count],))
            self.threads.append(work)
            work.start()
        return f"job {len(self.started)}"

    def _work(self, runs: Sequence[Path]) -> None:
        time.sleep(0.2)
        for run in runs:
            run.mkdir()
            RunFolder(run).finish({"config": {}, "metrics": {}})


def workers(cluster: Threads, count: int = 1, **options: Any) -> Workers:
    return Workers(cluster, count, pause=0.01, **options)


def queued(folder: Path, names: str = "ab") -> list[SweepMember]:
    return [member_at(folder / name) for name in names]


def test_two_commands_at_once_start_the_workers_once(tmp_path, capsys):
    cluster, runs = Threads(), queued(tmp_path, "abcd")
    commands = [
        threading.Thread(target=workers(cluster, 3).begin, args=(runs, tmp_path)) for _ in range(2)
    ]
    for command in commands:
        command.start()
    for thread in [*commands, *cluster.threads]:
        thread.join()
    assert cluster.started == [3]
    out = capsys.readouterr().out
    assert "job 1: 3 workers, logs in " in out
    assert "workers were started before (job 1); --start starts new ones\n" in out


def test_new_workers_start_only_if_they_are_asked_for(tmp_path):
    cluster = Threads()
    for anew in (False, False, True):
        command = workers(cluster, anew=anew)
        for _ in range(2):  # a search begins once for each of its rounds
            command.begin(queued(tmp_path), tmp_path)
    assert cluster.started == [1, 1]


def test_there_are_at_most_as_many_workers_as_runs_that_are_left(tmp_path):
    (tmp_path / "a").mkdir()
    RunFolder(tmp_path / "a").finish({"config": {}, "metrics": {}})
    cluster = Threads()
    workers(cluster, 5).begin(queued(tmp_path, "a"), tmp_path)
    assert cluster.started == []
    workers(cluster, 5).begin(queued(tmp_path, "abc"), tmp_path)
    assert cluster.started == [2]


def test_a_refused_start_does_not_count(tmp_path):
    class Refusing(Threads):
        def start(self, folder: Path, count: int, command: Sequence[str]) -> str:
            raise ValueError("invalid partition")

    with pytest.raises(ValueError, match="invalid partition"):
        workers(Refusing()).begin(queued(tmp_path), tmp_path)
    assert not (tmp_path / STARTED).exists()


def test_a_command_waits_until_all_runs_are_done_or_one_is(tmp_path):
    runs = queued(tmp_path, "abc")
    cluster = Threads([run.folder.path for run in runs])
    workers(cluster).wait(runs, tmp_path, until_one_ends=True)
    assert any(run.is_done() for run in runs)
    workers(cluster).wait(runs, tmp_path)
    assert all(run.is_done() for run in runs)
    assert cluster.started == [1]


def test_a_stopped_sweep_ends_and_the_next_command_starts_new_workers(tmp_path):
    cluster = Threads()
    (tmp_path / STOP_FILE).touch()
    workers(cluster).wait(queued(tmp_path), tmp_path)
    workers(cluster).wait(queued(tmp_path), tmp_path)
    assert cluster.started == [1, 1]
