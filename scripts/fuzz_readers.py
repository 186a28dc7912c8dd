"""Feeds the readers of data files with random, mutated and generated input.

Every file must be read, or be refused by one message: no other error, no hang, bounded memory.

    python scripts/fuzz_readers.py --seconds 60            each reader
    python scripts/fuzz_readers.py --seconds 60 npz csv    only these
"""

import argparse
import faulthandler
import gzip
import io
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from seqsweep.data.readers import npz
from seqsweep.data.tables import table
from seqsweep.data.ts import ts

ALLOWED = (ValueError, TypeError, FileNotFoundError)
MEMORY = 4 << 30
"""The address space, in bytes, in which every input must be handled; the libraries take 1 GB."""

SLOWEST = 10.0
"""The seconds after which an input counts as a hang."""

Read = Callable[[str], Any]


class Counts:
    """The number of inputs of one reader that were read, and that were refused."""

    def __init__(self, name: str, read: Read) -> None:
        self.name, self.read = name, read
        self.total = self.accepted = 0
        self.refused = Counter[str]()
        handle, self.path = tempfile.mkstemp(suffix=f".{name}")
        os.close(handle)

    def feed(self, content: bytes) -> None:
        """Reads one input; for an error not in `ALLOWED`, keeps the input and raises."""
        Path(self.path).write_bytes(content)
        self.total += 1
        faulthandler.dump_traceback_later(SLOWEST, exit=True)  # a hang shows where it is
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                self.read(self.path)
            self.accepted += 1
        except ALLOWED as error:
            # Further lines are indented: they are to be copied.
            if "\n" in str(error).replace("\n    ", "") or len(str(error)) > 2000:
                raise AssertionError(f"not one line: {error}") from error
            self.refused[type(error).__name__] += 1
        except Exception as error:
            kept = Path(tempfile.gettempdir()) / f"fuzz-{self.name}-{os.getpid()}.{self.name}"
            kept.write_bytes(content)
            raise AssertionError(f"{type(error).__name__}; the input is {kept}") from error
        finally:
            faulthandler.cancel_dump_traceback_later()

    def __str__(self) -> str:
        refused = ", ".join(f"{number:,} {kind}" for kind, number in self.refused.items())
        return (
            f"{self.name}: {self.total:,} inputs, {self.accepted:,} read, refused: {refused or 0}"
        )


def _npz_file() -> bytes:
    content = io.BytesIO()
    x, y = np.arange(24.0).reshape(3, 4, 2), np.array([0, 1, 0])
    np.savez(content, X=x, y=y, lengths=[4, 2, 3], class_names=["a", "b"])
    return content.getvalue()


def _parquet_file(**columns: Any) -> bytes:
    content = io.BytesIO()
    parquet.write_table(pa.table(columns), content)
    return content.getvalue()


LONG = b"case,time,x,y,class\np,0,1.5,2,a\np,1,?,3,a\nq,0,4,5,b\nq,1,1e3,5,b\n"
WIDE = b"a;b;c;lengths;split;subject;label\n1;2;3;3;train;s1;x\n4;5;6;2;val;s2;y\n"
TS = (
    b"#c\n@problemName n\n@timeStamps false\n@dimensions 2\n@equalLength false\n"
    b"@classLabel true left right\n@data\n1,2,?:4,5,6:left\n7,8:9,10:right\n"
)
SEEDS: dict[str, list[bytes]] = {
    "npz": [_npz_file()],
    "ts": [TS, b"@classLabel true a b\n@data\n1,2,3:a\n1:b\n"],
    "csv": [LONG, WIDE, gzip.compress(LONG), b'x,"label"\n"1","a\nb"\n2,c\n'],
    "parquet": [
        _parquet_file(id=["p", "p", "q"], step=[0, 1, 0], x=[1.0, None, 3], label=["a", "a", "b"]),
        _parquet_file(id=pa.array(["p", "q"]).dictionary_encode(), x=[1, 2], label=[0.0, 1.0]),
    ],
}
READERS: dict[str, Read] = {"npz": npz, "ts": ts, "csv": table, "parquet": table}

