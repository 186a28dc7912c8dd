"""The minutes of a search add up over its commands, also over killed ones."""

import os
import subprocess
import sys
import time

import pytest

from seqsweep.runs.lock import RunLock
from seqsweep.runs.searchfile import NAME, SearchFile
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.sweeping.search.session import LOCK
from seqsweep.sweeping.search.window import minutes_before

_KILLED = """
import os, pathlib, signal
from seqsweep.runs.lock import RunLock
with RunLock(pathlib.Path({folder!r}), {name!r}):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def killed(tmp_path):
    """A folder whose search was written after 10 minutes, and lived for 3 minutes more."""
    SearchFile("tpe", "none", "val/acc", {}, {}, {}, minutes=10.0).write(tmp_path)
    SweepFile((), time.time(), {}).write(tmp_path)
    written = (tmp_path / NAME).stat().st_mtime
    # The last file is that of the present command; a worker has lived for longer.
    for name, seconds in ((LOCK, 180), (f"{LOCK}.2", 3600), (".running-host-1", 3000)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (written + seconds, written + seconds))
    return tmp_path


def test_a_new_search_begins_at_zero(tmp_path):
    assert minutes_before(tmp_path) == 0


def test_a_killed_command_counts_as_long_as_it_lived(killed):
    assert minutes_before(killed) == pytest.approx(13, abs=0.1)


def test_a_command_that_has_ended_counts_as_it_was_written(killed):
    SweepFile((), time.time(), {}, ended=time.time()).write(killed)
    assert minutes_before(killed) == pytest.approx(10, abs=0.1)


@pytest.mark.slow
def test_the_lock_of_a_killed_command_is_kept_beside_that_of_the_next(tmp_path):
    """This is what `minutes_before` relies on."""
    killed = [sys.executable, "-c", _KILLED.format(folder=str(tmp_path), name=LOCK)]
    subprocess.run(killed, check=False)
    before = (tmp_path / LOCK).stat().st_mtime
    with RunLock(tmp_path, LOCK):
        assert (tmp_path / LOCK).stat().st_mtime == before
        assert (tmp_path / f"{LOCK}.2").exists()
