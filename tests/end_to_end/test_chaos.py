"""A sweep that trains amid random faults ends like an undisturbed one."""

import importlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from commands import ENVIRONMENT

BENCH = Path(__file__).parents[2] / "scripts" / "bench"
OPTIONS = ("--events", "6", "--runs", "4", "--workers", "2", "--epochs", "30", "--seed", "5")
RUN = "0123456789abcdef"


@pytest.mark.slow
@pytest.mark.durability
def test_six_events_change_nothing(tmp_path):
    process = subprocess.Popen(
        [sys.executable, BENCH / "chaos.py", *OPTIONS],
        env=os.environ | ENVIRONMENT | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        printed, _ = process.communicate(timeout=280)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)  # it ends its processes
            process.communicate()
    assert process.returncode == 0, printed
    assert "undisturbed: 4 runs, 120 epochs" in printed
    # Without root there is no disk to fill.
    struck = {int(count) for count in re.findall(r"(?m)^(\d+) events in", printed)}
    assert struck in [{6}, {5}]
    assert "kill of a" in printed
    assert "runs written by two processes at once 0" in printed
    assert "mismatches 0" in printed
    assert list(tmp_path.glob("chaos-*")) == []


def test_the_journal_finds_a_write_after_a_takeover(monkeypatch, tmp_path):
    """The first process is frozen from 2 to 9 and then renames a file."""
    monkeypatch.syspath_prepend(BENCH)
    journal: Any = importlib.import_module("chaos_journal")
    frozen = "1 lock RUN \n2 epoch RUN 0\n9 write RUN os.rename last.ckpt\n9.5 free RUN \n"
    other = "5 lock RUN \n6 epoch RUN 0\n7 write RUN open metrics.csv\n8 free RUN \n"
    for name, text in (("p0", frozen), ("p1", other)):
        (tmp_path / name).write_text(text.replace("RUN", RUN))
    journals = journal.Journals(tmp_path)
    journals.update()
    handovers = journals.handovers()
    (line,) = journal.written_by_two(handovers)
    assert line.startswith(f"{RUN}: process p0 os.rename last.ckpt 4.000 s after process p1")
    assert journal.taken_over(handovers, {}) == (1, 1)
