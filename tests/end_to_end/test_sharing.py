"""Two processes never train the same run at once."""

import re
import signal

import pytest

pytestmark = pytest.mark.slow

RUN = ("data=digits", "model.hidden_size=4", "trainer.max_epochs=5")
PAUSES = """
import os, signal
from seqsweep.training.engines.native import pool_data
train, pauses = pool_data.run, [signal.SIGSTOP]
def pause_once(*arguments):
    if pauses:
        os.kill(os.getpid(), pauses.pop())
    return train(*arguments)
pool_data.run = pause_once
"""


def test_a_run_that_another_process_trains_is_awaited_or_skipped(start_command, tmp_path):
    """The first process pauses before its first epoch, until the others find the lock."""
    first = start_command("train", *RUN, before=PAUSES)
    first.wait_for_stop()
    holder = rf"is being trained by process {first.pid} on \S+"

    skipping = start_command("train", *RUN, "when_locked=skip")
    out, err = skipping.communicate(timeout=180)
    assert skipping.returncode == 1, out + err
    assert re.search(holder, err), err
    assert len(err.splitlines()) == 1

    waiting = start_command("train", *RUN)
    assert waiting.stdout is not None
    said = waiting.stdout.readline()
    assert re.search(rf"{holder}; waiting for it", said), said
    first.send_signal(signal.SIGCONT)
    out, err = first.communicate(timeout=180)
    assert first.returncode == 0, err
    second, err = waiting.communicate(timeout=180)
    assert waiting.returncode == 0, err
    assert "complete already" in second
    assert second.splitlines()[0] == out.splitlines()[0]  # the same metrics
    (log,) = tmp_path.rglob("train.log")
    counts = [log.read_text().count(words) for words in (" INFO done: ", " INFO epoch 0 ")]
    assert counts == [1, 1] and not list(tmp_path.rglob("lock"))
