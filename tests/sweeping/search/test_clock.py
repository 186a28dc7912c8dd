"""The minutes of a search add up over its commands, also over killed ones."""

import os
import time

import pytest

from seqsweep.runs.searchfile import NAME, SearchFile
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.sweeping.search.clock import Clock


@pytest.fixture
def killed(tmp_path):
    """A folder whose search was written after 10 minutes, and lived for 3 minutes more."""
    SearchFile("tpe", "none", {}, (), (), {}, minutes=10.0).write(tmp_path)
    SweepFile((), time.time(), {}).write(tmp_path)
    written = (tmp_path / NAME).stat().st_mtime
    (tmp_path / ".running-host-1").touch()
    os.utime(tmp_path / ".running-host-1", (written + 180, written + 180))
    return tmp_path


def test_a_new_search_begins_at_zero(tmp_path):
    assert Clock(tmp_path).minutes == pytest.approx(0, abs=0.1)


def test_a_killed_command_counts_as_long_as_it_lived(killed):
    assert Clock(killed).minutes == pytest.approx(13, abs=0.1)


def test_a_command_that_has_ended_counts_as_it_was_written(killed):
    SweepFile((), time.time(), {}, ended=time.time()).write(killed)
    assert Clock(killed).minutes == pytest.approx(10, abs=0.1)
