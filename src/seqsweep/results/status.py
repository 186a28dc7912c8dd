"""Prints the status of runs and folders, and deletes runs for `seqsweep clean`."""

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seqsweep.console import place, print_lines
from seqsweep.results.formatting import error_text, key_names, run_label, status_line
from seqsweep.results.keys import label_keys
from seqsweep.results.leaderboard import leaderboard
from seqsweep.results.replicates import numbers
from seqsweep.runs.clean import (
    FAILED,
    INCOMPLETE,
    OTHER_VERSIONS,
    PRUNED,
    Removal,
    delete_all,
    find_removals,
    freed,
)
from seqsweep.runs.files import find_link, remove
from seqsweep.runs.ledger import Entry, find_faults, read_folder
from seqsweep.runs.metrics import knows_metrics
from seqsweep.runs.record import State
from seqsweep.runs.sweepfile import SweepFile, remove_leftovers
from seqsweep.terminal_table import MOST_ROWS, FittingTable, add_columns, new_table, print_table
from seqsweep.text import cost, count, number

_DEPTH = 4

_COLOURS: dict[State, str] = {
    "complete": "green", "running": "cyan", "diverged": "red", "failed": "red", "damaged": "red",
}  # fmt: skip
"""The colours of states; the others are yellow."""


def status_table(entries: Sequence[Entry], most: int | None = None) -> Table:
    """Returns a table of at most `most` runs: differing keys, state, scores."""
    configs = [entry.config for entry in entries]
    names = key_names(label_keys(configs), configs)
    table = FittingTable(box=SIMPLE_HEAD, pad_edge=False)
    add_columns(table, ["run"])
    add_columns(table, names.values(), style="cyan")
    # The state column ends with the error, the only text that may be cut.
    table.long = len(table.columns)
    table.add_column("state", no_wrap=True, overflow="ellipsis")
    complete = [entry for entry in entries if entry.state == "complete"]
    own = [config for config in configs if not knows_metrics(config)]
    scores = dict.fromkeys([] if own and len(own) == len(configs) else ["val/acc", "test/acc"])
    if own and complete:
        with contextlib.suppress(ValueError):  # the leaderboard says why there is no score
            board = leaderboard(complete)
            scores |= dict.fromkeys((board.monitor, board.compared))
    # The validation score is omitted last.
    table.spare = add_columns(table, [*scores, "seconds"])[::-1]
    if most is not None and len(entries) > most:
        # Runs without scores come first. Python's sort keeps the order of equal entries.
        entries = sorted(entries, key=lambda entry: entry.state in ("complete", "pruned"))[:most]
    for entry in entries:
        values = numbers(entry) if entry.state in ("complete", "pruned") else {}
        results = [number(values[n]) if n in values else "" for n in scores]
        error = f" {escape(error_text(entry.state, entry.error))}" if entry.error else ""
        table.add_row(
            escape(entry.folder.run_id),
            *(escape(names.text(key, entry.config.get(key))) for key in names),
            f"[{_COLOURS.get(entry.state, 'yellow')}]{entry.state}[/]{error}",
            *results,
            cost("train_seconds", values["train_seconds"]) if "train_seconds" in values else "",
        )
    return table


def folders_below(folder: Path) -> list[Path]:
    """Returns the folders of runs below a folder, the last changed last."""
    if not folder.is_dir() or (folder / "config.yaml").is_file():
        return []
    folders = [path for path in _search(folder, _DEPTH) if path != folder]
    return sorted(folders, key=lambda path: (path.stat().st_mtime, path))


def print_status(folder: Path, console: Console, most: int | None = MOST_ROWS) -> dict[str, Any]:
    """Prints and returns the status of each run or folder of runs.

    Raises:
        FileNotFoundError: The folder does not exist.
        ValueError: The folder contains no run.
    """
    if below := folders_below(folder):
        return {"folder": str(folder), "folders": print_folders(below, console)}
    entries = read_folder(folder, of_all_versions=True)
    print_table(console, status_table(entries, most))
    if most is not None and len(entries) > most:
        more = f"and {len(entries) - most:,} more runs: --all lists them and looks at their files"
        print_lines(console, more, style="dim")
    print_lines(console, status_line(folder, entries))
    started = {entry.folder.run_id for entry in entries}
    sweep = SweepFile.read(folder)
    # A member that has not started has no folder, so only sweep.json lists it.
    waiting = len(sweep.configs.keys() - started) if sweep else 0
    if waiting:
        have = "has" if waiting == 1 else "have"
        print_lines(console, f"{count(waiting, 'run')} of the sweep {have} not started")
    complete = [entry for entry in entries if entry.state == "complete"]
    # Looking at the files of many thousand runs would take longer than all else.
    faults = {e.folder.run_id: found for e in complete[:most] if (found := find_faults(e))}
    for name, found in faults.items():
        print_lines(console, f"{name}: {'; '.join(found)}")
    keys = label_keys([entry.config for entry in entries])
    runs = [
        {"run_id": entry.folder.run_id, "state": entry.state, "error": entry.error}
        | {"faults": faults.get(entry.folder.run_id)}
        | {"keys": {key: entry.config.get(key) for key in keys}, "metrics": numbers(entry)}
        for entry in entries
    ]
    states = Counter(entry.state for entry in entries)
    return {"folder": str(folder), "states": states, "not_started": waiting, "runs": runs}


