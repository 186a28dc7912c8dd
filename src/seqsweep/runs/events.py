"""Appends rows of numbers to TensorBoard's event files."""

import contextlib
import importlib
import io
import itertools
import os
import re
import struct
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from seqsweep.runs.eventfiles import PREFIX, ROWS, event_files, event_folder
from seqsweep.runs.files import make_folder
from seqsweep.runs.lock import check_held
from seqsweep.runs.lock_files import host_name

Row = tuple[int, float, Mapping[str, float]]
"""A row: the step, the time in seconds since 1970, and a value for each tag."""

_count = itertools.count()


class EventFile:
    """A TensorBoard event file of one run, to which rows are appended.

    It is open only while rows are written, so thousands of runs need neither threads nor
    descriptors.

    Between two appends the file may move: extending a sweep renames its runs. It is then searched
    for. So an append after the first one never creates a file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path: Path | None = None
        self._header = b""

    def write(self, rows: Sequence[Row]) -> None:
        """Appends some rows; when it returns, the operating system has them.

        Raises:
            LockLost: another process trains the run now.
            OSError: the rows could not be written; the file is unchanged.
        """
        if not rows:
            return
        data = encode(map(_row_event, rows))
        check_held(self.folder)
        # The file is where it was, unless the run has got another name since.
        if self.path is not None:
            with contextlib.suppress(FileNotFoundError):
                # The mode `ab` would create a second file in the old place after a move.
                append_bytes(self.path, data, self._header, mode="r+b")
                return
        while True:
            files = event_files(self.folder)
            name = self._new_name(files) if self.path is None else self.path.name
            moved = [path for path in files if path.name == name]
            self.path = moved[0] if moved else event_folder(self.folder) / name
            try:
                if self.path.parent != self.folder:
                    make_folder(self.path.parent)
                append_bytes(self.path, data, self._header)
                return
            except FileNotFoundError:
                # Another process has removed the folder, which was still empty.
                if not self.folder.is_dir():
                    raise

    def _new_name(self, files: Sequence[Path]) -> str:
        now, host = int(time.time()), host_name()
        self._header = encode([version_event(now)])
        second = _second_after(files, now)
        return f"{PREFIX}{second:010d}.{host}.{os.getpid()}.{next(_count)}{ROWS}"


def _second_after(files: Sequence[Path], now: int) -> int:
    """Returns a second that is later than in all other names.

    TensorBoard reads the files of a run in the order of their names. Two attempts may begin within
    a second, and process numbers start again after a reboot.
    """
    matches = [re.match(r"events\.out\.tfevents\.(\d+)\.", path.name) for path in files]
    return max([now, *(int(match[1]) + 1 for match in matches if match)])


def _row_event(row: Row) -> Any:
    step, wall_time, numbers = row
    event = new_event(step=step, wall_time=wall_time)
    for tag, number in numbers.items():
        event.summary.value.add(tag=tag, simple_value=number)
    return event


def version_event(wall_time: float) -> Any:
    """Returns the event that begins a file."""
    return new_event(wall_time=wall_time, file_version="brain.Event:2")


def new_event(**fields: Any) -> Any:
    """Returns an event of TensorBoard, a protobuf, with these fields."""
    # Imported here, because it takes 0.2 CPU s, and many commands that import this module log
    # nothing. Imported by name, because type checkers do not see the classes of such a module.
    module: Any = importlib.import_module("tensorboard.compat.proto.event_pb2")
    return module.Event(**fields)


def encode(events: Iterable[Any]) -> bytes:
    """Returns the records of events; equal events have equal bytes."""
    # Imported here for the same reason.
    from tensorboard.summary.writer.record_writer import RecordWriter

    buffer = io.BytesIO()
    writer = RecordWriter(buffer)
    for event in events:
        writer.write(event.SerializeToString(deterministic=True))
    return buffer.getvalue()


def append_bytes(
    path: Path, data: bytes, header: bytes = b"", mode: Literal["ab", "r+b"] = "ab"
) -> None:
    """Appends data to a file; an empty file gets the header first.

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
    # A record is the length of an event, a checksum, the event, and a checksum. A killed process
    # may have left half of a record, so lengths are compared with the file's size.
    size = path.stat().st_size
    with path.open("rb") as file:
        while True:
            file.seek(start)
            head = file.read(12)
            length = struct.unpack("<Q", head[:8])[0] if len(head) == 12 else size
            if start + length + 16 > size or _step_of(file.read(length)) != step:
                return start
            start += length + 16


def _step_of(content: bytes) -> int | None:
    """Returns the step of an event; None for other bytes."""
    from google.protobuf.message import DecodeError  # imported here like the event

    event = new_event()
    try:
        event.ParseFromString(content)
    except DecodeError:
        return None
    return event.step
