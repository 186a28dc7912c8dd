"""The live table shows which processes train a sweep, where several or other hosts do."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from seqsweep.live import worker_state
from seqsweep.live.display import LiveView
from seqsweep.live.worker_lines import worker_lines
from seqsweep.live.worker_state import Rate, Worker, by_name
from seqsweep.results.housekeeping import print_status
from seqsweep.runs.lock import RunLock, holder_of
from seqsweep.runs.lock_files import STALE_SECONDS, Holder
from seqsweep.runs.sweep_lock import sweep_lock

HOLD = """
import sys
from pathlib import Path
from seqsweep.runs.sweep_lock import sweep_lock

with sweep_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


class Host:
    """Lock files as a worker on another host writes them."""

    def __init__(self, folder: Path, name: str, pid: int) -> None:
        self.folder = folder
        self.text = json.dumps({"host": name, "pid": pid, "since": 1.5})
        self.lock = folder / f".running-{name}-{pid}"
        self.lock.write_text(self.text)

    def take(self, run: Path) -> None:
        (run / "lock").write_text(self.text)

    def beat(self, *runs: Path, age: float = 0.0) -> None:
        when = time.time() - age
        for path in (self.lock, *(run / "lock" for run in runs)):
            os.utime(path, (when, when))


@contextmanager
def another_process(folder: Path) -> Generator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLD, str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def lines(progress: Any, width: int = 76, is_last: bool = False) -> list[str]:
    return [line.plain.rstrip() for line in worker_lines(progress.workers, width, is_last)]


def test_each_worker_has_a_line_with_its_runs_and_its_rate(sweep, config, train):
    found = sweep(*(config(seed) for seed in range(5)))
    first, second = Host(found.folder, "n2", 12), Host(found.folder, "n10", 7)
    runs = [found.start(index).path for index in range(4)]
    for run in runs[:2]:
        first.take(run)
    for run in runs[2:]:
        second.take(run)
    progress = found.progress()
    progress.look()
    assert lines(progress)[0] == "n2 pid 12              2 running   0 done"
    train(runs[0], range(8))
    train(runs[3], range(4))
    found.clock.now += 4.0
    progress.look()
    (runs[1] / "lock").unlink()
    found.finish(1)
    progress.look()
    assert lines(progress) == [
        "n2 pid 12              1 running   1 done   4.5 epochs/s",
        "n10 pid 7              2 running   0 done   1.0 epochs/s",
        "2 workers on 2 hosts   3 running   1 done   5.5 epochs/s",
    ]


def test_one_process_of_this_host_is_not_listed(sweep, config, shown):
    found = sweep(config(0), config(1))
    with sweep_lock(found.folder), RunLock(found.start(0).path):
        progress = found.progress()
        progress.look()
        assert progress.counts["running"] == 1
        assert "pid" not in shown(progress)


def test_a_look_does_not_drop_the_locks_of_the_process_that_looks(sweep, config):
    """The display of a sweep runs in the process that trains it."""
    found = sweep(config(0))
    code = """
import sys
from pathlib import Path
from seqsweep.runs.lock import is_locked
print(is_locked(Path(sys.argv[1])), is_locked(Path(sys.argv[2]), sys.argv[3]))
"""
    run = found.start(0).path
    with sweep_lock(found.folder) as lock, RunLock(run):
        Host(found.folder, "n1", 3)
        found.progress().look()
        command = [sys.executable, "-c", code, run, found.folder, Path(lock.path).name]
        asked = subprocess.run(command, capture_output=True, text=True, check=True)
        holder = holder_of(run)
        assert holder is not None and holder.pid == os.getpid()
    assert asked.stdout == "True True\n"
    assert holder_of(run) is None


