"""The sweep in sweep.json is the one that was written, and locks show the processes at work."""

import errno
import fcntl
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from seqsweep.runs.events import EventFile, writer_of
from seqsweep.runs.identity import SEMANTICS
from seqsweep.runs.lock import RunLock, holder_of
from seqsweep.runs.lock_files import STALE_SECONDS, boot_id, host_name
from seqsweep.runs.sweepfile import (
    NAME,
    SweepFile,
    is_sweep_running,
    lock_names,
    lock_notes,
    remove_leftovers,
    sweep_lock,
)

LIMITS = {"thresholds": {"3": 0.5}, "until": 9, "ends_at": None}


@pytest.mark.parametrize(("ended", "limits"), [(None, {}), (6.5, {"r1": LIMITS})])
def test_a_sweep_file_is_read_as_it_was_written(tmp_path, ended, limits):
    """Values of other types are equal in Python: their texts tell them apart."""
    values = {"a": [1, True, 1.0, "1", None], "b": [0, False, 0, 0, 0], "c": [2, 2, 2, 2, 2]}
    configs = {f"r{n}": {key: values[key][n] for key in values} for n in range(5)}
    about: dict[str, Any] = {
        "costs": dict.fromkeys(configs, 0.5),
        "limits": limits,
        "open": ended is None,
    }
    command = ["seqsweep", "train", "-m", "a=1"]
    written = SweepFile(command, 5.0, configs, frozenset("x"), ended, **about)
    written.write(tmp_path)
    read = SweepFile.read(tmp_path)
    assert read is not None and read == written
    assert json.dumps(read.configs, sort_keys=True) == json.dumps(written.configs, sort_keys=True)
    assert list(read.configs) == list(written.configs)


def test_a_folder_s_sweep_ends_with_the_last_of_those_that_train_in_it(tmp_path):
    with sweep_lock(tmp_path):
        SweepFile(["seqsweep"], 1.0, {"r": {"seed": 0}}).write(tmp_path)
        second = SweepFile(["seqsweep", "again"], 2.0, {"r": {"seed": 0}}, open=True)
        second.write(tmp_path)
        second.end(tmp_path, 3.0)
        read = SweepFile.read(tmp_path)
        assert read is not None and (read.started, read.ended) == (2.0, None)
    SweepFile(["seqsweep"], 1.0, {"r": {"seed": 0}}).end(tmp_path, 4.0)
    read = SweepFile.read(tmp_path)
    assert read is not None and (read.started, read.ended, read.open) == (2.0, 4.0, False)


def test_planned_runs_of_several_commands_accumulate(tmp_path):
    """A command leaves what it asked for; those who watch see the runs of the last one."""
    first = SweepFile(["one"], 1.0, {"a": {"seed": 0}, "b": {"seed": 1}}, frozenset("a"), 2.0)
    second = SweepFile(["two"], 3.0, {"b": {"seed": 1}, "c": {"lr": 0.1}}).after(first)
    second.write(tmp_path)
    read = SweepFile.read(tmp_path)
    assert read is not None and read == second
    assert list(read.configs) == ["a", "b", "c"]
    assert (read.command, read.earlier, read.done_before) == (["two"], {"a"}, set())
    assert read.current().configs == {"b": {"seed": 1}, "c": {"lr": 0.1}}
    beside = SweepFile(["three"], 4.0, {"a": {"seed": 0}}).joined(second)
    assert (beside.earlier, list(beside.current().configs)) == (set(), ["a", "b", "c"])
    again = SweepFile(["four"], 5.0, {"c": {"lr": 0.1}}).after(beside)
    assert again.earlier == {"a", "b"}


@pytest.mark.parametrize(
    "change",
    [
        "[]",
        json.dumps({"semantics": SEMANTICS, "command": []}),
        {"command": [5]},
        {"members": {"r": 5}},
        {"limits": {"r": {}}},
    ],
    ids=str,
)
def test_a_damaged_sweep_file_counts_as_missing_and_is_named(tmp_path, capsys, change):
    assert SweepFile.read(tmp_path) is None
    SweepFile(["seqsweep"], 1.0, {"r": {"seed": 0}}).write(tmp_path)
    path = tmp_path / NAME
    whole = json.loads(path.read_text())
    path.write_text(change if isinstance(change, str) else json.dumps(whole | change))
    assert SweepFile.read(tmp_path) is None
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"seqsweep: {path}: ")


def test_a_plain_sweep_takes_the_limits_of_its_runs_away():
    search = SweepFile(["a"], 1.0, {"x": {}, "y": {}}, limits={"x": LIMITS, "y": LIMITS}, open=True)
    plain = SweepFile(["b"], 2.0, {"y": {}})
    assert plain.after(search).limits == {"x": LIMITS} and not plain.after(search).open
    assert plain.joined(search).limits == {"x": LIMITS} and plain.joined(search).open


def test_the_lock_file_of_a_killed_sweep_is_removed_and_a_living_one_stays(tmp_path):
    assert not is_sweep_running(tmp_path)
    dead = tmp_path / f".running-{host_name()}-4711"
    dead.write_text(json.dumps({"host": host_name(), "pid": 4711, "boot": boot_id()}))
    assert not is_sweep_running(tmp_path)
    with sweep_lock(tmp_path):  # two sweeps share a folder
        assert len(list(tmp_path.iterdir())) == 2
        remove_leftovers(tmp_path)
        assert is_sweep_running(tmp_path) and not dead.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_on_another_host_runs_until_its_last_heartbeat_is_old(tmp_path):
    lock = tmp_path / ".running-elsewhere-7"
    lock.write_text('{"host": "elsewhere", "pid": 7, "since": 0}')
    assert is_sweep_running(tmp_path)
    for seconds in (-STALE_SECONDS - 1, 24 * 3600):  # the clock may have been set back since
        os.utime(lock, (0, time.time() + seconds))
        assert not is_sweep_running(tmp_path)


def locks_in(folder: Path) -> dict[str, str]:
    return lock_names(path.name for path in folder.iterdir())


def test_the_variable_names_the_host_in_locks_and_event_files(tmp_path, monkeypatch):
    assert host_name() == socket.gethostname()
    monkeypatch.setenv("SEQSWEEP_HOST", "pod/0 x")
    with RunLock(tmp_path) as lock, sweep_lock(tmp_path):
        assert json.loads(Path(lock.path).read_text())["host"] == "pod_0_x"
        holder = holder_of(tmp_path)
        assert holder is not None
        assert locks_in(tmp_path) == {f".running-{holder.host}-{holder.pid}": holder.host}
        EventFile(tmp_path).write([(0, 1.0, {"a": 1.0})])
        assert writer_of(tmp_path) == (holder.host, holder.pid)
    monkeypatch.setenv("SEQSWEEP_HOST", "")
    assert host_name() == socket.gethostname()


@pytest.mark.parametrize(
    ("offset", "said"),
    [(-7260, "121 min ahead of"), (180, "3 min behind")],
)
def test_a_clock_that_differs_is_named(tmp_path, monkeypatch, offset, said):
    assert lock_notes(tmp_path) == []
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + offset)
    (note,) = lock_notes(tmp_path)
    assert note.startswith(f"{tmp_path}: its clock is {said} the clock of this host")


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    def refused(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "lockf", refused)
    (note,) = lock_notes(tmp_path)
    assert "no POSIX locks" in note
