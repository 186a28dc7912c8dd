"""Prints what a folder of runs says: a leaderboard, or one for each data set and their ranks."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from seqsweep.results.across_sets import across_sets
from seqsweep.results.across_text import print_across_sets
from seqsweep.results.data_sets import data_sets
from seqsweep.results.leaderboard import leaderboard
from seqsweep.results.tables import print_leaderboard
from seqsweep.runs.ledger import Entry, not_begun
from seqsweep.runs.sweepfile import SweepFile


def print_folder(
    console: Console, folder: Path, entries: Sequence[Entry], top: int | None = None
) -> None:
    """Prints the leaderboard of a folder if it has a complete run.

    With several data sets, each has its own leaderboard: scores of different test sets cannot be
    ranked together. The last table compares the configs over all data sets, by their ranks.
    """
    if not any(entry.state == "complete" for entry in entries):
        return
    sweep = SweepFile.read(folder)
    planned = not_begun(sweep.configs, entries) if sweep else []
    across = across_sets(entries, planned)
    if across is None:
        print_leaderboard(console, leaderboard(entries, planned), top)
        return
    for one in data_sets(entries, planned):
        console.print(f"[bold]{escape(one.name)}[/]", highlight=False)
        board = leaderboard(one.entries, one.planned)
        if board.rows:
            print_leaderboard(console, board, top)
        else:
            console.print("no run is complete\n", highlight=False)
    print_across_sets(console, across, top)
