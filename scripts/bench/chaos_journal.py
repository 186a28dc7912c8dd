"""Reads the journals of `chaos_start.py`: who trained and wrote what, and when."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple


class Line(NamedTuple):
    """A line of a journal, with the name of its process."""

    time: float
    process: str
    kind: str
    run: str
    what: str


@dataclass
class Tenure:
    """The time from a process's locking of a run to its last action there.

    Attributes:
        epochs: the epochs that it trained.
        writes: the times at which it changed a result, with the file.
        released: when it released the lock; None if it was killed.
    """

    run: str
    process: str
    start: float
    epochs: list[int] = field(default_factory=list[int])
    writes: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    released: float | None = None


class Journals:
    """The lines that the processes have written so far.

    Args:
        folder: holds a file for each process, named after it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[Line] = []
        self.epochs: set[tuple[str, str]] = set()
        self._read: dict[Path, int] = {}

    def update(self) -> None:
        """Reads the lines that were added since the last call."""
        for path in self.folder.iterdir():
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                text = file.read()
            # The last line may be half there.
            text = text[: text.rfind(b"\n") + 1]
            self._read[path] = self._read.get(path, 0) + len(text)
            for words in text.decode().splitlines():
                time, kind, run, what = words.split(" ", 3)
                self.lines.append(Line(float(time), path.name, kind, run, what))
                if kind == "epoch":
                    self.epochs.add((run, what))

    def trained_again(self) -> int:
        """Returns how many epochs were trained more than once, each time counted."""
        return sum(line.kind == "epoch" for line in self.lines) - len(self.epochs)

    def tenures(self) -> list[list[Tenure]]:
        """Returns the tenures of each run, in their order.

        A process that never locked a run gets a tenure from its first action there.
        """
        tenures: defaultdict[str, list[Tenure]] = defaultdict(list)
        current: dict[tuple[str, str], Tenure] = {}
        for line in sorted(self.lines):
            if line.run == "-":  # a file of the sweep
                continue
            key = (line.process, line.run)
            if line.kind == "lock" or key not in current:
                current[key] = Tenure(line.run, line.process, line.time)
                tenures[line.run].append(current[key])
            _add(current[key], line)
        return list(tenures.values())


def _add(tenure: Tenure, line: Line) -> None:
    if line.kind == "epoch":
        tenure.epochs.append(int(line.what))
    elif line.kind == "write":
        tenure.writes.append((line.time, line.what))
    elif line.kind == "free":
        tenure.released = line.time


def taken_over(tenures: Iterable[Sequence[Tenure]], deaths: Mapping[str, float]) -> tuple[int, int]:
    """Counts the locks that were taken without a release.

    Args:
        tenures: the tenures of each run.
        deaths: when each process ended, by its name.

    Returns:
        The number of all such locks, and of those whose earlier holder still lived.
    """
    count = alive = 0
    for of_a_run in tenures:
        for before, after in itertools.pairwise(of_a_run):
            if before.released is None or before.released > after.start:
                count += 1
                alive += deaths.get(before.process, after.start + 1) > after.start
    return count, alive


def written_by_two(tenures: Iterable[Sequence[Tenure]]) -> list[str]:
    """Returns each write of a process into a run that another process had locked meanwhile."""
    found: list[str] = []
    for of_a_run in tenures:
        for before, after in itertools.pairwise(of_a_run):
            found += [
                f"{before.run}: process {before.process} {what} {time - after.start:.3f} s "
                f"after process {after.process} had taken the lock"
                for time, what in before.writes
                if time > after.start
            ]
    return found


def lost_after(tenures: Iterable[Sequence[Tenure]], killed: Iterable[str]) -> int:
    """Returns how many epochs of killed processes the next holders trained again."""
    killed = frozenset(killed)
    lost = 0
    for of_a_run in tenures:
        for index, tenure in enumerate(of_a_run):
            if tenure.process in killed and tenure.released is None:
                later = [epoch for after in of_a_run[index + 1 :] for epoch in after.epochs[:1]]
                first = later[0] if later else float("inf")
                lost += sum(epoch >= first for epoch in tenure.epochs)
    return lost
