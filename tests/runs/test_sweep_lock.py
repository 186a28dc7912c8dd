"""The locks of sweeps show who trains in a folder, however a sweep ended."""

import os
import subprocess
import sys
import time

from seqsweep.runs.lock_files import STALE_SECONDS
from seqsweep.runs.sweepfile import is_sweep_running, remove_dead_sweep_locks, sweep_lock

HOLD = """
import sys, time
from pathlib import Path
from seqsweep.runs.sweepfile import sweep_lock

with sweep_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_sweep_runs_while_it_holds_its_lock(tmp_path):
    assert not is_sweep_running(tmp_path)
    with sweep_lock(tmp_path):
        assert is_sweep_running(tmp_path)
    assert not is_sweep_running(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_sweep_does_not_run_and_its_lock_file_is_removed(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        with sweep_lock(tmp_path):  # two sweeps share a folder
            assert len(list(tmp_path.iterdir())) == 2
        assert is_sweep_running(tmp_path)
        remove_dead_sweep_locks(tmp_path)
        assert is_sweep_running(tmp_path)
        process.kill()
    assert not is_sweep_running(tmp_path)
    remove_dead_sweep_locks(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_on_another_host_runs_until_its_last_heartbeat_is_old(tmp_path):
    lock = tmp_path / ".running-elsewhere-7"
    lock.write_text('{"host": "elsewhere", "pid": 7, "since": 0}')
    assert is_sweep_running(tmp_path)
    for seconds in (-STALE_SECONDS - 1, 24 * 3600):  # the clock may have been set back since
        os.utime(lock, (0, time.time() + seconds))
        assert not is_sweep_running(tmp_path)
