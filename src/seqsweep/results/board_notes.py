"""The lines below a leaderboard: its signs, what varied, missing runs, tests."""

from collections import Counter
from typing import NamedTuple

from seqsweep.results.formatting import count
from seqsweep.results.leaderboard import Leaderboard, Row
from seqsweep.results.replicates import shared_splits
from seqsweep.results.significance import LEVEL
from seqsweep.results.verdicts import name_test, replicates_override, too_few_words

CHOSEN = "*"
"""Marks the rank of a config without fresh seeds in the leaderboard of a search."""


class Signs(NamedTuple):
    """The signs of a deviation and of an indistinguishable row."""

    deviation: str = "±"
    mark: str = "≈"


def leaderboard_notes(board: Leaderboard, signs: Signs | None = None) -> list[str]:
    """The lines below the table: its signs, missing runs, comparisons."""
    signs = signs or Signs()
    notes: list[str] = []
    if has_replicates(board):
        over = f"replicates ({board.variation.words})" if board.variation.resampled else "seeds"
        legend = f"{signs.deviation} is one standard deviation over the {over}"
        notes.append(f"[dim]{legend}[/]")
    test = f"(paired by {board.variation.unit}, {name_test(board.variation)}, {1 - LEVEL:.0%})"
    if has_marks(board):
        notes.append(
            f"{signs.mark} statistically indistinguishable from the first in {board.compared} "
            f"{test}"
        )
    elif board.variation.resampled and (tested := sum(map(_is_tested, board.rows))):
        differ = "config differs" if tested == 1 else "configs differ"
        notes.append(f"{tested} {differ} from the first in {board.compared} {test}")
    if any(row.is_chosen for row in board.rows):
        notes.append(f"{CHOSEN} no fresh seeds: the search chose by these values, partly by luck")
    notes += _split_notes(board)
    notes += _missing_notes(board)
    for reason, configs in Counter(row.apart for row in board.rows if row.apart).items():
        notes.append(f"{count(configs, 'config')} not compared with the first: {reason}")
    notes += _too_few_notes(board)
    if board.compares_on_ranking_split and any(map(_is_tested, board.rows)):
        notes.append(
            f"no test split: {board.monitor} chose the first config, so the differences to it in "
            f"{board.compared} are optimistic"
        )
    return notes


def has_replicates(board: Leaderboard) -> bool:
    """Returns whether a config has more than one run."""
    return any(row.n > 1 for row in board.rows)


def has_marks(board: Leaderboard) -> bool:
    """Returns whether a config is indistinguishable from the first."""
    return any(map(is_marked, board.rows))


def is_marked(row: Row) -> bool:
    """Returns whether the row was compared with the first and does not differ."""
    return row.difference is not None and row.difference.verdict == "indistinguishable"


def _is_tested(row: Row) -> bool:
    """Returns whether a test has said something about the row."""
    difference = row.difference
    if difference is None:
        return False
    return difference.verdict in ("different", "indistinguishable") or difference.differs_by_t


def _missing_notes(board: Leaderboard) -> list[str]:
    notes: list[str] = []
    if missing := len(board.grid.missing):
        are = "is" if missing == 1 else "are"
        states = ", ".join(f"{number} {state}" for state, number in board.missing_states.items())
        runs = count(board.grid.planned, "run")
        notes.append(f"[yellow]{missing} of {runs} {are} not complete ({states})[/]")
    if board.pruned:
        notes.append(f"{count(board.pruned, 'run')} pruned by a search: not ranked")
    if board.left_out:
        runs, unit = count(board.left_out, "run"), board.variation.unit
        notes.append(
            f"[yellow]{runs} left out: a newer run has the same config, data and {unit}[/]"
        )
    return notes


def _split_notes(board: Leaderboard) -> list[str]:
    """Says by which splits the configs are ranked, if they have different ones."""
    variation = board.variation
    # The splits of two data sets have nothing in common.
    if not variation.resampled or board.sets > 1:
        return []
    shared = shared_splits(
        [variation.by_replicate(row.entries) for row in board.rows], board.monitor
    )
    if all(
        {key.split for key in row.samples.get(board.monitor, {})} <= shared for row in board.rows
    ):
        return []
    if not shared:
        return ["[yellow]no split is common to all configs: each is ranked by its own splits[/]"]
    splits = count(len(shared), "split")
    return [f"[yellow]ranked by the {splits} that all configs have[/]"]


def _too_few_notes(board: Leaderboard) -> list[str]:
    """Says why rows are not compared, if they have too few replicates."""
    compared = [(row, row.difference) for row in board.rows if row.difference is not None]
    undecided = [difference for _, difference in compared if difference.verdict == "undecided"]
    runs = [row.n for row, _ in compared]
    by_t = sum(difference.differs_by_t for difference in undecided)
    shared = [difference.n for difference in undecided]
    untested = [difference.untested for difference in undecided]
    folds = board.variation.folds
    words = too_few_words(shared, runs, by_t, untested, folds)
    if words is None:
        return []
    # One seed each is usual and deserves no warning: nothing was meant to be tested.
    if any(untested) or any(n > 1 for n in runs):
        return [f"[yellow]{words}[/]"]
    return [f"[dim]{words}: {replicates_override(len(runs), folds)}[/]"]
