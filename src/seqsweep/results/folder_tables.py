"""Writes a folder's leaderboards, one per data set, to the terminal, JSON or csv."""

import csv
import io
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seqsweep.console import place, print_lines
from seqsweep.results.across_sets import AcrossSets
from seqsweep.results.columns import (
    Column,
    Signs,
    board_columns,
    needed_metrics,
    of_kinds,
    with_deviation,
)
from seqsweep.results.comparison import By
from seqsweep.results.findings import Findings
from seqsweep.results.formatting import key_names
from seqsweep.results.leaderboard import Leaderboard
from seqsweep.results.power import plan_replicates
from seqsweep.results.sections import extra_lines
from seqsweep.results.words import (
    answer_of_ranks,
    find_answer,
    leaderboard_notes,
    rank_cells,
    ranking_words,
)
from seqsweep.runs.files import write_text
from seqsweep.runs.ledger import Entry, of_this_version, other_versions
from seqsweep.runs.metrics import as_metric
from seqsweep.terminal_table import MOST_ROWS, FittingTable, add_columns, new_table, print_table
from seqsweep.text import quoted_formula

_SIGNIFICANT = {"different": True, "indistinguishable": False}

MOST_BOARDS = 8
"""The most data sets whose leaderboards are printed; of more, only `--all` prints them."""


_BELOW = ("difference", "p", "verdict")
"""The kinds of columns that the mark and the lines below the table stand for."""

_STYLES = {"key": "cyan", "lost": "red"}
_SPARE = ("f1", "loss", "train_seconds", "params", "best_epoch")
"""The columns that a narrow terminal omits, in this order, unless they rank or compare rows."""


def leaderboard_table(
    board: Leaderboard, top: int | None = None, signs: Signs | None = None
) -> Table:
    """Returns the table of a leaderboard, best row first, at most `top` rows."""
    columns = [one for one in board_columns(board, signs) if one.kind not in _BELOW]
    table = FittingTable(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        style = "bold" if column.key == board.monitor else _STYLES.get(column.kind, "")
        add_columns(table, [column.head], style)
    table.spare = [*map(columns.index, _spare_columns(columns, board))]
    for row in board.rows[:top]:
        table.add_row(*(escape(column.cell(row).text) for column in columns))
    return table


def _spare_columns(columns: Sequence[Column], board: Leaderboard) -> list[Column]:
    """Returns what a narrow terminal omits: other metrics, costs, replicates, then scores."""
    needed, metrics = needed_metrics(board), of_kinds(columns, "score", "metric")
    own = [one for one in metrics if not as_metric(one.key).is_ours]
    usual = [
        one
        for kind in _SPARE
        for one in (*metrics, *of_kinds(columns, "cost"))
        if kind in (one.key, as_metric(one.key).kind)
    ]
    first = [one for one in (*own, *usual) if one.key not in needed]
    scores = [one for one in metrics if one.key != board.monitor]
    return [*dict.fromkeys([*first, *of_kinds(columns, "count"), *scores])]


def print_leaderboard(console: Console, board: Leaderboard, top: int | None = None) -> None:
    """Prints the leaderboard and its notes; `top` rows, by default `MOST_ROWS`."""
    top = MOST_ROWS if top is None else top
    signs = Signs("+/-", "~") if console.options.ascii_only else Signs()
    print_table(console, leaderboard_table(board, top, signs), f"by {board.chosen_by}")
    _print_below(console, len(board.rows) - top, leaderboard_notes(board, signs))


def _print_below(console: Console, cut: int, notes: Iterable[str]) -> None:
    # A shortened table must not look like the whole table.
    if cut > 0:
        print_lines(console, f"and {cut} more", style="dim")
    print_lines(console, *notes)


def print_across_sets(console: Console, found: AcrossSets, top: int | None = None) -> None:
    """Prints the table of configs by data sets, and its notes."""
    table = _across_table(found, top, "+/-" if console.options.ascii_only else "±")
    print_table(console, table, f"{found.metric} by data set")
    cut = len(found.methods) - (top or len(found.methods))
    _print_below(console, cut, ranking_words(found))


def _across_table(found: AcrossSets, top: int | None, deviation: str) -> Table:
    """Returns the configs with their ranks and a column for each data set."""
    names = key_names(found.methods[0].keys, (method.keys for method in found.methods))
    keys = list(names.values()) or ["config"]
    ranks = ["mean rank", "won/drawn/lost", "p"] if found.ranking else []
    headers = [*keys, *ranks, *found.sets]
    table = new_table(headers, keys=len(keys))
    # A narrow terminal omits the last data sets first, because the ranks summarise them.
    table.spare = range(len(headers) - 1, len(keys) + len(ranks), -1)
    for index, method in enumerate(found.methods[:top]):
        values = [escape(names.text(key, value)) for key, value in method.keys.items()]
        cells = [with_deviation(cell, deviation) for cell in method.cells]
        table.add_row(*(values or [escape(method.words)]), *rank_cells(found, index), *cells)
    return table


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
        _print_boards(console, Findings(folder, current), top, every)
    for block in by:
        _print_by(console, block, len(by) > 1)
    if left_out := other_versions(entries):
        print_lines(console, f"{left_out}: not in the table", style="yellow")


def _print_boards(console: Console, findings: Findings, top: int | None, every: bool) -> None:
    folder, across = findings.folder, findings.across
    if across is None:
        print_lines(console, find_answer(findings.board).sentence)
        print_leaderboard(console, findings.board, top)
        print_lines(console, *extra_lines(folder, findings.entries))
        return
    print_lines(console, answer_of_ranks(across).sentence)
    sets = findings.sets
    if every or len(sets) <= MOST_BOARDS:
        for one, board in zip(sets, findings.boards, strict=True):
            print_lines(console, one.name, style="bold")
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


def boards_of(
    folder: Path, entries: Sequence[Entry], top: int | None, by: Sequence[By] = ()
) -> dict[str, Any]:
    """Returns the content of `print_folder` for `--json`: states, boards, mean ranks."""
    findings = Findings(folder, entries)
    across, boards = findings.across, findings.boards
    content: dict[str, Any] = {}
    if across or boards:
        content["answer"] = answer_of_ranks(across) if across else find_answer(boards[0])
    pairs = zip(findings.sets, boards, strict=True)
    sets = [{"data": one.name} | _board_of(board, top) for one, board in pairs]
    not_started = len(findings.not_begun)
    content |= {"states": findings.states, "not_started": not_started, "sets": sets}
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
    more = {"replicates": plan_replicates(board), "test": board.variation.test}
    return {**head, **more, "configs": configs}


def write_sets_csv(path: Path, folder: Path, entries: Sequence[Entry]) -> None:
    """Writes the table over data sets as csv. Raises a ValueError for one data set."""
    across = Findings(folder, entries).across
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
