"""The commands that train the runs of a report again, true wherever its folder is moved."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqsweep.results.naming import CHOICE
from seqsweep.runs.files import read_object
from seqsweep.runs.ledger import Entry
from seqsweep.runs.sweepfile import SweepFile

_OURS = "seqsweep."


def commands(
    sweep: SweepFile | None, entries: Sequence[Entry], best: Entry, folder: Path
) -> list[tuple[str, str]]:
    """The commands for all runs of the folder and for its best run, each with what it does."""
    found = [(what, shlex.join(words)) for what, words in _again(sweep, entries)]
    if best.state == "complete":
        which = "the best run" if len(entries) > 1 else "the run"
        what = f"{which} again, compared bit by bit; in the folder of this report{_where(best)}"
        found.append((what, reproduce_command(best, folder)))
    return found


def reproduce_command(entry: Entry, folder: Path) -> str:
    """The command that trains a run again and compares the two.

    It is for a shell in the folder of the report, and so stays true where that is moved.
    """
    chosen = [key for key in entry.config if key.endswith(CHOICE)]
    targets = [entry.config[key] for key in chosen if key.rpartition(".")[2] == CHOICE]
    named = dict.fromkeys(str(target) for target in targets if target)
    foreign = [target for target in named if not target.startswith(_OURS)]
    allowed = [word for target in foreign for word in ("--allow", target)]
    return shlex.join(["seqsweep", "reproduce", relative_folder(entry, folder), *allowed])


def relative_folder(entry: Entry, folder: Path) -> str:
    """The path of a run's folder from the report's; `.` where both are the same folder."""
    path = entry.folder.path.relative_to(folder).as_posix()
    # A name that begins with a dash would be read as an option.
    return f"./{path}" if path.startswith("-") else path


def _where(entry: Entry) -> str:
    """Says to start the command elsewhere, where data have a relative path."""
    paths = [
        value
        for key, value in entry.config.items()
        if key.startswith("data.source.") and key.endswith("path") and isinstance(value, str)
    ]
    relative = [path for path in paths if not path.startswith(("/", "~"))]
    if not relative:
        return ""
    return (
        f", but {relative[0]} is looked for from the current folder: start the command where the "
        "sweep was started, with the path of this folder before the run's name"
    )


def _again(sweep: SweepFile | None, entries: Sequence[Entry]) -> list[tuple[str, Sequence[str]]]:
    """The last command of a folder, and which of its runs it is of.

    Without a sweep.json nobody knows what a command covers, but for a run that was trained alone.
    """
    if sweep is None:
        origin: dict[str, Any] = read_object(entries[0].folder.path / "provenance.json")
        command: list[str] = origin.get("command") or []
        alone = len(entries) == 1 and not {"-m", "--multirun"} & set(command)
        what = "the same run again; if it is done it is left alone"
        return [(what, command)] if command and alone else []
    configs = sweep.current().configs
    covered = sum(entry.folder.run_id in configs for entry in entries)
    if not covered and configs:
        return []
    which = "the same runs again"
    if covered < len(entries):
        which = (
            f"{covered} of the {len(entries)} runs again, those of the last command in this folder"
        )
    return [(f"{which}; those that are done are left alone", sweep.command)]