PIECES = {
    "ts": [b"@data\n", b"@classLabel true a b\n", b"@dimensions 1\n", b":a\n", b"1,2", b"?", b"("],
    "csv": [b"id", b"step", b"label", b"x", b",", b"\n", b"1", b"nan", b"inf", b'"', b";", b"a"],
}
"""Parts of which whole texts are put together."""

NAMES = ("id", "case", "step", "t", "label", "y", "split", "group", "lengths", "x", "z", "", "0")
CELLS = ("0", "1", "2", "1.5", "-1e3", "", "nan", "inf", "a", "b", "train", "test", "2020-01-01")
NUMBERS = ("0.5", "1", "-2e3")
LIKELY = {
    "id": ("p", "q", "r"), "case": ("p", "p", "q"), "label": ("a", "b", "a"), "y": ("1", "0", "1"),
    "split": ("train", "train", "test"), "group": ("g", "h", "i"), "lengths": ("1", "1", "1"),
}  # fmt: skip
"""The cells of a column in its first rows."""

COLUMNS: list[Callable[[int], Any]] = [
    lambda n: [f"s{i // 2}" for i in range(n)],
    lambda n: ["train", "val", "test", "train"][:n] + ["train"] * max(0, n - 4),
    lambda n: pa.array([f"s{i % 2}" for i in range(n)]).dictionary_encode(),
    lambda n: list(range(n)),
    lambda n: [i % 2 for i in range(n)],
    lambda n: [None, *range(1, n)][:n],
    lambda n: [float(i) if i % 3 else float("nan") for i in range(n)],
    lambda n: [float("inf")] * n,
    lambda n: [bool(i % 2) for i in range(n)],
    lambda n: [None] * n,
    lambda n: [[float(i)] * (i % 3 + 1) for i in range(n)],
    lambda n: [[[i]] for i in range(n)],
    lambda n: [{"a": i} for i in range(n)],
    lambda n: pa.array(range(n), pa.timestamp("us", "UTC")),
    lambda n: pa.array(range(n), pa.date32()),
    lambda n: pa.array(range(n), pa.time64("ns")),
    lambda n: pa.array(range(n), pa.uint64()),
    lambda n: pa.array(range(n), pa.float16()),
    lambda n: pa.array(range(n), pa.duration("s")),
    lambda n: pa.array([b"\xff"] * n),
    lambda n: pa.array(range(n)).cast(pa.decimal128(25, 2)),
    lambda n: pa.array([[1, 2]] * n, pa.list_(pa.int8(), 2)),
]
"""Makers of columns of n rows."""


def inputs(name: str) -> st.SearchStrategy[bytes]:
    """Returns random bytes, changed files and, for texts, files of random parts."""
    changed = st.builds(
        _changed,
        st.sampled_from(SEEDS[name]),
        st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=12),
        st.one_of(st.none(), st.tuples(st.integers(0, 1 << 16), st.integers(0, 1 << 16))),
    )
    kinds = [changed, changed, st.binary(max_size=200)]
    if name == "csv":
        kinds += [_csv_tables()] * 3
    if name == "parquet":
        kinds += [_parquet_tables()] * 3
    if name == "npz":
        kinds += [_npz_files()] * 2
    if name in PIECES:
        kinds.append(st.lists(st.sampled_from(PIECES[name]), max_size=60).map(b"".join))
        kinds.append(st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace")))
    return st.one_of(kinds)


def _csv_tables() -> st.SearchStrategy[bytes]:
    """Returns tables of likely names and cells, most of them with rows of one width."""
    header = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True)
    rows = st.integers(0, 8)

    def write(names: list[str], count: int, odd: list[tuple[int, int, str]]) -> bytes:
        names = [*names, "x"] if "x" not in names else names
        lines = [[LIKELY.get(name, NUMBERS)[row % 3] for name in names] for row in range(count)]
        for row, column, cell in odd:
            if lines:
                lines[row % count][column % len(names)] = cell
        return "\n".join(",".join(line) for line in [names, *lines]).encode()

    cells = st.sampled_from([*CELLS, "1,1", '"', '"a"', " "])
    odd = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 5), cells), max_size=2)
    return st.builds(write, header, rows, odd)


