"""The script that fuzzes the readers runs, and finds nothing in a second for each."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "fuzz_readers.py"


@pytest.mark.slow
def test_the_readers_are_fuzzed_for_a_second_each():
    command = [sys.executable, str(SCRIPT), "--seconds", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    counts = re.findall(r"^(\w+): ([\d,]+) inputs", done.stdout, re.MULTILINE)
    assert [name for name, _ in counts] == ["npz", "ts", "csv", "parquet"]
    assert all(int(number.replace(",", "")) > 5 for _, number in counts)
