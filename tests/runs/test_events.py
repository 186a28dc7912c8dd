"""What is written as an event file is what TensorBoard's own protobufs and loaders read."""

import contextlib
import math
import os
import re
import resource
import struct
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import (
    EventAccumulator,  # pyright: ignore[reportPrivateImportUsage]
)
from tensorboard.backend.event_processing.event_file_loader import (
    EventFileLoader,
    LegacyEventFileLoader,
)
from tensorboard.compat.proto.event_pb2 import (
    Event,  # pyright: ignore[reportAttributeAccessIssue]
)
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

from seqsweep.runs.eventfiles import NAMES, event_files, remove_empty, write_names
from seqsweep.runs.events import EventFile, Row, append_bytes, encode, end_of_step
from seqsweep.runs.files import write_json

Scalars = dict[str, list[tuple[float, int, float]]]

ROWS: list[Row] = [
    (0, 1700000000.125, {"lr": 0.1, "epoch": 0, "train/loss": 2.5}),
    (3, 1700000001.5, {"lr": 0.1, "epoch": 1, "train/loss": math.nan, "val/loss": math.inf}),
    (70_000, 1700000002.0, {"val/loss": -1e-40, "train/loss": 1e300, "lr": 1e-3, "epoch": 2}),
    (2**40, 1700000003.0, {"lr": 0.0, "epoch": 3, "train/loss": -math.inf}),
]

rows_of_a_file = st.lists(
    st.tuples(
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False),
        st.dictionaries(st.text(max_size=300), st.floats(), max_size=5),
    ),
    max_size=6,
)


def as_float32(value: float) -> float:
    with np.errstate(all="ignore"):
        return float(np.float32(value))


def expected(rows: list[Row]) -> Scalars:
    """Each tag's times, steps and values."""
    found: Scalars = {}
    for step, wall_time, values in rows:
        for tag, value in values.items():
            found.setdefault(tag, []).append((wall_time, step, as_float32(value)))
    return found


def accumulated(folder: Path) -> Scalars:
    """The same, as TensorBoard shows a run's folder."""
    events = EventAccumulator(str(folder), {"scalars": 0}, purge_orphaned_data=False)
    events.Reload()
    tags: Any = events.Tags()
    return {
        tag: [(e.wall_time, e.step, e.value) for e in events.Scalars(tag)]
        for tag in tags["scalars"]
    }