@pytest.mark.slow
def test_another_process_of_this_host_is_listed_and_a_killed_one_is_dead(sweep, config):
    found = sweep(config(0), config(1))
    with sweep_lock(found.folder), another_process(found.folder) as process:
        progress = found.progress()
        progress.look()
        text = " ".join(lines(progress))
        assert all(f"pid {pid} " in text for pid in (os.getpid(), process.pid))
        assert len(lines(progress)) == 3
        found.clock.now += 30.0  # The other process has not touched its lock.
        progress.look()
        assert "dead" not in " ".join(lines(progress))
        process.kill()
        process.wait()
        progress.look()
        assert lines(progress)[0].endswith("   0 done   dead")
        assert f"pid {process.pid} " in lines(progress)[0]


@pytest.mark.slow
def test_a_process_of_this_host_that_does_not_beat_is_frozen(sweep, config):
    found = sweep(config(0))
    with sweep_lock(found.folder), another_process(found.folder) as process:
        progress = found.progress()
        progress.look()
        found.clock.now += STALE_SECONDS + 5
        progress.look()
        line = next(line for line in lines(progress) if f"pid {process.pid} " in line)
        assert line.endswith("frozen for 1:05")


def test_a_worker_of_another_host_without_a_beat_shows_no_sign_of_life(sweep, config):
    found = sweep(config(0), config(1))
    workers = [Host(found.folder, name, 7) for name in ("a", "b")]
    progress = found.progress()
    progress.look()
    for _ in range(7):
        found.clock.now += 10.0
        workers[0].beat(age=-found.clock.now)
        progress.look()
    assert [line.endswith("no sign of life for 1:10") for line in lines(progress)] == [
        True,
        False,
        False,
    ]
    assert lines(progress)[0].startswith("b pid 7")
    workers[1].beat()
    progress.look()
    assert "no sign" not in "".join(lines(progress))


def test_the_first_look_asks_how_old_a_beat_is_by_the_clock_of_the_folder(
    sweep, config, monkeypatch
):
    found = sweep(config(0))
    Host(found.folder, "a", 7).beat()
    hours = 3600.0 * 5
    monkeypatch.setattr(worker_state, "time_in", lambda _: time.time() + 90.0)
    found.clock.now += hours  # The clock of this machine is wrong.
    progress = found.progress()
    progress.look()
    assert lines(progress)[0].endswith("no sign of life for 1:30")


def test_the_locks_of_workers_that_died_before_the_sweep_are_not_listed(sweep, config):
    found = sweep(config(0))
    Host(found.folder, "old", 7).beat(age=1000)
    Host(found.folder, "new", 8)
    found.file().write(found.folder)
    os.utime(found.folder / "sweep.json", (0, time.time() - 500))
    progress = found.progress()
    progress.look()
    assert [line.split()[0] for line in lines(progress)] == ["new", "1"]


def test_at_most_eight_workers_have_a_line_and_the_silent_ones_come_first(sweep, config):
    found = sweep(config(0))
    for index in range(20):
        Host(found.folder, f"n{index % 5}", index + 1)
    Host(found.folder, "z", 99).beat(age=200)
    progress = found.progress()
    progress.look()
    text = lines(progress)
    assert len(text) == 10
    assert text[0].split()[:3] == ["z", "pid", "99"]
    assert text[8].startswith("and 13 more on 4 hosts  ")
    assert text[9].startswith("21 workers on 6 hosts   ")


def test_done_runs_count_for_the_process_that_their_event_file_names(sweep, config):
    """The runs were done before the first look; another process trained the third one."""
    found = sweep(*(config(seed) for seed in range(4)))
    Host(found.folder, "n1.cluster.example", 7)
    for index, name in enumerate(("n1.cluster.example.7", "n1.cluster.example.7", "n1.8")):
        run = found.start(index).path
        (run / f"events.out.tfevents.{1700000000 + index}.{name}.0.rows").touch()
        found.finish(index)
    progress = found.progress()
    progress.look()
    assert lines(progress)[0] == "n1 pid 7             0 running   2 done"


