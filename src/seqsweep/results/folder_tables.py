"""Writes a folder's leaderboards, one per data set, to the terminal, JSON or csv."""

import csv
import io
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from seqsweep.console import place, print_lines
from seqsweep.results.across_sets import AcrossSets, across_sets
from seqsweep.results.by import By
from seqsweep.results.data_sets import data_sets
from seqsweep.results.formatting import key_names
from seqsweep.results.leaderboard import Leaderboard, leaderboard
from seqsweep.results.power import plan_replicates
from seqsweep.results.report.extra_sections import extra_lines
from seqsweep.results.tables import new_table, print_across_sets, print_leaderboard, print_table
from seqsweep.results.words import answer_of_ranks, find_answer, name_test
from seqsweep.runs.files import write_text
from seqsweep.runs.identity import FlatConfig
from seqsweep.runs.ledger import Entry, not_begun, of_this_version, other_versions
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.text import quoted_formula

_SIGNIFICANT = {"different": True, "indistinguishable": False}

MOST_BOARDS = 8
"""The most data sets whose leaderboards are printed; of more, only `--all` prints them."""


def print_folder(
    console: Console,
    folder: Path,
    entries: Sequence[Entry],
    top: int | None = None,
    every: bool = False,
    by: Sequence[By] = (),
) -> None:
    """Prints the leaderboard of a folder if one of its runs is complete.

    Runs of other versions are left out, and a line counts them. With several data sets, each has
    its own leaderboard, because scores of different test sets cannot be ranked together. The last
    table then compares the configs over all data sets by their ranks.

    Args:
        entries: The runs of the folder, of all versions.
        every: Print every leaderboard, even if there are more than MOST_BOARDS data sets.
        by: What `compare_values` returns, to print below the leaderboard.
    """
    current = of_this_version(entries)
    if any(entry.state == "complete" for entry in current):
        _print_boards(console, folder, current, top, every)
    for block in by:
        _print_by(console, block, len(by) > 1)
    if left_out := other_versions(entries):
        print_lines(console, f"{left_out}: not in the table", style="yellow")


def _print_boards(
    console: Console, folder: Path, entries: Sequence[Entry], top: int | None, every: bool
) -> None:
    planned = _planned(folder, entries)
    across = across_sets(entries, planned)
    if across is None:
        board = leaderboard(entries, planned)
        print_lines(console, find_answer(board).sentence)
        print_leaderboard(console, board, top)
        for line in extra_lines(folder, entries):
            print_lines(console, line)
        return
    print_lines(console, answer_of_ranks(across).sentence)
    sets = data_sets(entries, planned)
    for one in sets if every or len(sets) <= MOST_BOARDS else ():
        print_lines(console, one.name, style="bold")
        board = leaderboard(one.entries, one.planned)
        if board.rows:
            print_leaderboard(console, board, top)
        else:
            print_lines(console, "no run is complete")
    print_across_sets(console, across, top)
    if len(sets) > MOST_BOARDS and not every:
        command = f"seqsweep leaderboard {shlex.quote(place(folder))} --all"
        line = f"the leaderboards of the {len(sets)} data sets: {command}"
        print_lines(console, line, style="dim")


def _print_by(console: Console, block: By, has_several_sets: bool) -> None:
    """Prints the pairs of values on one data set, then their sentences."""
    on = f" on {block.data}" if has_several_sets else ""
    head, *rows = block.cells
    table = new_table(head, keys=2)
    for row in rows:
        table.add_row(*map(escape, row))
    if rows:
        print_table(console, table, f"{block.score} by {block.name}{on}, all else equal")
    print_lines(console, *(pair.sentence for pair in block.pairs), *block.notes)


def _planned(folder: Path, entries: Sequence[Entry]) -> list[FlatConfig]:
    sweep = SweepFile.read(folder)
    return not_begun(sweep.configs, entries) if sweep else []


def boards_of(
    folder: Path, entries: Sequence[Entry], top: int | None, by: Sequence[By] = ()
) -> dict[str, Any]:
    """Returns the content of `print_folder` for `--json`: states, boards, mean ranks."""
    planned = _planned(folder, entries)
    states = Counter(entry.state for entry in entries)
    found = data_sets(entries, planned)
    boards = [leaderboard(one.entries, one.planned) for one in found]
    sets = [
        {"data": one.name} | _board_of(board, top) for one, board in zip(found, boards, strict=True)
    ]
    across = across_sets(entries, planned)
    content: dict[str, Any] = {}
    if across or boards:
        content["answer"] = answer_of_ranks(across) if across else find_answer(boards[0])
    content |= {"states": states, "not_started": len(planned), "sets": sets}
    if across and across.ranking:
        pairs = zip(across.methods, across.ranking.mean_ranks, strict=True)
        content["across"] = [{"keys": one.keys, "mean_rank": rank} for one, rank in pairs]
    return content | ({"by": by} if by else {})


def _board_of(board: Leaderboard, top: int | None) -> dict[str, Any]:
    configs: list[dict[str, Any]] = []
    for row in board.rows[:top]:
        runs = [entry.folder.run_id for entry in row.entries]
        content: dict[str, Any] = {"rank": row.rank, "keys": row.config}
        content |= {"runs": runs, "metrics": row.metrics}
        if difference := row.difference:
            content["verdict"] = difference.verdict
            content["significant"] = _SIGNIFICANT.get(difference.verdict)
            # The first config is compared with itself: it has no p and no useful difference.
            content |= {"p": difference.p, "adjusted": difference.adjusted}
            content["difference"] = difference.interval if row.rank > 1 else None
        configs.append(content)
    head = {"monitor": board.monitor, "score": board.compared, "unit": board.variation.unit}
    more = {"replicates": plan_replicates(board), "test": name_test(board.variation)}
    return {**head, **more, "configs": configs}


def write_sets_csv(path: Path, folder: Path, entries: Sequence[Entry]) -> None:
    """Writes the table over data sets as csv. Raises a ValueError for one data set."""
    across = across_sets(entries, _planned(folder, entries))
    if across is None:
        raise ValueError(f"--out={path}: {folder} has one data set; its table is in report.csv")
    write_text(path, as_csv(across))


def as_csv(found: AcrossSets) -> str:
    """Returns csv with a row per method: its ranks, and numbers for each data set."""
    configs = [method.keys for method in found.methods]
    keys = key_names(configs[0] if configs else (), configs)
    parts = [f"{name}{part}" for name in found.sets for part in ("", " std", " runs")]
    ranks = ["mean rank", "won", "drawn", "lost", "adjusted p"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(quoted_formula, ["config", *keys.values(), *ranks, *parts]))
    for index, method in enumerate(found.methods):
        row: list[Any] = [method.words]
        row += [quoted_formula(keys.text(key, value)) for key, value in method.keys.items()]
        mean_rank = found.ranking and found.ranking.mean_ranks[index]
        against = found.ranking and found.ranking.against[index]
        row += [mean_rank, *(astuple(against) if against else [None] * 4)]
        for one in method.cells:
            row += (one.mean, one.std, one.n) if one else (None, None, None)
        writer.writerow(row)
    return text.getvalue()