def same(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Equal, where a NaN equals a NaN."""
    return repr(sorted(found.items())) == repr(sorted(wanted.items()))


def payloads(data: bytes) -> Iterator[bytes]:
    """The events of some records, by TensorBoard's own checksums."""
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        event, end = data[12 : 12 + length], data[12 + length : 16 + length]
        assert struct.unpack("<I", data[8:12])[0] == masked_crc32c(data[:8])
        assert struct.unpack("<I", end)[0] == masked_crc32c(event)
        yield event
        data = data[16 + length :]


def path_of(file: EventFile) -> Path:
    assert file.path is not None
    return file.path


@contextlib.contextmanager
def full_disk(size: int) -> Generator[None]:
    """No file can grow beyond this size: the system takes what fits and refuses the rest."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@settings(deadline=None)
@given(files=st.lists(rows_of_a_file, max_size=4))
def test_records_are_the_events_that_protobuf_parses(files: list[list[Row]]) -> None:
    encoded = encode(files)
    assert len(encoded) == len(files)
    for data, rows in zip(encoded, files, strict=True):
        events = [Event.FromString(event) for event in payloads(data)]
        assert len(events) == len(rows)
        for event, (step, wall_time, values) in zip(events, rows, strict=True):
            assert (event.step, event.wall_time) == (step, wall_time)
            assert event.WhichOneof("what") == "summary"
            found = [(value.tag, value.simple_value) for value in event.summary.value]
            assert repr(found) == repr([(tag, as_float32(values[tag])) for tag in sorted(values)])


@pytest.mark.slow
@settings(deadline=None)
@given(files=st.lists(rows_of_a_file, max_size=4))
def test_many_files_at_once_are_as_one_by_one(files: list[list[Row]]) -> None:
    assert encode(files) == [data for rows in files for data in encode([rows])]
    assert encode(files) == [b"".join(encode([[row] for row in rows])) for rows in files]


def test_both_loaders_of_tensorboard_read_an_event_file(tmp_path: Path) -> None:
    """The plain one, and the one that makes an event with a tensor of each value."""
    file = EventFile(tmp_path)
    for rows in (ROWS[:1], [], ROWS[1:]):
        file.write(rows)
    found: dict[str, Scalars] = {"plain": {}, "tensors": {}}
    for name, loader in (("plain", LegacyEventFileLoader), ("tensors", EventFileLoader)):
        version, *events = loader(str(path_of(file))).Load()
        assert version.file_version == "brain.Event:2"
        for event in events:
            for value in event.summary.value:
                number = value.simple_value if name == "plain" else value.tensor.float_val[0]
                series = found[name].setdefault(value.tag, [])
                series.append((event.wall_time, event.step, number))
    assert same(found["plain"], expected(ROWS))
    assert same(found["tensors"], expected(ROWS))
    assert same(accumulated(tmp_path), expected(ROWS))


def test_an_event_file_is_not_created_before_its_first_row(tmp_path: Path) -> None:
    file = EventFile(tmp_path)
    file.write([])
    assert list(tmp_path.iterdir()) == []


def test_rows_are_in_the_event_file_when_write_returns(tmp_path: Path) -> None:
    file = EventFile(tmp_path)
    for count, row in enumerate(ROWS, start=1):
        file.write([row])
        assert same(accumulated(tmp_path), expected(ROWS[:count]))


@pytest.mark.slow
def test_the_first_rows_are_written_while_another_process_removes_empty_folders(
    tmp_path: Path,
) -> None:
    write_json(tmp_path / NAMES, {f"{number:04}": "h8" for number in range(400)})
    done = threading.Event()

    def remove() -> None:
        while not done.is_set():
            remove_empty({tmp_path / f"{number:04}" / "h8" for number in range(400)})

    thread = threading.Thread(target=remove)
    thread.start()
    try:
        for number in range(400):
            run = tmp_path / f"{number:04}"
            run.mkdir()
            EventFile(run).write(ROWS)
            assert [path.parent.name for path in event_files(run)] == ["h8"]
    finally:
        done.set()
        thread.join()


def test_another_attempt_goes_on_in_the_folder(tmp_path: Path) -> None:
    """As a run that is resumed: the old file cut to a checkpoint, the rest in a new one."""
    first, second = EventFile(tmp_path), EventFile(tmp_path)
    first.write(ROWS[:2])
    size = path_of(first).stat().st_size
    first.write([(9, 0.0, {"lr": 9.0})])
    with path_of(first).open("r+b") as file:
        file.truncate(size)
    second.write(ROWS[2:])
    assert len(list(tmp_path.iterdir())) == 2
    assert same(accumulated(tmp_path), expected(ROWS))


def test_a_file_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    file = EventFile(tmp_path)
    file.write(ROWS[:1])
    size = path_of(file).stat().st_size
    file.write(ROWS[1:2])
    for cut in (size, 0):
        with path_of(file).open("r+b") as cut_file:
            cut_file.truncate(cut)
        file.write(ROWS[2:3])
        assert same(accumulated(tmp_path), expected(ROWS[:1] * (cut > 0) + ROWS[2:3]))


def test_names_are_of_tensorboard_and_differ(tmp_path: Path) -> None:
    files = [EventFile(tmp_path) for _ in range(3)]
    for file in files:
        file.write(ROWS)
    names = [path_of(file).name for file in files]
    assert len(set(names)) == 3
    for name in names:
        assert re.fullmatch(r"events\.out\.tfevents\.\d{10}\..+\.\d+\.\d+\.rows", name)


def test_a_later_file_is_read_later(tmp_path: Path) -> None:
    """Even within a second, and where the processes are numbered backwards."""
    for step in range(12):
        EventFile(tmp_path).write([(step, 0.0, {"a": 1.0})])
    (tmp_path / "events.out.tfevents").touch()
    names = sorted(path.name for path in tmp_path.glob("events.out.tfevents.*"))
    counts = [int(name.split(".")[-2]) for name in names if name.endswith(".rows")]
    assert len(counts) == 12 and counts == sorted(counts)
    assert len({name.split(".")[3] for name in names}) == 12


def test_a_file_that_is_moved_meanwhile_is_found_again(tmp_path: Path) -> None:
    """As when a sweep is extended and its runs get other names."""
    run = tmp_path / "0123"
    run.mkdir()
    file = EventFile(run)
    file.write(ROWS[:1])
    for name, row in (("h8", ROWS[1]), ("h08", ROWS[2])):
        write_names(tmp_path, {"0123": name})
        file.write([row])
        assert [path.relative_to(run).parent.name for path in run.rglob("*tfevents*")] == [name]
    assert same(accumulated(run / "h08"), expected(ROWS[:3]))


def test_a_file_begins_in_the_folder_with_the_name_of_its_run(tmp_path: Path) -> None:
    write_json(tmp_path / NAMES, {"0": "h8", "1": "../h8", "2": "checkpoints", "3": ["h8"]})
    for run_id, folder in (("0", "h8"), ("1", ""), ("2", ""), ("3", ""), ("4", "")):
        run = tmp_path / run_id
        run.mkdir()
        EventFile(run).write(ROWS)
        assert [path.parent for path in tmp_path.rglob("*.rows") if run in path.parents] == [
            run / folder
        ]


@pytest.mark.parametrize("before", [0, 1, 2])
@pytest.mark.parametrize("room", [0, 1, 60])
def test_a_full_disk_takes_no_half_row(tmp_path: Path, before: int, room: int) -> None:
    file = EventFile(tmp_path)
    file.write(ROWS[:before])
    size = path_of(file).stat().st_size if before else 0
    with full_disk(size + room), pytest.raises(OSError, match="File too large"):
        file.write(ROWS[before:])
    assert path_of(file).stat().st_size == size
    file.write(ROWS[before:])
    assert same(accumulated(tmp_path), expected(ROWS))


def test_a_file_that_cannot_be_opened_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        append_bytes(path, b"data")
    assert path.is_dir()


def test_the_events_of_a_step_end_where_another_begins(tmp_path: Path) -> None:
    """Those that follow a place directly; a record that is cut is none."""
    file = EventFile(tmp_path)
    file.write([(3, 1.0, {"a": 1.0})])
    assert file.path is not None
    start = file.path.stat().st_size
    file.write([(300, 2.0, {"a": 1.0}), (300, 2.0, {"b": 1.0, "c": 2.0})])
    end = file.path.stat().st_size
    assert end_of_step(file.path, start, 3) == start
    assert end_of_step(file.path, start, 300) == end
    file.write([(301, 3.0, {"a": 1.0}), (300, 3.0, {"a": 1.0})])
    assert end_of_step(file.path, start, 300) == end
    for cut in (end - 1, start + 20, start + 3):
        os.truncate(file.path, cut)
        assert start <= end_of_step(file.path, start, 300) < end


@pytest.mark.slow
def test_neither_torch_nor_tensorboard_is_loaded() -> None:
    code = """
import sys, seqsweep.runs.events
print([n for n in ("torch", "lightning", "tensorboard", "google.protobuf") if n in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
