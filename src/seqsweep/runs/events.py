"""Writes TensorBoard's event files row by row, without its thread and its protobufs.

An event file is a sequence of records. A record is the length of an event, a checksum of the
length, the event, and a checksum of the event. Rows with the same tags differ only in time, step
and floats. So their events are copies of one template with these bytes filled in: a matrix (R rows,
E bytes), whose checksums are computed together.
"""

import contextlib
import itertools
import os
import re
import struct
import time
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seqsweep.runs.eventfiles import PREFIX, ROWS, event_files, event_folder
from seqsweep.runs.files import make_folder
from seqsweep.runs.host import host_name
from seqsweep.runs.lock import check_held

Row = tuple[int, float, Mapping[str, float]]
"""A row: the step, the time in seconds since 1970, and a value for each tag."""
Bytes = NDArray[np.uint8]

_WALL_TIME, _STEP = slice(1, 9), slice(10, 20)  # positions in the bytes of an event
_SLICE = 512
"""The number of bytes of a message that one step of the checksum takes."""
_SEPTETS = np.arange(0, 70, 7, dtype=np.uint64)
_count = itertools.count()


class EventFile:
    """A TensorBoard event file of one run, to which rows are appended.

    It is open only while rows are written, so thousands of runs need neither threads nor
    descriptors.

    Between two appends the file may move: extending a sweep renames its runs. It is then searched
    for. So an append after the first one never creates a file.

    Args:
        folder: the folder of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path: Path | None = None
        self._version = b""

    def write(self, rows: Sequence[Row]) -> None:
        """Appends some rows; when it returns, the operating system has them.

        Raises:
            LockLost: another process trains the run now.
            OSError: the rows could not be written; the file is unchanged.
        """
        self.append(*encode([rows]))

    def append(self, data: bytes) -> None:
        """Appends rows that `encode` has encoded; otherwise like `write`."""
        if not data:
            return
        check_held(self.folder)
        # The file is where it was, unless the run has got another name since.
        if self.path is not None:
            with contextlib.suppress(FileNotFoundError):
                # The mode `ab` would create a second file in the old place after a move.
                append_bytes(self.path, data, self._version, mode="r+b")
                return
        while True:
            files = event_files(self.folder)
            name = self._new_name(files) if self.path is None else self.path.name
            moved = [path for path in files if path.name == name]
            self.path = moved[0] if moved else event_folder(self.folder, files) / name
            try:
                if self.path.parent != self.folder:
                    make_folder(self.path.parent)
                append_bytes(self.path, data, header=self._version)
                return
            except FileNotFoundError:
                # Another process has removed the folder, which was still empty.
                if not self.folder.is_dir():
                    raise

    def _new_name(self, files: Sequence[Path]) -> str:
        now, host = int(time.time()), host_name()
        self._version = _version(now)
        second = _second_after(files, now)
        return f"{PREFIX}{second:010d}.{host}.{os.getpid()}.{next(_count)}{ROWS}"


def _second_after(files: Sequence[Path], now: int) -> int:
    """Returns a second for a file name, later than in all other names.

    TensorBoard reads the files of a run in the order of their names. Two attempts may begin within
    a second, and process numbers start again after a reboot.
    """
    matches = [re.match(r"events\.out\.tfevents\.(\d+)\.", path.name) for path in files]
    return max([now, *(int(match[1]) + 1 for match in matches if match)])


def append_bytes(
    path: Path, data: bytes, header: bytes = b"", mode: Literal["ab", "r+b"] = "ab"
) -> None:
    """Appends data to a file; a new or empty file gets a header first.

    Args:
        mode: `r+b` for a file that must exist.

    Raises:
        OSError: the data could not be written; the file is unchanged, also on a full disk.
    """
    if not data:
        return
    file = path.open(mode)
    size = file.seek(0, os.SEEK_END)
    try:
        with file:
            file.write(data if size else header + data)
    except OSError as error:
        # Half of a record would end the file for TensorBoard, which stops reading there.
        with contextlib.suppress(OSError):
            os.truncate(path, size)
        if error.filename is None:  # as on a full disk
            error.filename = os.fspath(path)
        raise


def end_of_step(path: Path, start: int, step: int) -> int:
    """Returns where the events of one step that begin at `start` end."""
    # A killed process may have left half of a record, so lengths are compared with the file's size.
    size = path.stat().st_size
    with path.open("rb") as file:
        while True:
            file.seek(start)
            head = file.read(12)
            length = struct.unpack("<Q", head[:8])[0] if len(head) == 12 else size
            if start + length + 16 > size or _step_of(file.read(length)) != step:
                return start
            start += length + 16


def _step_of(event: bytes) -> int | None:
    """Returns the step of an event, which follows its time; None where it has none."""
    if event[:1] != b"\x09" or event[9:10] != b"\x10":
        return None
    step = 0
    for index, byte in enumerate(event[10:20]):
        step |= (byte & 127) << (7 * index)
        if byte < 128:
            break
    return step


def encode(rows_of_each: Sequence[Sequence[Row]]) -> list[bytes]:
    """Encodes the rows of several files; returns the bytes to append to each file."""
    rows = list(itertools.chain.from_iterable(rows_of_each))
    # Rows with the same tags are encoded together.
    indices_by_tags: dict[tuple[str, ...], list[int]] = {}
    for index, (_, _, values) in enumerate(rows):
        indices_by_tags.setdefault(tuple(values), []).append(index)
    records = [b""] * len(rows)
    for tags, indices in indices_by_tags.items():
        encoded = _frame(_events(tags, [rows[index] for index in indices]))
        for index, record in zip(indices, encoded, strict=True):
            records[index] = record
    # The records are in the order of the rows, so each file takes the next ones.
    remaining = iter(records)
    return [b"".join(itertools.islice(remaining, len(rows))) for rows in rows_of_each]


def _events(tags: tuple[str, ...], rows: list[Row]) -> Bytes:
    """Returns one event for each row, (R, E); all rows have these tags."""
    tags, template, floats_at = _template(tags)
    events = np.tile(template, (len(rows), 1))
    wall_times = np.array([wall_time for _, wall_time, _ in rows], "<f8")
    events[:, _WALL_TIME] = _as_bytes(wall_times[:, None])
    steps = np.array([step for step, _, _ in rows], np.int64)
    events[:, _STEP] = _varints(steps)
    values = np.array([[values[tag] for tag in tags] for _, _, values in rows], np.float64)
    with np.errstate(over="ignore"):  # too large a number becomes infinite, as in C
        events[:, floats_at] = _as_bytes(values.astype("<f4"))
    return events


@lru_cache
def _template(tags: tuple[str, ...]) -> tuple[tuple[str, ...], Bytes, NDArray[np.intp]]:
    """Returns the sorted tags, their event without values, and its floats' positions.

    The fields are those of event.proto and summary.proto: Event has wall_time = 1, step = 2,
    summary = 5. Summary has value = 1. Value has tag = 1, simple_value = 2.
    """
    summary, ends = b"", [0]
    for tag in sorted(tags):
        summary += _field(1, _field(1, tag.encode()) + b"\x15" + bytes(4))
        ends.append(len(summary))
    event = b"\x09" + bytes(8) + b"\x10" + bytes(10) + _field(5, summary)
    starts = np.array(ends[1:], np.intp) - 4 + len(event) - len(summary)
    floats_at = (starts[:, None] + np.arange(4)).ravel()
    return tuple(sorted(tags)), np.frombuffer(event, np.uint8), floats_at


def _field(number: int, content: bytes) -> bytes:
    """Encodes a protobuf field that has a length: a string or a message."""
    length, size = b"", len(content)
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def _varints(numbers: NDArray[np.int64]) -> Bytes:
    """Encodes protobuf integers, (R, 10), each at its greatest length, so that rows align."""
    septets = numbers.view(np.uint64)[:, None] >> _SEPTETS & np.uint64(127)
    septets[:, :-1] |= np.uint64(128)
    return septets.astype(np.uint8)


@lru_cache(maxsize=4)
def _version(wall_time: int) -> bytes:
    """Returns the first record of a file: Event has file_version = 3."""
    return record(b"\x09" + struct.pack("<d", wall_time) + _field(3, b"brain.Event:2"))


def record(event: bytes) -> bytes:
    """Returns the record of one event."""
    return _frame(np.frombuffer(event, np.uint8)[None])[0]


def _frame(events: Bytes) -> list[bytes]:
    """Returns the TFRecord of each event; all events have one length."""
    count, length = events.shape
    records = np.empty((count, length + 16), np.uint8)
    records[:, :12] = _length(length)
    records[:, 12:-4] = events
    records[:, -4:] = _masked_crc(events)
    data, size = records.tobytes(), length + 16
    return [data[start : start + size] for start in range(0, len(data), size)]


@lru_cache
def _length(length: int) -> Bytes:
    """Returns the twelve bytes before an event of this length."""
    number = np.frombuffer(struct.pack("<Q", length), np.uint8)
    return np.concatenate([number, _masked_crc(number[None])[0]])


def _masked_crc(messages: Bytes) -> Bytes:
    """Returns the masked CRC-32C of TFRecord for each message: (R, n) to (R, 4).

    A CRC is linear: it is the exclusive or of one term for each byte of the message. So the terms
    of all bytes are looked up together. The state before a slice is added to its first four bytes.
    """
    crc = np.full(len(messages), 0xFFFFFFFF, np.uint32)
    for start in range(0, messages.shape[1], _SLICE):
        part = messages[:, start : start + _SLICE].copy()
        length = part.shape[1]
        part[:, :4] ^= _as_bytes(crc[:, None])[:, :length]
        crc = crc >> np.uint32(8 * length) if length < 4 else np.zeros_like(crc)
        offsets = np.arange(length - 1, -1, -1) * 256
        crc ^= np.bitwise_xor.reduce(_crc_tables().take(part + offsets), axis=1)
    crc ^= np.uint32(0xFFFFFFFF)
    masked = (crc >> np.uint32(15) | crc << np.uint32(17)) + np.uint32(0xA282EAD8)
    return _as_bytes(masked.astype("<u4")[:, None])


@cache
def _crc_tables() -> NDArray[np.uint32]:
    """Returns the terms of a CRC-32C by following bytes and value of a byte."""
    one, eight, low = np.uint32(1), np.uint32(8), np.uint32(255)
    last = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        last = last >> one ^ np.uint32(0x82F63B78) * (last & one)
    # The term of a byte depends on the number of bytes after it, so each position has a table.
    tables = [last]
    for _ in range(_SLICE - 1):
        tables.append(last[tables[-1] & low] ^ tables[-1] >> eight)
    return np.concatenate(tables)


def _as_bytes(numbers: NDArray[np.generic]) -> Bytes:
    """Returns the bytes of numbers in memory: (R, V) to (R, V * size)."""
    return np.ascontiguousarray(numbers).view(np.uint8)
