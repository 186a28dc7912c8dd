"""Trains on 4 GiB of values and prints the most memory that it took.

    python scripts/bench/big_data.py [--gigabytes 4] [--batches 200] [--workers 0] [--in-memory]

The script generates labelled noise with a trend into a temporary folder, as `seqsweep data convert`
writes one, and starts `seqsweep data info` and `seqsweep train data=folder` on it. Then it writes
a quarter of the values as an npz file and converts that. While a command runs, the memory of its
processes is sampled from /proc: `anonymous` is what they allocated, `file` their mapped files, and
both together are the resident memory. `--in-memory` reads all values into memory, for comparison.
"""

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil

from seqsweep.data.convert import Block, InUnits, write_folder
from seqsweep.data.folder_meta import Names

STEPS, CHANNELS, CLASSES = 1000, 16, 4
AT_ONCE = 64
"""The sequences that are generated and written at once."""


def blocks(sequences: int) -> Iterator[Block]:
    """Yields sequences whose trend, below the noise, is that of their class."""
    rng = np.random.default_rng(0)
    lengths = np.full(AT_ONCE, STEPS)
    time_axis = np.linspace(-1, 1, STEPS, dtype=np.float32)[None, :, None]
    for _ in range(sequences // AT_ONCE):
        labels = rng.integers(0, CLASSES, AT_ONCE)
        x = rng.standard_normal((AT_ONCE, STEPS, CHANNELS), dtype=np.float32)
        x += labels[:, None, None] * time_axis
        yield Block(x.reshape(-1, CHANNELS), lengths, labels)


def memory(process: psutil.Process) -> tuple[int, int]:
    """Returns the anonymous and the file memory of a process and its children, in bytes."""
    anonymous, file = 0, 0
    for one in [process, *process.children(recursive=True)]:
        status = Path(f"/proc/{one.pid}/status").read_text()
        sizes = dict(line.split(":", 1) for line in status.splitlines())
        anonymous += 1024 * int(sizes.get("RssAnon", "0 kB").split()[0])
        file += 1024 * int(sizes.get("RssFile", "0 kB").split()[0])
    return anonymous, file


def watch(command: list[str]) -> tuple[int, tuple[int, int], float]:
    """Runs a command. Returns its exit code, its most memory, and its seconds."""
    start, most = time.perf_counter(), (0, 0)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as started:
        process = psutil.Process(started.pid)
        while started.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess, OSError):  # a process has just ended
                most = max(most, memory(process), key=sum)
            time.sleep(0.02)
        return started.returncode, most, time.perf_counter() - start


def write_npz(path: Path, sequences: int) -> None:
    """Writes the values as X and y of an npz file, block by block."""
    labels: list[np.ndarray] = []
    shape = (sequences, STEPS, CHANNELS)
    with zipfile.ZipFile(path, "w") as archive:
        with archive.open("X.npy", "w", force_zip64=True) as file:
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for block in blocks(sequences):
                file.write(block.values.tobytes())
                labels.append(block.labels)
        with archive.open("y.npy", "w") as file:
            np.lib.format.write_array(file, np.concatenate(labels))


def measure(name: str, *arguments: str) -> int:
    """Runs a command, prints the most memory that it took, and returns its exit code."""
    command = [sys.executable, "-m", "seqsweep", *arguments]
    code, (anonymous, file), seconds = watch(command)
    print(
        f"{name}: exit code {code} after {seconds:.0f} s; most memory"
        f" {(anonymous + file) / 2**20:,.0f} MiB: {anonymous / 2**20:,.0f} anonymous,"
        f" {file / 2**20:,.0f} file",
        flush=True,
    )
    return code


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=4.0, help="size of the values (4)")
    parser.add_argument("--batches", type=int, default=200, help="training batches of 32 (200)")
    parser.add_argument("--workers", type=int, default=0, help="data.num_workers (0)")
    parser.add_argument("--in-memory", action="store_true", help="read all values into memory")
    options = parser.parse_args()
    size = STEPS * CHANNELS * 4 * AT_ONCE
    sequences = max(1, round(options.gigabytes * 2**30 / size)) * AT_ONCE
    with tempfile.TemporaryDirectory(prefix="seqsweep-") as temporary:
        folder = Path(temporary) / "big"
        start = time.perf_counter()
        names = Names(tuple("abcd"), tuple(f"c{f}" for f in range(CHANNELS)))
        write_folder({"train": InUnits(blocks(sequences), None)}, names, folder)
        written = (folder / "x.bin").stat().st_size
        print(
            f"{sequences:,} sequences of {STEPS} steps with {CHANNELS} channels:"
            f" {written / 2**30:.2f} GiB in {time.perf_counter() - start:.0f} s"
        )
        code = measure("data info", "data", "info", str(folder))
        code |= measure(
            "train",
            *("train", "data=folder", f"data.source.path={folder}"),
            f"data.source.in_memory_mb={10**6 if options.in_memory else 256}",
            f"data.num_workers={options.workers}",
            *("engine=autograd", "trainer=cpu", "trainer.max_epochs=1", "model.hidden_size=16"),
            f"trainer.limit_train_batches={options.batches}",
            *("trainer.limit_val_batches=4", "trainer.limit_test_batches=4"),
            f"output_dir={temporary}/outputs",
        )
        (folder / "x.bin").unlink()
        quarter = max(1, sequences // 4 // AT_ONCE) * AT_ONCE
        archive = Path(temporary) / "big.npz"
        write_npz(archive, quarter)
        size = archive.stat().st_size / 2**30
        code |= measure(f"data convert of {size:.2f} GiB", "data", "convert", str(archive),
                        f"{temporary}/converted")  # fmt: skip
    return code


if __name__ == "__main__":
    sys.exit(main())
