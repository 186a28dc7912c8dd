"""Writes and finds TensorBoard's event files in a run's folder.

TensorBoard shows every folder with an event file as a run, named by its path. So the files lie
directly in the run's folder, and plain TensorBoard shows each run once, by its run_id.
"""

import contextlib
import importlib
import io
import itertools
import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from seqsweep.runs.files import matching, refuse_links
from seqsweep.runs.lock import check_held
from seqsweep.runs.lock_files import host_name

Row = tuple[int, float, Mapping[str, float]]
"""A row: the step, the time in seconds since 1970, and a value for each tag."""

PREFIX = "events.out.tfevents."
ROWS = ".rows"
"""The ending of the names of event files that a run writes."""

_WRITTEN = re.compile(rf"{re.escape(PREFIX)}\d+\.(.+)\.(\d+)\.\d+{re.escape(ROWS)}")

_count = itertools.count()


class EventFile:
    """A TensorBoard event file of one run, to which rows are appended.

    The file is open only while rows are written, so thousands of runs need no threads and no open
    descriptors.
    """

    def __init__(self, folder: Path, ending: str = ROWS) -> None:
        self.folder = folder
        self.ending = ending
        self.path: Path | None = None
        self._header = b""

    def write(self, rows: Sequence[Row]) -> None:
        """Appends rows, and passes them to the operating system before it returns.

        Raises:
            LockLost: another process trains the run now.
            OSError: the rows could not be written; the file is unchanged.
        """
        if rows:
            self._append(encode(map(_row_event, rows)))

    def add_event(self, event: Any) -> None:
        """Appends an event, as a method of this name of tensorboard's `EventFileWriter` does."""
        self._append(encode([event]))

    def _append(self, data: bytes) -> None:
        check_held(self.folder)
        if self.path is None:
            self.path = self._new_path()
        append_bytes(self.path, data, self._header)

    def _new_path(self) -> Path:
        """Returns a path that is read after the files of earlier attempts; sets the header."""
        # TensorBoard reads the files of a run in the order of their names. Two attempts may begin
        # within a second, and process numbers start again after a reboot.
        now, files = int(time.time()), event_files(self.folder)
        matches = [re.match(r"events\.out\.tfevents\.(\d+)\.", path.name) for path in files]
        second = max([now, *(int(match[1]) + 1 for match in matches if match)])
        self._header = encode([version_event(now)])
        name = f"{PREFIX}{second:010d}.{host_name()}.{os.getpid()}.{next(_count)}{self.ending}"
        return self.folder / name


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
    """Returns a TensorBoard event (a protobuf message) with these fields."""
    # Imported here, because the import takes 0.2 CPU s, and many commands log nothing. Imported by
    # a string, because type checkers do not see the classes of a protobuf module.
    module: Any = importlib.import_module("tensorboard.compat.proto.event_pb2")
    return module.Event(**fields)


def encode(events: Iterable[Any]) -> bytes:
    """Returns events as the bytes of records; equal events have equal bytes."""
    # Imported here for the same reason as in `new_event`.
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
        mode: `r+b` requires that the file exists; `ab` creates it.

    Raises:
        OSError: the data could not be written; the file is unchanged, also on a full disk.
    """
    if not data:
        return
    with open(path, mode, buffering=0, opener=refuse_links) as file:
        size = file.seek(0, os.SEEK_END)
        rest = data if size else header + data
        try:
            while rest:  # without a buffer, a part may be written
                rest = rest[file.write(rest) :]
        except OSError as error:
            # TensorBoard stops reading at half a record, so half a record is cut off again.
            with contextlib.suppress(OSError):
                file.truncate(size)
            error.filename = os.fspath(path)
            raise


def event_files(run: Path) -> list[Path]:
    """Returns the event files in a run's folder, in TensorBoard's order.

    Files of a user's own logger are included if they lie directly in the folder.
    """
    return sorted(matching(run, f"{PREFIX}*"))


def writer_of(run: Path) -> tuple[str, int] | None:
    """Returns the host and pid that wrote the last event file, or None."""
    matches = [_WRITTEN.fullmatch(path.name) for path in event_files(run)]
    writers = [(match[1], int(match[2])) for match in matches if match]
    return writers[-1] if writers else None


def all_event_files(run: Path) -> dict[str, list[Path]]:
    """Returns the regular event files below a run's folder, by relative folder.

    Links are not followed: they may lead out of the folder. A user's own logger may have made
    folders of its own; the first of these stands for the run if the run has no files itself.
    """
    found: dict[str, list[Path]] = {}
    for folder, inner, names in os.walk(run):
        inner[:] = sorted(name for name in inner if name != "checkpoints")
        paths = [Path(folder, name) for name in sorted(names) if "tfevents" in name]
        if paths := [path for path in paths if path.is_file() and not path.is_symlink()]:
            found[os.path.relpath(folder, run) if found else ""] = paths
    return found
