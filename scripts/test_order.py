"""Runs each file of tests alone.

    python scripts/test_order.py [--of N] [tests/test_conf.py ...]

A test that passes in `make test` may need what an earlier file has left. A file runs in a fork of a
process that has imported the large packages, and nothing of seqsweep. The cases of a test need the
same, so one of them is enough here. With `--of N`, one file of N runs, on each day others. `make
test SHUFFLE=SEED` runs all tests in a random order, which shows what disturbs a later test.
"""

import argparse
import datetime
import importlib
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
sys.path.append(str(CHECKOUT / "tests" / "support"))

from commands import SHARED, CommandServer  # noqa: E402

PACKAGES = ("lightning", "pandas", "sklearn.linear_model")
SELECTED = ("-q", "-m", "not durability")


class OneCase:
    """Leaves out all cases of a test but the first."""

    @pytest.hookimpl(trylast=True)  # after -m, which may leave out the first
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = {item.nodeid.partition("[")[0]: item for item in reversed(items)}.values()
        items.reverse()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--of", type=int, default=1, metavar="N")
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    os.chdir(CHECKOUT)
    for name in PACKAGES:
        importlib.import_module(name)
    paths = options.files or sorted(map(str, Path("tests").rglob("test_*.py")))
    paths = paths[datetime.date.today().toordinal() % options.of :: options.of]
    with tempfile.TemporaryDirectory() as shared, CommandServer(Path(shared)):
        os.environ[SHARED] = shared
        failed = run_alone(paths)
    if failed:
        sys.exit(f"failed alone: {', '.join(failed)}")


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
        code = pytest.main([path, *SELECTED, *own], plugins=[OneCase()])
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
