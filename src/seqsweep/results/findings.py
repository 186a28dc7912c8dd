"""Computes the values that all sections of a report share."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from seqsweep.results import formatting
from seqsweep.results.across_sets import AcrossSets, across_sets
from seqsweep.results.baselines import Baseline, find_baselines
from seqsweep.results.effects import Effect, Interaction, strongest_interaction
from seqsweep.results.keys import label_keys
from seqsweep.results.leaderboard import Leaderboard, leaderboard
from seqsweep.results.rows import Row
from seqsweep.results.run_details import Run, config_runs
from seqsweep.results.run_names import Name, names_of
from seqsweep.runs.identity import FlatConfig
from seqsweep.runs.ledger import Entry, not_begun
from seqsweep.runs.metrics import Metric
from seqsweep.runs.sweepfile import SweepFile

MOST_LISTED = 1000
"""The most configs on the page, the best first. report.csv has all of them."""


@dataclass(frozen=True)
class Findings:
    """The results that the views of a folder share.

    Args:
        waiting: The number of runs that have not started.
        labels: The label of each run: the values of the keys in which runs differ.
        across: The table of configs by data sets; None if there is only one data set. With
            several, effects and costs would mix scores of different test sets, and are left out.
        names: The short names of all keys in which the configs differ.
        run_names: The names of all runs and of their configs in TensorBoard.
        rows: The rows of the board, with their words.
        runs: All runs of each listed row, counted or not.
    """

    folder: Path
    entries: Sequence[Entry]
    sweep: SweepFile | None
    waiting: int
    labels: Mapping[str, str]
    board: Leaderboard
    across: AcrossSets | None
    names: formatting.KeyNames
    run_names: Mapping[str, Name]
    rows: list[Row]
    runs: list[list[Run]]
    baselines: list[Baseline]
    baseline_notes: list[str]

    @property
    def effects(self) -> list[Effect]:
        """The main effects of the keys; empty if there are several data sets."""
        return [] if self.across else self.board.effects

    @cached_property
    def interaction(self) -> Interaction | None:
        """The strongest interaction of two keys, if the configs can be compared."""
        settings = [row.config for row in self.compared]
        return strongest_interaction(settings, self.means)

    @property
    def means(self) -> list[float]:
        """The mean scores of the compared configs."""
        return [row.metrics[self.score].mean for row in self.compared]

    @property
    def states(self) -> dict[str, int]:
        """The number of runs in each state."""
        return dict(Counter(entry.state for entry in self.entries))

    @property
    def score(self) -> Metric:
        """The metric in which the configs are compared."""
        return self.board.compared

    @property
    def unit(self) -> str:
        """The word for a replicate: `seed` if only seeds vary, else `replicate`."""
        return self.board.variation.unit

    @property
    def scored(self) -> list[Row]:
        """The rows that have the compared metric."""
        return [row for row in self.rows if self.score in row.metrics]

    @property
    def compared(self) -> list[Row]:
        """The scored rows; empty if there are several data sets."""
        return [] if self.across else self.scored

    @property
    def grand_mean(self) -> float:
        """The mean score of all compared configs; 0 without a config."""
        return math.fsum(self.means) / len(self.means) if self.means else 0.0

    @property
    def listed(self) -> list[Row]:
        """The rows on the page."""
        return self.rows[:MOST_LISTED]

    @property
    def has_seeds(self) -> bool:
        """Returns whether a config has more than one run."""
        return self.board.has_replicates


def find_all(folder: Path, entries: Sequence[Entry]) -> Findings:
    """Reads and computes the findings on the runs of a folder."""
    sweep = SweepFile.read(folder)
    planned: dict[str, FlatConfig] = dict(sweep.configs) if sweep else {}
    others = not_begun(planned, entries)
    begun = {entry.folder.run_id: entry.config for entry in entries}
    configs = [*begun.values(), *others]
    varied = formatting.key_names(label_keys(configs), configs)
    board = leaderboard(entries, others)
    across = across_sets(entries, others)
    key_names = formatting.key_names(board.keys, (row.config for row in board.rows))
    baselines, notes = find_baselines(folder, board.entries)
    # Planned runs are included, so a name does not change when more runs start.
    names = names_of(planned | begun)
    return Findings(
        folder=folder,
        entries=entries,
        sweep=sweep,
        waiting=len(planned.keys() - begun.keys()),
        labels={name: formatting.run_label(c, varied) or name for name, c in begun.items()},
        board=board,
        across=across,
        names=key_names,
        run_names=names,
        rows=_named(board),
        runs=config_runs(board, entries, names, folder, MOST_LISTED),
        baselines=baselines,
        baseline_notes=notes,
    )


def _named(board: Leaderboard) -> list[Row]:
    """Returns the rows with their words; a single row has no difference to itself."""
    rows = [replace(row, words=w) for row, w in zip(board.rows, board.words, strict=True)]
    return rows if len(rows) > 1 else [replace(row, difference=None) for row in rows]
