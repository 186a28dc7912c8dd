"""TensorBoard's event files, written row by row without its thread and without its protobufs.

An event file is a sequence of records: the length of an event, a checksum of the length, the event
and a checksum of the event. All rows with the same tags differ in their time, step and floats
alone, so their events are copies of one template with these bytes put in: a matrix (R rows, E
bytes), of which all checksums are taken at once.
"""

import contextlib
import itertools
import os
import re
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seqsweep.runs.eventfiles import PREFIX, ROWS, event_files, event_folder

Row = tuple[int, float, Mapping[str, float]]
"""A step, the time in seconds since 1970, and a value for each tag."""
Bytes = NDArray[np.uint8]

_WALL_TIME, _STEP = slice(1, 9), slice(10, 20)  # of an event's bytes
_SLICE = 512
"""Bytes of a message whose checksum is taken at once."""
_SEPTETS = np.arange(0, 70, 7, dtype=np.uint64)
_count = itertools.count()


class EventFile:
    """A TensorBoard event file of one run, appended to row by row.

    It is open only while rows are written: thousands of runs need no thread and no descriptor each.

    The file may be moved meanwhile, when a sweep is extended and its runs get other names; then it
    is found again. So an append after the first one never opens it in a way that would create it.

    Args:
        folder: the run's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path: Path | None = None
        self._version = b""

    def write(self, rows: Sequence[Row]) -> None:
        """Appends some rows; when it returns, the operating system has them.

        Raises:
            OSError: nothing of these rows is in the file.
        """
        self.append(*encode([rows]))

    def append(self, data: bytes) -> None:
        """Appends rows that `encode` has made, as `write` does."""
        if not data:
            return
        if self.path is not None:
            with contextlib.suppress(FileNotFoundError):
                append_bytes(self.path, data, self._version, mode="r+b")
                return
        files = event_files(self.folder)
        name = self._new_name(files) if self.path is None else self.path.name
        found = [path for path in files if path.name == name]
        self.path = found[0] if found else event_folder(self.folder, files) / name
        if self.path.parent != self.folder:
            self.path.parent.mkdir(exist_ok=True)
        append_bytes(self.path, data, header=self._version)

    def _new_name(self, files: Sequence[Path]) -> str:
        now, host = int(time.time()), socket.gethostname()
        self._version = _version(now)
        second = _second_after(files, now)
        return f"{PREFIX}{second:010d}.{host}.{os.getpid()}.{next(_count)}{ROWS}"


def _second_after(files: Sequence[Path], now: int) -> int:
    """TensorBoard reads a run's files in the order of their names: a later one has a later time.

    Two attempts may begin within a second, and process numbers begin anew.
    """
    found = [re.match(r"events\.out\.tfevents\.(\d+)\.", path.name) for path in files]
    return max([now, *(int(match[1]) + 1 for match in found if match)])


def append_bytes(
    path: Path, data: bytes, header: bytes = b"", mode: Literal["ab", "r+b"] = "ab"
) -> None:
    """Appends to a file, after a header where it is new or empty; nothing if there are no data.

    Args:
        mode: `r+b` for a file that must be there.

    Raises:
        OSError: the file is as it was; a full disk would have taken half of the data.
    """
    if not data:
        return
    file = path.open(mode)
    size = file.seek(0, os.SEEK_END)
    try:
        with file:
            file.write(data if size else header + data)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.truncate(path, size)
        if error.filename is None:  # as on a full disk
            error.filename = os.fspath(path)
        raise


def end_of_step(path: Path, start: int, step: int) -> int:
    """The end of the events of one step that follow the byte `start` of an event file directly."""
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
    """The step of an event, which follows its time; None for one that has none."""
    if event[:1] != b"\x09" or event[9:10] != b"\x10":
        return None
    step = 0
    for place, byte in enumerate(event[10:20]):
        step |= (byte & 127) << (7 * place)
        if byte < 128:
            break
    return step


def encode(rows_of_each: Sequence[Sequence[Row]]) -> list[bytes]:
    """The records of the rows of some files, one string of bytes for each file."""
    rows = list(itertools.chain.from_iterable(rows_of_each))
    places: dict[tuple[str, ...], list[int]] = {}
    for place, (_, _, values) in enumerate(rows):
        places.setdefault(tuple(values), []).append(place)
    records = [b""] * len(rows)
    for tags, among in places.items():
        encoded = _frame(_events(tags, [rows[place] for place in among]))
        for place, record in zip(among, encoded, strict=True):
            records[place] = record
    left = iter(records)
    return [b"".join(itertools.islice(left, len(rows))) for rows in rows_of_each]


def _events(tags: tuple[str, ...], rows: list[Row]) -> Bytes:
    """(R, E): one event for each of the rows, which all have these tags."""
    tags, template, floats_at = _template(tags)
    events = np.tile(template, (len(rows), 1))
    wall_times = np.array([wall_time for _, wall_time, _ in rows], "<f8")
    events[:, _WALL_TIME] = _as_bytes(wall_times[:, None])
    steps = np.array([step for step, _, _ in rows], np.int64)
    events[:, _STEP] = _varints(steps)
    values = np.array([[values[tag] for tag in tags] for _, _, values in rows], np.float64)
    with np.errstate(over="ignore"):  # infinite, as in a float of C
        events[:, floats_at] = _as_bytes(values.astype("<f4"))
    return events


@lru_cache
def _template(tags: tuple[str, ...]) -> tuple[tuple[str, ...], Bytes, NDArray[np.intp]]:
    """The sorted tags, an event of theirs full of zeros, and where the bytes of its floats are.

    By the fields of event.proto and summary.proto: Event has wall_time = 1, step = 2, summary = 5;
    Summary has value = 1; its Value has tag = 1, simple_value = 2.
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
    """A field of a protobuf that has a length: a string or a message."""
    length, size = b"", len(content)
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def _varints(numbers: NDArray[np.int64]) -> Bytes:
    """(R, 10): the protobuf's integers, each at its greatest length, so that rows are of one."""
    septets = numbers.view(np.uint64)[:, None] >> _SEPTETS & np.uint64(127)
    septets[:, :-1] |= np.uint64(128)
    return septets.astype(np.uint8)


