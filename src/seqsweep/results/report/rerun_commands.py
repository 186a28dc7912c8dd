"""The commands that train the runs of a report again."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqsweep.results.naming import choices_among
from seqsweep.runs.files import read_object
from seqsweep.runs.ledger import Entry
from seqsweep.runs.sweepfile import SweepFile

_OURS = "seqsweep."


def commands(
    sweep: SweepFile | None, entries: Sequence[Entry], best: Entry, folder: Path
) -> list[tuple[str, str]]:
    """The commands for all runs and for the best, with descriptions."""
    result = [(what, shlex.join(words)) for what, words in _last_command(sweep, entries)]
    if best.state == "complete":
        which = "the best run" if len(entries) > 1 else "the run"
        what = f"{which} again, compared bit by bit, from the folder of the runs{_where(best)}"
        result.append((what, reproduce_command(best, folder)))
    return result


def reproduce_command(entry: Entry, folder: Path) -> str:
    """The command that trains a run again and compares the two.

    Its path starts at the folder of the report, so the command stays valid when that folder moves.
    """
    targets = [entry.config[key] for key in choices_among(entry.config)]
    names = dict.fromkeys(str(target) for target in targets if target)
    # `reproduce` builds only allowed classes, and those of seqsweep are always allowed.
    foreign = [name for name in names if not name.startswith(_OURS)]
    allowed = [word for name in foreign for word in ("--allow", name)]
    return shlex.join(["seqsweep", "reproduce", relative_folder(entry, folder), *allowed])


def relative_folder(entry: Entry, folder: Path) -> str:
    """The path of a run's folder from the report's; `.` if equal."""
    path = entry.folder.path.relative_to(folder).as_posix()
    # A path that begins with a dash would be read as an option.
    return f"./{path}" if path.startswith("-") else path


def _where(entry: Entry) -> str:
    """Says where to start the command, if the data have a relative path."""
    paths = [
        value
        for key, value in entry.config.items()
        if key.startswith("data.source.") and key.endswith("path") and isinstance(value, str)
    ]
    relative = [path for path in paths if not path.startswith(("/", "~"))]
    if not relative:
        return ""
    return (
        f", but {relative[0]} is relative to the current folder: run the command where the sweep "
        "was started, with the path of this folder before the run's name"
    )


def _last_command(
    sweep: SweepFile | None, entries: Sequence[Entry]
) -> list[tuple[str, Sequence[str]]]:
    """The last command of a folder, and the runs that it covers, in words.

    Without a sweep.json this is only known for a run that was trained alone.
    """
    if sweep is None:
        origin: dict[str, Any] = read_object(entries[0].folder.path / "provenance.json")
        command: list[str] = origin.get("command") or []
        alone = len(entries) == 1 and not {"-m", "--multirun"} & set(command)
        what = "the same run again; a complete run is skipped"
        return [(what, command)] if command and alone else []
    # Earlier commands in the same folder may have asked for other runs.
    configs = sweep.current().configs
    covered = sum(entry.folder.run_id in configs for entry in entries)
    if not covered and configs:
        return []
    which = "the same runs again"
    if covered < len(entries):
        which = f"{covered} of the {len(entries)} runs again, by the last command in this folder"
    return [(f"{which}; complete runs are skipped", sweep.command)]
