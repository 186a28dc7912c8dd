"""Keeps an index of the records in a folder of very many runs.

With it, a table need not read the file of each record. `.records` has a line for each record,
without its confusion matrices. A line counts only while record.json has the size and the times that
the line names, so it is never older than the record. Every reader adds missing lines. Deleting the
file costs only time.
"""

import contextlib
import hashlib
import json
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqsweep.runs.files import Damaged, read_bytes, stat_of, write_bytes
from seqsweep.runs.identity import SEMANTICS
from seqsweep.runs.run_folder import RunFolder

NAME = ".records"
LEAST_RUNS = 1000
"""The number of runs from which a folder has an index. Fewer records are read in a moment."""

LEFT_OUT = "confusion"
"""The key of a record that the index leaves out, because it is as large as all others."""

_RACE_SECONDS = 2.0
"""A record that was written so recently is not indexed.

Its file could change once more without a change of its times, because their clock is coarse."""

_SHARE_TO_WRITE = 0.01
"""The share of new lines from which the file is written again."""

_EXACT = {str, int, bool, type(None)}
"""Types whose equal values have one JSON, unlike 0.0 and -0.0."""

Record = dict[str, Any]
Layout = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
"""The keys of a record, of its config and of its metrics, in their order."""


class RecordIndex:
    """The records of a folder; changed records are read from their own files.

    A line has only the values in which a record differs from a template. This is another record
    with the same keys, which has a line of its own.

    Args:
        folder: the folder of the runs.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._templates: dict[str, Record] = {}
        self._by_layout: dict[Layout, str] = {}
        self._known: dict[str, list[Any]] = {}
        self._used: dict[str, list[Any]] = {}
        self._added = 0
        # A missing index and one that cannot be read are the same.
        with contextlib.suppress(OSError, Damaged):
            for line in read_bytes(self._path).splitlines():
                self._take_in(line)

    def record(self, run: RunFolder) -> Record | None:
        """Returns the record of a run as `RunFolder.record`, without its confusion matrices.

        Equal parts of the records are one object, and must not be changed.
        """
        line = self._current_line(run)
        return None if line is None else self._decoded(line)

    def status(self, run: RunFolder) -> str | None:
        """Returns the status of a run's record; None without a sound one."""
        line = self._current_line(run)
        return None if line is None else line[3].get("status", self._templates[line[2]]["status"])

    def _current_line(self, run: RunFolder) -> list[Any] | None:
        """Returns the line of a run's record, new if the record has changed."""
        stat = stat_of(f"{run.path}/record.json")
        if stat is None:
            run.record()  # which may name what is wrong with the file
            return None
        version = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
        line = self._known.get(run.run_id)
        if line is None or line[1] != version or line[2] not in self._templates:
            record = run.record()
            if record is None:
                return None
            line = self._line(run.run_id, version, record)
            if abs(time.time() - max(stat.st_mtime, stat.st_ctime)) < _RACE_SECONDS:
                return line
            self._added += 1
        self._used[run.run_id] = line
        return line

    def write(self, is_all: bool = True) -> None:
        """Writes the file again, unless too few lines are new.

        Args:
            is_all: whether all runs of the folder were asked for. The lines of others are dropped.
        """
        if self._added <= _SHARE_TO_WRITE * len(self._used):
            return
        kept = self._used if is_all else self._known | self._used
        wanted = {line[2] for line in kept.values()} & self._templates.keys()
        templates = [["", name, self._templates[name]] for name in sorted(wanted)]
        lines = [_encoded(line) for line in (*templates, *kept.values())]
        # The file is only a help: nothing is lost on a full disk or in a read-only folder.
        with contextlib.suppress(OSError):
            write_bytes(self._path, b"\n".join(lines), sync=False)

    def _take_in(self, text: bytes) -> None:
        """Takes in a line of the file; ignores a damaged one."""
        checksum, _, content = text.partition(b" ")
        if not content or checksum != _checksum(content):
            return
        line = json.loads(content)
        if line[0]:
            self._known[line[0]] = line
        else:
            self._add_template(line[1], line[2])

    def _add_template(self, name: str, record: Record) -> None:
        self._templates[name] = record
        self._by_layout[_layout(record)] = name

    def _line(self, run_id: str, version: list[int], record: Record) -> list[Any]:
        """Returns the line of a record: what distinguishes it from its template."""
        short = {key: value for key, value in record.items() if key != LEFT_OUT}
        layout = _layout(short)
        if layout not in self._by_layout:
            text = json.dumps(short)
            # Two processes choose the same name for the same template.
            self._add_template(hashlib.sha256(text.encode()).hexdigest()[:16], json.loads(text))
        name = self._by_layout[layout]
        template = self._templates[name]
        config = _difference(short["config"], template["config"])
        metrics = list((short.get("metrics") or {}).values())
        parts = {key: short[key] for key in short if key not in ("config", "metrics")}
        return [run_id, version, name, _difference(parts, template), config, metrics]

    def _decoded(self, line: list[Any]) -> Record:
        _, _, name, parts, config, metrics = line
        template = self._templates[name]
        record = template | parts
        record["config"] = template["config"] | config
        if template.get("metrics"):
            record["metrics"] = dict(zip(template["metrics"], metrics, strict=True))
        return record


def _layout(record: Record) -> Layout:
    return tuple(record), tuple(record["config"]), tuple(record.get("metrics") or ())


def _difference(values: Mapping[str, Any], template: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if not _is_same(value, template[key])}


def _is_same(value: Any, other: Any) -> bool:
    if type(value) is not type(other):
        return False
    return value == other if type(value) in _EXACT else repr(value) == repr(other)


_ENCODER = json.JSONEncoder(separators=(",", ":"))


def _encoded(line: list[Any]) -> bytes:
    content = _ENCODER.encode(line).encode()
    return _checksum(content) + b" " + content


def _checksum(content: bytes) -> bytes:
    # The lines of another version have other checksums, and are ignored.
    return b"%08x" % zlib.crc32(content, SEMANTICS)