@lru_cache(maxsize=4)
def _version(wall_time: int) -> bytes:
    """The first record of a file: Event has file_version = 3."""
    return record(b"\x09" + struct.pack("<d", wall_time) + _field(3, b"brain.Event:2"))


def record(event: bytes) -> bytes:
    """The record of one event."""
    return _frame(np.frombuffer(event, np.uint8)[None])[0]


def _frame(events: Bytes) -> list[bytes]:
    """The records of some events of one length, as TFRecord has them."""
    count, length = events.shape
    records = np.empty((count, length + 16), np.uint8)
    records[:, :12] = _length(length)
    records[:, 12:-4] = events
    records[:, -4:] = _masked_crc(events)
    data, size = records.tobytes(), length + 16
    return [data[start : start + size] for start in range(0, len(data), size)]


@lru_cache
def _length(length: int) -> Bytes:
    """The twelve bytes before an event of this length."""
    number = np.frombuffer(struct.pack("<Q", length), np.uint8)
    return np.concatenate([number, _masked_crc(number[None])[0]])


def _masked_crc(messages: Bytes) -> Bytes:
    """(R, 4): the CRC-32C of each of (R, n) messages, masked as TFRecord has it.

    A CRC is linear: the exclusive or of one term for each byte of the message, so no byte waits
    for the one before it. The state at which a slice begins acts as a change of its first bytes.
    """
    crc = np.full(len(messages), 0xFFFFFFFF, np.uint32)
    for start in range(0, messages.shape[1], _SLICE):
        part = messages[:, start : start + _SLICE].copy()
        length = part.shape[1]
        part[:, :4] ^= _as_bytes(crc[:, None])[:, :length]
        crc = crc >> np.uint32(8 * length) if length < 4 else np.zeros_like(crc)
        places = np.arange(length - 1, -1, -1) * 256
        crc ^= np.bitwise_xor.reduce(_crc_tables().take(part + places), axis=1)
    crc ^= np.uint32(0xFFFFFFFF)
    masked = (crc >> np.uint32(15) | crc << np.uint32(17)) + np.uint32(0xA282EAD8)
    return _as_bytes(masked.astype("<u4")[:, None])


@cache
def _crc_tables() -> NDArray[np.uint32]:
    """The term of a byte in a CRC-32C: for each number of bytes behind it its 256 values."""
    one, eight, low = np.uint32(1), np.uint32(8), np.uint32(255)
    last = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        last = last >> one ^ np.uint32(0x82F63B78) * (last & one)
    tables = [last]
    for _ in range(_SLICE - 1):
        tables.append(last[tables[-1] & low] ^ tables[-1] >> eight)
    return np.concatenate(tables)


def _as_bytes(numbers: NDArray[np.generic]) -> Bytes:
    """(R, V) numbers as they lie in memory: (R, V * their size)."""
    return np.ascontiguousarray(numbers).view(np.uint8)