def test_the_last_table_lists_all_that_trained(sweep, config, shown):
    found = sweep(*(config(seed) for seed in range(2)))
    progress = found.progress()
    hosts = [Host(found.folder, name, 7) for name in ("n1", "n2", "n3")]
    for index in range(2):
        hosts[index].take(found.start(index).path)
    progress.look()
    for index in range(2):
        (found.run(index).path / "lock").unlink()
        found.finish(index)
    for host in hosts:
        host.lock.unlink()
    progress.look()
    found.clock.now += 10
    progress.look()
    assert lines(progress) == []
    text = shown(progress, is_last=True)
    assert [line.strip("│ ") for line in text.splitlines() if " done" in line][1:] == [
        "n1 pid 7               1 done",
        "n2 pid 7               1 done",
        "2 workers on 2 hosts   2 done",
    ]


@pytest.mark.parametrize("width", [20, 44, 60])
def test_no_line_is_longer_than_a_narrow_terminal(sweep, width, config, train, shown):
    found = sweep(*(config(seed) for seed in range(2)))
    for index in range(2):
        Host(found.folder, "a-very-long-name-of-a-host-" * 2 + str(index), 4711).take(
            found.start(index).path
        )
    progress = found.progress()
    progress.look()
    for index in range(2):
        train(found.run(index).path, range(7))
    found.clock.now += 10
    progress.look()
    rows = shown(progress, width).splitlines()
    assert {len(row) for row in rows} == {width}
    named = [row for row in rows if "pid 4711" in row]
    assert len(named) == 2
    assert all("0.7/s" in row for row in named) == (width > 20)


def test_without_a_table_the_line_of_a_run_names_its_worker(sweep, config):
    found = sweep(config(0), config(1))
    Host(found.folder, "n1", 7).take(found.start(0).path)
    out = io.StringIO()
    view = LiveView(found.progress(), Console(file=out, width=200), None)
    view.look()
    found.finish(0)
    (found.run(0).path / "lock").unlink()
    view.look()
    view.stop()
    assert "1.5 s  n1 pid 7" in out.getvalue()


def test_a_lock_is_read_again_only_after_it_was_touched(sweep, config, monkeypatch):
    found = sweep(config(0))
    host, run = Host(found.folder, "n1", 7), found.start(0).path
    host.take(run)
    read: list[Path] = []

    def counted(folder: Path) -> Holder | None:
        read.append(folder)
        return holder_of(folder)

    monkeypatch.setattr(worker_state, "holder_of", counted)
    progress = found.progress()
    for _ in range(3):
        progress.look()
    assert read == [run]
    host.beat(run, age=5)
    progress.look()
    assert read == [run, run]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"host": "a", "pid": "b", "since": 3}'])
def test_a_damaged_lock_file_names_nobody(sweep, config, text):
    found = sweep(config(0))
    (found.start(0).path / "lock").write_text(text)
    (found.folder / ".running-x").write_text(text)
    assert holder_of(found.run(0).path) is None
    progress = found.progress()
    progress.look()
    assert progress.workers.present == []


def test_a_rate_is_that_of_the_last_minute():
    rate = Rate()
    assert rate.per_second() is None
    for second in range(100):
        rate.sample(float(second), 5 * second)
    assert rate.per_second() == pytest.approx(5.0)
    for second in range(100, 200):
        rate.sample(float(second), 500)
    assert rate.per_second() == 0.0


def test_hosts_are_sorted_by_their_numbers():
    names = ["n10", "n2", "a", "n2-b", "10.0.0.9", "10.0.0.10"]
    ordered: list[str] = [
        worker.host for worker in sorted((Worker(n, 1) for n in names), key=by_name)
    ]
    assert ordered == ["10.0.0.9", "10.0.0.10", "a", "n2", "n2-b", "n10"]


def test_status_names_the_processes_of_several_hosts(sweep, config, capsys):
    found = sweep(config(0))
    found.start(0)
    with sweep_lock(found.folder):
        print_status(found.folder, Console())
        assert "pid" not in capsys.readouterr().out
        for pid in range(10, 19):
            Host(found.folder, "n2", pid)
        Host(found.folder, "n1", 5).beat(age=STALE_SECONDS + 5)
        print_status(found.folder, Console())
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("trained by ")
    assert "n2 pid 10, n2 pid 11, " in line
    assert "n1" not in line
    assert line.endswith(" and 2 more")
