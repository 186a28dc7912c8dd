"""Runs each file of tests alone, then all tests in a random order.

    python scripts/test_order.py          # the seed is the day, so each day has another order
    python scripts/test_order.py SEED

A test that passes in the order of `make test` may need what an earlier test has left. A file runs
in a fork of a process that has imported the large packages, and nothing of seqsweep.
"""

import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
PACKAGES = ("lightning", "pandas", "sklearn.linear_model")
SELECTED = ("-q", "-m", "not durability")


def main() -> None:
    os.chdir(CHECKOUT)
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else date.today().toordinal()
    for name in PACKAGES:
        importlib.import_module(name)
    failed = run_alone(sorted(map(str, Path("tests").rglob("test_*.py"))))
    print(f"all tests with --shuffle {seed}", flush=True)
    processes = ("-n", "3", "--dist", "worksteal", "--shuffle", str(seed))
    shuffled = subprocess.run([sys.executable, "-m", "pytest", *SELECTED, *processes], check=False)
    sys.exit(f"failed alone: {', '.join(failed)}" if failed else shuffled.returncode)


def run_alone(paths: Sequence[str]) -> list[str]:
    """Runs each file of tests in a process; returns the failed files.

    The output of a file is printed only if it fails.
    """
    # Not a TemporaryDirectory, which a fork would remove.
    folder = Path(tempfile.mkdtemp())
    left, running = list(reversed(paths)), dict[int, str]()
    failed: list[str] = []
    while left or running:
        if left and len(running) < (os.cpu_count() or 1):
            path = left.pop()
            running[start(path, output_of(path, folder))] = path
            continue
        pid, status = os.wait()
        path = running.pop(pid)
        # With exit code 5 all tests of the file are left out.
        if os.waitstatus_to_exitcode(status) not in (0, 5):
            failed.append(path)
            print(output_of(path, folder).read_text(encoding="utf-8"), flush=True)
    shutil.rmtree(folder)
    print(f"{len(paths) - len(failed)} of {len(paths)} files pass alone", flush=True)
    return failed


def output_of(path: str, folder: Path) -> Path:
    """Returns the place for the output of a file of tests."""
    return folder / path.replace("/", "-")


def start(path: str, output: Path) -> int:
    """Starts a file of tests in a fork that prints to `output`; returns its number."""
    if pid := os.fork():
        return pid
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    code = 1
    try:
        # Processes that share pytest's temporary folder remove old parts of it at the same time.
        own = ("-p", "no:cacheprovider", "--basetemp", f"{output}.files")
        code = pytest.main([path, *SELECTED, *own])
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
