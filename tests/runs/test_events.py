"""TensorBoard reads the rows of event files, wherever a run stops or resumes."""

import contextlib
import math
import os
import resource
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import (
    EventAccumulator,  # pyright: ignore[reportPrivateImportUsage]
)

from seqsweep.runs.events import (
    EventFile,
    Row,
    all_event_files,
    event_files,
    writer_of,
)

Scalars = dict[str, list[tuple[float, int, float]]]

ROWS: list[Row] = [
    (0, 1700000000.125, {"lr": 0.1, "epoch": 0, "train/loss": 2.5}),
    (3, 1700000001.5, {"lr": 0.1, "epoch": 1, "train/loss": math.nan, "val/loss": math.inf}),
    (70_000, 1700000002.0, {"val/loss": -1e-40, "train/loss": 1e300, "lr": 1e-3, "epoch": 2}),
    (2**40, 1700000003.0, {"lr": 0.0, "epoch": 3, "train/loss": -math.inf}),
]


def expected(rows: list[Row]) -> Scalars:
    """Each tag's times, steps and values; a number that float32 cannot hold is infinite."""
    found: Scalars = {}
    for step, wall_time, values in rows:
        for tag, value in values.items():
            with np.errstate(over="ignore"):
                number = float(np.float32(value))
            found.setdefault(tag, []).append((wall_time, step, number))
    return found


def accumulated(folder: Path) -> Scalars:
    """Returns the values as TensorBoard shows a run's folder."""
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


def test_rows_are_in_the_event_file_when_write_returns(tmp_path: Path) -> None:
    file = EventFile(tmp_path)
    file.write([])
    assert list(tmp_path.iterdir()) == []
    for count, row in enumerate(ROWS, start=1):
        file.write([row])
        assert same(accumulated(tmp_path), expected(ROWS[:count]))


def test_a_file_continues_where_it_was_cut_and_another_attempt_beside_it(tmp_path: Path) -> None:
    """A resumed run cuts the old file to a checkpoint, and writes the rest into a new one."""
    first, second = EventFile(tmp_path), EventFile(tmp_path)
    first.write(ROWS[:1])
    size = path_of(first).stat().st_size
    first.write([(9, 0.0, {"lr": 9.0})])
    os.truncate(path_of(first), size)
    first.write(ROWS[1:2])
    second.write(ROWS[2:])
    # TensorBoard reads in the order of the names; both files are of the same second.
    seconds = [path_of(file).name.split(".")[3] for file in (first, second)]
    assert seconds[0] < seconds[1] and len(list(tmp_path.iterdir())) == 2
    assert same(accumulated(tmp_path), expected(ROWS))
    os.truncate(path_of(first), 0)
    path_of(second).unlink()
    first.write(ROWS[2:3])
    assert same(accumulated(tmp_path), expected(ROWS[2:3]))


@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize("room", [0, 60])
def test_a_full_disk_takes_no_half_row(tmp_path: Path, before: int, room: int) -> None:
    file = EventFile(tmp_path)
    file.write(ROWS[:before])
    size = path_of(file).stat().st_size if before else 0
    with full_disk(size + room), pytest.raises(OSError, match="File too large"):
        file.write(ROWS[before:])
    assert path_of(file).stat().st_size == size
    file.write(ROWS[before:])
    assert same(accumulated(tmp_path), expected(ROWS))


ROW_FILE = "events.out.tfevents.1.host.2.3.rows"
OTHER = "events.out.tfevents.1.host.2.5"


def make(run: Path, *names: str) -> None:
    for name in names:
        path = run / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def test_the_event_files_of_a_run_lie_directly_in_its_folder(tmp_path: Path) -> None:
    make(tmp_path, OTHER, ROW_FILE, f"version_0/{OTHER}", "metrics.csv")
    assert event_files(tmp_path) == [tmp_path / ROW_FILE, tmp_path / OTHER]
    assert writer_of(tmp_path) == ("host", 2)
    assert writer_of(tmp_path / "version_0") is None


def test_files_below_keep_their_folder_unless_the_run_has_no_others(tmp_path: Path) -> None:
    make(tmp_path, f"a/b/{OTHER}", f"c/{OTHER}", f"checkpoints/{OTHER}")
    of = {"": [tmp_path / "a" / "b" / OTHER], "c": [tmp_path / "c" / OTHER]}
    assert all_event_files(tmp_path) == of
    make(tmp_path, ROW_FILE)
    assert list(all_event_files(tmp_path)) == ["", "a/b", "c"]
