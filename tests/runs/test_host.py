"""Locks and event files name this host, or what SEQSWEEP_HOST says."""

import json
import socket
from pathlib import Path

from seqsweep.runs.eventfiles import writer_of
from seqsweep.runs.events import EventFile
from seqsweep.runs.lock import RunLock, holder_of
from seqsweep.runs.lock_files import host_name
from seqsweep.runs.sweepfile import Process, lock_names, sweep_lock


def locks_in(folder: Path) -> list[Process]:
    """The processes whose locks of a sweep are in a folder."""
    return [*lock_names(path.name for path in folder.iterdir()).values()]


def test_the_variable_names_the_host_in_locks_and_event_files(tmp_path, monkeypatch):
    assert host_name() == socket.gethostname()
    monkeypatch.setenv("SEQSWEEP_HOST", "pod/0 x")
    with RunLock(tmp_path) as lock, sweep_lock(tmp_path):
        assert json.loads(Path(lock.path).read_text())["host"] == "pod_0_x"
        holder = holder_of(tmp_path)
        assert holder is not None
        assert (holder.host, holder.pid) == locks_in(tmp_path)[0]
        EventFile(tmp_path).write([(0, 1.0, {"a": 1.0})])
        assert writer_of(tmp_path) == (holder.host, holder.pid)
    monkeypatch.setenv("SEQSWEEP_HOST", "")
    assert host_name() == socket.gethostname()


def test_a_container_sees_the_lock_of_the_one_that_it_replaces(tmp_path, monkeypatch):
    """Both have the same process number; the first one may still train on a node cut off."""
    monkeypatch.setenv("SEQSWEEP_HOST", "mine-0-abcde")
    with sweep_lock(tmp_path):
        monkeypatch.setenv("SEQSWEEP_HOST", "mine-0-fghij")
        with sweep_lock(tmp_path):
            assert {host for host, _ in locks_in(tmp_path)} == {"mine-0-abcde", "mine-0-fghij"}
