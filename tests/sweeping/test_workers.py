"""Workers of a cluster are started once, counted, and awaited."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.sweeping import workers
from seqsweep.sweeping.queue import QueuedRun
from seqsweep.sweeping.workers import start_missing, train_by_workers, worker_command


@dataclass
class Threads:
    """Workers that are threads; each finishes some runs."""

    count: int = 2
    detach: bool = False
    options: Sequence[str] = ()
    runs: Sequence[Path] = ()
    started: list[Sequence[str]] = field(default_factory=list[Sequence[str]])
    threads: list[threading.Thread] = field(default_factory=list[threading.Thread])

    def start(self, folder: Path, count: int, command: Sequence[str]) -> str:
        time.sleep(0.05)  # meanwhile another command counts
        for number in range(count):
            self.started.append(command)
            part = self.runs[number::count]
            self.threads.append(threading.Thread(target=self._work, args=(part,)))
            self.threads[-1].start()
        return f"{count} threads"

    def alive(self, folder: Path) -> int:
        return sum(thread.is_alive() for thread in self.threads)

    def _work(self, runs: Sequence[Path]) -> None:
        time.sleep(0.2)
        for run in runs:
            run.mkdir()
            RunFolder(run).finish({"config": {}, "metrics": {}})


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_POLL_SECONDS", 0.01)


def test_two_commands_at_once_start_the_workers_once(tmp_path, capsys):
    cluster = Threads(count=3)
    commands = [
        threading.Thread(target=start_missing, args=(cluster, 10, tmp_path)) for _ in range(2)
    ]
    for command in commands:
        command.start()
    for thread in [*commands, *cluster.threads]:
        thread.join()
    assert len(cluster.started) == 3
    assert "3 threads" in capsys.readouterr().out


def test_there_are_at_most_as_many_workers_as_runs(tmp_path):
    cluster = Threads(count=5)
    start_missing(cluster, 2, tmp_path)
    assert len(cluster.started) == 2


def test_a_command_waits_until_all_runs_are_done(tmp_path):
    runs = [tmp_path / name for name in "abc"]
    cluster = Threads(runs=runs)
    train_by_workers(cluster, [QueuedRun(RunFolder(run)) for run in runs], tmp_path)
    assert all((run / "record.json").exists() for run in runs)


def test_a_command_ends_when_no_worker_is_left(tmp_path):
    cluster = Threads(runs=[tmp_path / "a"])
    train_by_workers(cluster, [QueuedRun(RunFolder(tmp_path / name)) for name in "ab"], tmp_path)
    assert cluster.alive(tmp_path) == 0
    assert not (tmp_path / "b").exists()


def test_a_command_does_not_wait_for_a_run_that_has_failed_too_often(tmp_path):
    """Workers of a search wait for its next runs, and would keep the command for minutes."""
    folder, stays = RunFolder(tmp_path / "a"), threading.Event()

    class Failing(Threads):
        def _work(self, runs: Sequence[Path]) -> None:
            for _ in range(2):
                folder.path.mkdir(exist_ok=True)
                folder.fail(ValueError("no"))
            stays.wait(20.0)

    cluster = Failing(count=1)
    folder.path.mkdir()
    folder.fail(ValueError("in an earlier command"))
    train_by_workers(cluster, [QueuedRun(folder, tries=2, failures_before=1)], tmp_path)
    assert folder.attempts() == 3
    assert cluster.alive(tmp_path) == 1
    stays.set()


def test_a_detached_command_does_not_wait(tmp_path):
    cluster = Threads(detach=True, runs=[tmp_path / "a"])
    train_by_workers(cluster, [QueuedRun(RunFolder(tmp_path / "a"))], tmp_path)
    assert cluster.alive(tmp_path) == 1


def test_a_worker_may_build_what_the_sweep_names(tmp_path):
    configs = {
        "0": {"model._target_": "seqsweep.models.classifier.RNNClassifier"},
        "1": {"model._target_": "mine.Net"},
    }
    SweepFile((), 0.0, configs).write(tmp_path)
    command = worker_command(tmp_path, ["--threads", "2"])
    assert command[1:4] == ["-m", "seqsweep", "work"]
    assert command[4:] == [str(tmp_path), "--threads", "2", "--allow", "mine.Net"]
