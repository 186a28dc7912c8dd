"""Two processes with the same sweep share the work, and each run is trained once."""

import re
import signal
from pathlib import Path

import pytest
from waiting import wait_until

pytestmark = pytest.mark.slow

RUN = ("data=digits", "model.hidden_size=4", "trainer.max_epochs=5")
SWEEP = ("-m", "data=digits", "model.hidden_size=4,5,6,7,8,9", "trainer.max_epochs=10")


def _trained_once(folder: Path) -> int:
    """Counts the runs, and checks that each was begun once and finished once."""
    logs = [path.read_text() for path in folder.rglob("train.log")]
    assert [log.count(" INFO done: ") for log in logs] == [1] * len(logs)
    assert [log.count(" INFO epoch 0 ") for log in logs] == [1] * len(logs)
    assert not list(folder.rglob("lock"))
    return len(logs)


def test_two_identical_sweeps_share_the_work(start_command, tmp_path):
    sweeps = [start_command("train", *SWEEP) for _ in range(2)]
    for process in sweeps:
        out, err = process.communicate(timeout=200)
        assert process.returncode == 0, out + err
        assert err == ""
        assert "6 of 6 runs complete" in out
        table = out.partition("by val/acc of the best epoch")[2]
        assert len(re.findall(r"(?m)^ [1-6] +[4-9] ", table)) == 6, out
    assert _trained_once(tmp_path) == 6


def test_a_run_that_another_process_trains_is_awaited_or_skipped(start_command, tmp_path):
    """The first process pauses after it has locked the run, until the others find the lock."""
    first = start_command("train", *RUN)
    wait_until(lambda: any(path.read_text() for path in tmp_path.rglob("lock")), first)
    first.send_signal(signal.SIGSTOP)
    holder = rf"is being trained by process {first.pid} on \S+"

    skipping = start_command("train", *RUN, "when_locked=skip")
    out, err = skipping.communicate(timeout=100)
    assert skipping.returncode == 1, out + err
    assert re.search(holder, err), err
    assert len(err.splitlines()) == 1

    waiting = start_command("train", *RUN)
    assert waiting.stdout is not None
    said = waiting.stdout.readline()
    assert re.search(rf"{holder}; waiting for it", said), said
    first.send_signal(signal.SIGCONT)
    out, err = first.communicate(timeout=100)
    assert first.returncode == 0, err
    second, err = waiting.communicate(timeout=100)
    assert waiting.returncode == 0, err
    assert "complete already" in second
    assert second.splitlines()[0] == out.splitlines()[0]  # the same metrics
    assert _trained_once(tmp_path) == 1
