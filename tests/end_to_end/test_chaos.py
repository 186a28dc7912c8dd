"""A sweep that trains amid random faults on several hosts ends like an undisturbed one."""

import importlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[2] / "scripts" / "bench"
OPTIONS = ("--events", "6", "--runs", "4", "--workers", "2", "--epochs", "30", "--seed", "5")
A, B = "0123456789abcdef", "fedcba9876543210"
"""The run_ids of two runs."""


@pytest.mark.slow
def test_six_events_change_nothing(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, BENCH / "chaos.py", *OPTIONS],
        env=os.environ | {"TMPDIR": str(tmp_path)},
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


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module scripts/bench/chaos_journal.py."""
    monkeypatch.syspath_prepend(BENCH)
    return importlib.import_module("chaos_journal")


def read(journal: Any, folder: Path, **lines: str) -> Any:
    """Returns the journals of processes, each given by its lines without the run."""
    for name, text in lines.items():
        (folder / name).write_text(text)
    journals = journal.Journals(folder)
    journals.update()
    return journals


def test_a_write_after_a_takeover_is_found(journal: Any, tmp_path: Path) -> None:
    """The first process is frozen from 2 to 9 and then renames a file."""
    frozen = f"1 lock {A} \n2 epoch {A} 0\n9 write {A} os.rename last.ckpt\n9.5 free {A} \n"
    other = f"5 lock {A} \n6 epoch {A} 0\n7 write {A} open metrics.csv\n8 free {A} \n"
    tenures = read(journal, tmp_path, p0=frozen, p1=other).tenures()
    (line,) = journal.written_by_two(tenures)
    assert line.startswith(f"{A}: process p0 os.rename last.ckpt 4.000 s after process p1")
    assert journal.taken_over(tenures, {}) == (1, 1)
