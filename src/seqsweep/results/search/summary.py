"""The lines on a search below a leaderboard."""

import shlex
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from seqsweep.console import place
from seqsweep.results.formatting import NBSP
from seqsweep.results.search.findings import find_search
from seqsweep.results.search.words import (
    best_words,
    lucky_seed_words,
    optimism_words,
    order_words,
    trials_words,
)
from seqsweep.runs.ledger import Entry


def print_search(console: Console, folder: Path, entries: Iterable[Entry]) -> None:
    """Prints the lines on a folder's search; nothing without one."""
    for line in search_lines(folder, entries):
        console.print(line, soft_wrap=not console.is_terminal, highlight=False, markup=False)


def search_lines(folder: Path, entries: Iterable[Entry]) -> list[str]:
    """Returns the best trial, its confirmation and where to read more; empty without a search."""
    search = find_search(folder, entries, with_importance=False)
    if search is None:
        return []
    confirmation = search.confirmation
    lines = [
        f"search: {trials_words(search)}. {best_words(search)}",
        optimism_words(search),
        order_words(confirmation) if confirmation else "",
        lucky_seed_words(search),
        f"importance of the keys, all trials, budget: seqsweep report {shlex.quote(place(folder))}",
    ]
    # A terminal may lack these two characters.
    plain = (line.replace(NBSP, " ").replace("\N{MINUS SIGN}", "-") for line in lines)
    return [line for line in plain if line]