def _parquet_tables() -> st.SearchStrategy[bytes]:
    """Returns tables of likely names and columns of all types."""

    def write(columns: dict[str, Callable[[int], Any]], rows: int) -> bytes:
        return _parquet_file(**{name: make(rows) for name, make in columns.items()})

    columns = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(COLUMNS), max_size=4)
    labels = st.sampled_from([{}, {"label": COLUMNS[4], "x": COLUMNS[3]}])
    return st.builds(lambda a, b, n: write(b | a, n), columns, labels, st.integers(0, 6))


def _npz_files() -> st.SearchStrategy[bytes]:
    """Returns files of arrays of any type and shape under the known keys."""
    key = st.sampled_from(["X", "y", "lengths", "X_train", "y_train", "X_test", "class_names"])
    kind = st.sampled_from(["f8", "f4", "f2", "i8", "u1", "?", "U3", "S2", "c8", "M8[s]"])
    shape = st.lists(st.integers(0, 4), max_size=4).map(tuple)
    base = {"X": ("f8", (2, 3), 4), "y": ("i8", (2,), 2)}

    def write(arrays: dict[str, tuple[str, tuple[int, ...], int]]) -> bytes:
        content = io.BytesIO()
        made = {
            key: (np.arange(int(np.prod(shape))) % modulus).reshape(shape).astype(kind)
            for key, (kind, shape, modulus) in (base | arrays).items()
        }
        np.savez(content, **made)  # pyright: ignore[reportArgumentType]
        return content.getvalue()

    return st.dictionaries(key, st.tuples(kind, shape, st.integers(1, 4))).map(write)


def _changed(seed: bytes, bytes_to: list[tuple[int, int]], cut: tuple[int, int] | None) -> bytes:
    """Returns a file with some bytes replaced and a part cut out."""
    content = bytearray(seed)
    for position, value in bytes_to:
        content[position % len(content)] = value
    if cut is not None:
        start, end = sorted(position % len(content) for position in cut)
        del content[start:end]
    return bytes(content)


def fuzz(name: str, seconds: float) -> None:
    """Feeds one reader inputs of hypothesis, which shrinks a failing input."""
    counts = Counts(name, READERS[name])
    for seed in SEEDS[name]:
        Path(counts.path).write_bytes(seed)
        counts.read(counts.path)  # a seed that is refused would test little
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    until = time.monotonic() + seconds

    @settings(
        # Hypothesis makes this many inputs in any case; after the time only the first ten are fed.
        max_examples=100, deadline=None, database=None, phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow],
    )  # fmt: skip
    @given(inputs(name))
    def feed(content: bytes) -> None:
        if time.monotonic() < until or counts.total < 10:
            counts.feed(content)

    while time.monotonic() < until or counts.total < 10:
        feed()
    print(counts, flush=True)


def main() -> int:
    """Fuzzes each reader in a process of its own."""
    parser = argparse.ArgumentParser(description="Fuzzes the readers of data files.")
    parser.add_argument("readers", nargs="*", help=", ".join(READERS))
    parser.add_argument("--seconds", type=float, default=60, help="for each reader")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    names = options.readers or list(READERS)
    unknown = [name for name in names if name not in READERS]
    if unknown:
        parser.error(f"{unknown[0]}: must be one of {', '.join(READERS)}")
    if options.inside:
        fuzz(names[0], options.seconds)
        return 0
    command = [sys.executable, __file__, "--inside", f"--seconds={options.seconds}"]
    failed = [name for name in names if subprocess.run([*command, name]).returncode]
    print(f"failed: {', '.join(failed)}" if failed else "no failure")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
