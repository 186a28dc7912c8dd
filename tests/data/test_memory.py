"""Data that cannot fit into memory are refused with what they need, what is free, and a way out."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from seqsweep.data import memory
from seqsweep.data.files import RawPart
from seqsweep.data.memory import free_memory
from seqsweep.data.raw import make_splits
from seqsweep.data.readers import npz
from seqsweep.data.tables import table

WAY_OUT = (
    r" GiB of memory, and [\d,.]+ GiB are free; train on a part of the data, or on all of it by a"
    r" DataModule of your own over a memory map \(docs/data.md, Data larger than memory\)$"
)
MEMINFO = "MemTotal: 8000 kB\nMemFree: 1000 kB\nMemAvailable:   4000 kB\n"
STATISTICS = "anon 900000\nactive_file 300000\ninactive_file 200000\n"


def test_the_copies_that_training_needs_count_too():
    x = np.broadcast_to(0.0, (1 << 20, 1 << 16))  # takes no memory itself
    parts = {"train": RawPart(x, np.arange(1 << 20) % 2, None, "my.npz")}
    message = "^my.npz: the data, split and scaled, need 768.0" + WAY_OUT
    with pytest.raises(ValueError, match=message):
        make_splits(parts)


@pytest.mark.parametrize(
    ("folder", "limit", "used"),
    [
        ("", "memory.max", "memory.current"),
        ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ],
)
def test_memory_is_free_if_machine_and_container_have_it(tmp_path: Path, folder, limit, used):
    assert free_memory(tmp_path) > 1 << 20  # all of it, where the system does not say
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text(MEMINFO)
    assert free_memory(tmp_path) == 4_096_000
    cgroup = tmp_path / "sys/fs/cgroup" / folder
    cgroup.mkdir(parents=True)
    (cgroup / limit).write_text("2000000\n")
    (cgroup / used).write_text("1400000\n")
    (cgroup / "memory.stat").write_text(STATISTICS)
    assert free_memory(tmp_path) == 2_000_000 - 1_400_000 + 500_000
    (cgroup / limit).write_text("max\n")
    assert free_memory(tmp_path) == 4_096_000


def test_a_small_file_that_stands_for_large_data_is_refused(tmp_path: Path, write, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 1 << 20)
    np.savez_compressed(tmp_path / "my.npz", X=np.zeros((100, 1000, 10)), y=np.arange(100) % 2)
    with pytest.raises(ValueError, match=r"my.npz: its arrays need 0.0 GiB of memory, and"):
        npz(str(tmp_path / "my.npz"))
    zeros = pa.table({"x": pa.repeat(0.0, 1 << 20), "label": pa.repeat(0, 1 << 20)})
    parquet.write_table(zeros, tmp_path / "my.parquet")
    assert (tmp_path / "my.parquet").stat().st_size < 1 << 16
    with pytest.raises(ValueError, match=r"its 1,048,576 rows of 2 columns need 0.0 GiB of memory"):
        table(str(tmp_path / "my.parquet"))
    packed = write(gzip.compress(b"x,label\n" + b"0,0\n" * (1 << 19)), "my.csv.gz")
    with pytest.raises(ValueError, match="its decompressed bytes need"):
        table(packed)
    # One long sequence pads all others.
    rows = "".join(f"id{i},{i},{i % 2}\n" for i in range(1000)) + "long,1,0\n" * 1000
    with pytest.raises(ValueError, match=r"1,001 sequences, padded to 1,000 steps, need 0.0 GiB"):
        table(write("id,x,label\n" + rows), form="long")
