"""The live table shows which hosts train a sweep, where another host does."""

import json
import os
import re
import time
from pathlib import Path

import pytest
from live_sweeps import config, display_text

from seqsweep.live.state import SweepProgress
from seqsweep.runs.lock import RunLock, holder_of
from seqsweep.runs.sweepfile import sweep_lock


class Worker:
    """Lock files as a worker on another host writes them."""

    def __init__(self, folder: Path, host: str, pid: int) -> None:
        self.text = json.dumps({"host": host, "pid": pid, "since": 1.5})
        self.lock = folder / f".running-{host}-{pid}"
        self.lock.write_text(self.text)

    def take(self, run: Path) -> None:
        (run / "lock").write_text(self.text)

    def beat(self, age: float = 0.0) -> None:
        when = time.time() - age
        os.utime(self.lock, (when, when))


def lines(progress: SweepProgress) -> list[str]:
    """Returns the lines of the hosts after another look."""
    progress.look()
    rows = [line.strip("│ ") for line in display_text(progress, 100).splitlines()]
    return [row for row in rows if re.search(r"^\S+ +\d+ running|more host", row)]


def test_each_host_has_a_line_with_its_runs(sweep):
    """Three workers train on two hosts."""
    found = sweep(*(config(seed) for seed in range(5)))
    workers = [Worker(found.folder, *of) for of in (("n1.example", 12), ("n1.example", 13))]
    workers.append(Worker(found.folder, "n20", 12))
    runs = [found.start(index).path for index in range(4)]
    for run, worker in zip(runs, [*workers, workers[2]], strict=True):
        worker.take(run)
    progress = found.progress()
    assert lines(progress) == ["n1    2 running   0 done", "n20   2 running   0 done"]
    (runs[1] / "lock").unlink()
    found.finish(1)
    assert lines(progress) == ["n1    1 running   1 done", "n20   2 running   0 done"]
    # A host whose workers have ended keeps its line, because it has trained runs.
    for worker in workers[:2]:
        worker.lock.unlink()
    (runs[0] / "lock").unlink()
    assert lines(progress) == ["n1    0 running   1 done", "n20   2 running   0 done"]


def test_a_sweep_that_only_this_host_trains_has_no_lines_of_hosts(sweep):
    found = sweep(config(0), config(1))
    run = found.start(0).path
    with sweep_lock(found.folder), RunLock(run):
        progress = found.progress()
        assert lines(progress) == []
        assert progress.counts["running"] == 1
        holder = holder_of(run)
        assert holder is not None and holder.pid == os.getpid()
        # This host has a line, too, as soon as another host helps.
        Worker(found.folder, "zz", 7)
        assert len(lines(progress)) == 2
    assert holder_of(run) is None


def test_a_host_without_a_touch_for_a_minute_is_silent_and_comes_first(sweep):
    found = sweep(config(0))
    found.file().write(found.folder)
    workers = [Worker(found.folder, name, 7) for name in "ab"]
    progress = found.progress()
    for age in (0, 50):
        workers[1].beat(-age)
        assert lines(progress) == [f"{name}   0 running   0 done" for name in "ab"]
    os.utime(found.folder / "sweep.json", (0, 0))  # The sweep began long ago.
    progress = found.progress()
    workers[1].beat(age=200)
    since = time.strftime("%H:%M:%S", time.localtime(workers[1].lock.stat().st_mtime))
    assert lines(progress) == [
        f"b   0 running   0 done   silent since {since}",
        "a   0 running   0 done",
    ]
    # A second process of the host is alive.
    Worker(found.folder, "b", 8)
    assert not any("silent" in line for line in lines(progress))


def test_a_lock_that_is_older_than_the_sweep_shows_no_host(sweep):
    found = sweep(config(0))
    Worker(found.folder, "b", 7).beat(age=3600)
    found.file().write(found.folder)
    assert lines(found.progress()) == []


def test_at_most_eight_hosts_have_a_line(sweep):
    found = sweep(config(0))
    for index in range(20):
        Worker(found.folder, f"n{index:02}", 7)
    text = lines(found.progress())
    assert [line.split()[0] for line in text] == [*(f"n{n:02}" for n in range(8)), "and"]
    assert text[8] == "and 12 more hosts"


def test_done_runs_count_for_the_host_that_their_event_file_names(sweep):
    """The runs ended before the first look, one of them before the sweep, one without the file."""
    found = sweep(*(config(seed) for seed in range(5)))
    for index, name in enumerate(("n1.example.7", "n1.example.7", "n2.8", None, "n2.8")):
        run = found.start(index).path
        if name:
            (run / f"events.out.tfevents.{1700000000 + index}.{name}.0.rows").touch()
        found.finish(index)
    progress = found.progress(done_before=["run4"])
    assert lines(progress) == ["n1   0 running   2 done", "n2   0 running   1 done"]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"host": "a", "pid": "b", "since": 3}'])
def test_a_damaged_lock_file_names_no_host(sweep, text):
    found = sweep(config(0))
    (found.start(0).path / "lock").write_text(text)
    (found.folder / ".running-x").write_text(text)
    assert holder_of(found.run(0).path) is None
    progress = found.progress()
    progress.look()
    assert not progress.hosts