def print_folders(folders: Sequence[Path], console: Console) -> list[dict[str, Any]]:
    """Prints and returns the runs, states and size of each folder."""
    rows = [
        (path, Counter(e.state for e in read_folder(path, of_all_versions=True)), _size(path))
        for path in folders
    ]
    states = [state for state in get_args(State) if any(counts[state] for _, counts, _ in rows)]
    table = new_table(["folder", "runs", *states, "size"])
    for path, counts, size in rows:
        numbers = [str(counts[state] or "") for state in states]
        table.add_row(place(path), str(counts.total()), *numbers, size_text(size))
    print_table(console, table)
    runs = sum(counts.total() for _, counts, _ in rows)
    size = size_text(sum(size for _, _, size in rows))
    print_lines(console, f"{count(len(rows), 'folder')}, {count(runs, 'run')}, {size}")
    return [{"folder": place(path), "states": of, "bytes": size} for path, of, size in rows]


def clean(
    folder: Path,
    states: Collection[State],
    checkpoints: bool,
    wanted: Mapping[str, str],
    yes: bool,
    console: Console,
    write_report: Callable[[Path], object],
) -> None:
    """Prints the runs chosen for deletion with their sizes; `yes` deletes them.

    Without states, checkpoints and values, it prints the possible choices.

    Args:
        states: The states of the chosen runs.
        checkpoints: Whether the last checkpoints of complete runs are chosen.
        wanted: The values of the chosen runs, by key.
        write_report: Renews the report of the folder, if it has one.

    Raises:
        FileNotFoundError: The folder does not exist.
        ValueError: The folder contains no run, a key is unknown, or `yes` comes without a choice.
        OSError: A file cannot be deleted.
    """
    entries = read_folder(folder, of_all_versions=True)
    if not (states or checkpoints or wanted):
        if yes:
            raise ValueError(
                "--yes: choose what to delete: --failed, --incomplete, --pruned, --other-versions,"
                " --checkpoints, KEY=VALUE"
            )
        _print_choices(entries, console)
        return
    removals = find_removals(entries, states, checkpoints, wanted)
    for line in _lines(removals, entries):
        print_lines(console, line)
    # Runs in use are always mentioned, because the choice may have included them.
    if running := sum(entry.state == "running" for entry in entries):
        print_lines(console, f"{count(running, 'run')} in use: not deleted")
    for entry in entries:
        if (link := find_link(entry.folder.path)) is not None:
            print_lines(
                console, f"{place(Path(link))}: is a symbolic link; nothing is deleted behind it"
            )
    if not removals:
        print_lines(console, "nothing to delete")
    elif not yes:
        print_lines(console, f"{_summary(removals)}: nothing is deleted without --yes")
    else:
        summary = _summary(removals)
        reasons = delete_all(removals)
        remove_leftovers(folder)
        if any(removal.is_whole for removal in removals):
            _renew_results(folder, console, write_report)
        for reason in reasons:  # one for each run that is kept
            print_lines(console, reason)
        print_lines(console, f"deleted: {summary}")


def _renew_results(folder: Path, console: Console, write_report: Callable[[Path], object]) -> None:
    """Renews the report; removes it if no run remains."""
    if not (folder / "report.json").is_file():
        return
    if not any(folder.glob("*/config.yaml")):
        remove(folder, "report.html", "report.csv", "report.json")
        return
    try:
        write_report(folder)
    except (OSError, ValueError) as error:  # the runs are already deleted
        print_lines(console, f"no report: {error}")


def _print_choices(entries: Sequence[Entry], console: Console) -> None:
    choices = {
        "--failed": FAILED,
        "--incomplete": INCOMPLETE,
        "--pruned": PRUNED,
        "--other-versions": OTHER_VERSIONS,
        "--checkpoints": (),
    }
    for option, states in choices.items():
        removals = find_removals(entries, states, option == "--checkpoints", {})
        print_lines(console, f"{option:17} {_summary(removals)}")
    print_lines(console, "KEY=VALUE ...     the runs with these values")


def size_text(size: float) -> str:
    """Formats a number of bytes with at most three digits: `999 B`, `4.2 MiB`."""
    units = ("B", "KiB", "MiB", "GiB", "TiB")
    index = 0
    while size >= 999.5 and index < len(units) - 1:
        size, index = size / 1024, index + 1
    return f"{size:.1f} {units[index]}" if index and size < 9.95 else f"{size:.0f} {units[index]}"


def _search(folder: Path, depth: int) -> Iterator[Path]:
    """Yields the folders that contain runs, down to a depth."""
    with os.scandir(folder) as items:
        # Links are not followed, because a link may lead back to a folder above.
        below = [Path(item.path) for item in items if item.is_dir(follow_symlinks=False)]
    below = sorted(path for path in below if not path.name.startswith("."))
    # The folders below a folder of runs are the runs, so the search stops here.
    if any((path / "config.yaml").is_file() for path in below):
        yield folder
    elif depth:
        for path in below:
            yield from _search(path, depth - 1)


def _size(folder: Path) -> int:
    paths = [Path(root) / name for root, _, names in os.walk(folder) for name in names]
    return freed(paths)


def _lines(removals: Sequence[Removal], entries: Sequence[Entry]) -> list[str]:
    configs = [entry.config for entry in entries]
    keys = key_names(label_keys(configs), configs)
    return [
        f"{removal.entry.folder.run_id}  {removal.entry.state:11}  "
        f"{size_text(freed(removal.files)):>8}  {'' if removal.is_whole else 'last.ckpt of '}"
        f"{run_label(removal.entry.config, keys) or 'the run'}"
        for removal in removals
    ]


def _summary(removals: Sequence[Removal]) -> str:
    """Returns the number of runs and checkpoints, and their size."""
    whole = sum(removal.is_whole for removal in removals)
    last = len(removals) - whole
    parts = [count(whole, "run")] if whole else []
    parts += [f"last.ckpt of {count(last, 'run')}"] if last else []
    files = [path for removal in removals for path in removal.files]
    return ", ".join([*(parts or ["nothing"]), size_text(freed(files))])
