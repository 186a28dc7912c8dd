"""Measures ways to force the small files of a pool's runs to disk.

    python scripts/bench/sync.py [--runs 500] [--dirty 256] [--within DIR]

Each run gets two files of 3 KiB, as at the beginning of a pool. The ways are `os.sync`, which
writes everything of the machine; `syncfs`, which writes one file system; and `fsync` of each file
and folder, in one thread or in several. With `--dirty`, another file of so many MiB has been
written just before, as by another program: once on the same file system, and once on another one
(`--other`).
"""

import argparse
import ctypes
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

NAMES = ("config.yaml", "provenance.json")
CONTENT = b"x" * 3072
THREADS = 8


def sync_machine(root: Path, folders: Sequence[Path]) -> None:
    os.sync()


def sync_file_system(root: Path, folders: Sequence[Path]) -> None:
    descriptor = os.open(root, os.O_RDONLY)
    if ctypes.CDLL(None).syncfs(descriptor):
        raise OSError("syncfs has failed")
    os.close(descriptor)


def sync_each(root: Path, folders: Sequence[Path]) -> None:
    for folder in folders:
        _sync_run(folder)


def sync_each_in_threads(root: Path, folders: Sequence[Path]) -> None:
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(_sync_run, folders))


def _sync_run(folder: Path) -> None:
    for path in (*(folder / name for name in NAMES), folder):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


WAYS: dict[str, Callable[[Path, Sequence[Path]], None]] = {
    "os.sync": sync_machine,
    "syncfs": sync_file_system,
    "fsync of each": sync_each,
    f"fsync, {THREADS} threads": sync_each_in_threads,
}


def measure(way: str, runs: int, within: Path | None, dirty: int, other: Path | None) -> float:
    """Returns the wall time of one way in seconds."""
    with (
        tempfile.TemporaryDirectory(dir=within) as temporary,
        tempfile.NamedTemporaryFile(dir=other or within) as file,
    ):
        root = Path(temporary)
        os.sync()
        for _ in range(dirty):
            file.write(os.urandom(2**20))
        file.flush()
        folders = [root / f"{number:016x}" for number in range(runs)]
        for folder in folders:
            folder.mkdir()
            for name in NAMES:
                (folder / name).write_bytes(CONTENT)
        began = time.perf_counter()
        WAYS[way](root, folders)
        return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures ways to force small files to disk.")
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--dirty", type=int, default=256, help="MiB of another file (256)")
    parser.add_argument("--within", type=Path, help="where the runs are written")
    parser.add_argument("--other", type=Path, help="another file system, for the other file")
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    cases = [(0, None), (options.dirty, None)]
    cases += [(options.dirty, options.other)] if options.other else []
    for dirty, other in cases:
        print(f"{options.runs} runs; {dirty} MiB of another file on {other or 'the same'} disk")
        # The ways take turns, because the load of the machine changes.
        times: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(options.turns):
            for way in WAYS:
                times[way].append(measure(way, options.runs, options.within, dirty, other))
        for way, values in times.items():
            least, middle = min(values), statistics.median(values)
            print(f"  {way:<18}{middle:8.3f} s, at least {least:.3f} s", flush=True)


if __name__ == "__main__":
    main()
