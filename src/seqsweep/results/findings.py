"""Computes the values that all views of a folder share."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from seqsweep.results.across_sets import AcrossSets, across_sets
from seqsweep.results.baselines import Baseline, find_baselines
from seqsweep.results.curves import Curve, Kind, curve_kinds, find_curves
from seqsweep.results.data_sets import DataSet, data_sets
from seqsweep.results.effects import Effect, Interaction, strongest_interaction
from seqsweep.results.formatting import KeyNames, key_names, run_label
from seqsweep.results.keys import label_keys
from seqsweep.results.leaderboard import Leaderboard, leaderboard
from seqsweep.results.rows import Row
from seqsweep.results.run_details import Run, config_runs
from seqsweep.results.run_names import Name, names_of
from seqsweep.results.significance import mean_of
from seqsweep.runs.identity import FlatConfig
from seqsweep.runs.ledger import Entry, not_begun
from seqsweep.runs.metrics import Metric
from seqsweep.runs.sweepfile import SweepFile

MOST_LISTED = 1000
"""The most configs on the page, the best first. report.csv has all of them."""


@dataclass(frozen=True)
class Findings:
    """The results of a folder's runs, each computed when a view first asks for it."""

    folder: Path
    entries: Sequence[Entry]

    @cached_property
    def sweep(self) -> SweepFile | None:
        """The content of sweep.json."""
        return SweepFile.read(self.folder)

    @cached_property
    def not_begun(self) -> list[FlatConfig]:
        """The configs of the sweep's members that have not started."""
        return not_begun(self.sweep.configs, self.entries) if self.sweep else []

    @cached_property
    def configs(self) -> Mapping[str, FlatConfig]:
        """The configs of all runs and planned runs, by run_id."""
        begun = {entry.folder.run_id: entry.config for entry in self.entries}
        return {**self.sweep.configs, **begun} if self.sweep else begun

    @property
    def waiting(self) -> int:
        """The number of runs that have not started."""
        return len(self.configs) - len(self.entries)

    @cached_property
    def _label_names(self) -> KeyNames:
        configs = [*(entry.config for entry in self.entries), *self.not_begun]
        return key_names(label_keys(configs), configs)

    def label(self, entry: Entry) -> str:
        """Returns the label of a run: the values of the keys in which runs differ."""
        return run_label(entry.config, self._label_names) or entry.folder.run_id

    @cached_property
    def kinds(self) -> list[Kind]:
        """The kinds of metrics whose learning curves are drawn."""
        return curve_kinds(self.entries, self.rows)

    @cached_property
    def curves(self) -> list[Curve]:
        """The learning curves of the best configs, or else of incomplete runs."""
        return find_curves(self.kinds, self.rows, self.entries, self.label)

    @cached_property
    def run_names(self) -> dict[str, Name]:
        """The names of all runs and of their configs in TensorBoard, by run_id."""
        # Planned runs are included, so a name does not change when more runs start.
        return names_of(self.configs)

    @cached_property
    def sets(self) -> list[DataSet]:
        """The data sets of the runs, and of the planned runs."""
        return data_sets(self.entries, self.not_begun)

    @cached_property
    def boards(self) -> list[Leaderboard]:
        """The leaderboard of each data set."""
        return [leaderboard(one.entries, one.planned) for one in self.sets]

    @cached_property
    def board(self) -> Leaderboard:
        """The leaderboard of all runs."""
        return leaderboard(self.entries, self.not_begun)

    @cached_property
    def across(self) -> AcrossSets | None:
        """The table of configs by data sets; None if there is only one data set.

        With several, effects and costs would mix scores of different test sets, and are left out.
        """
        return across_sets(self.entries, self.not_begun)

    @cached_property
    def names(self) -> KeyNames:
        """The short names of all keys in which the configs differ."""
        return key_names(self.board.keys, (row.config for row in self.board.rows))

    @cached_property
    def rows(self) -> list[Row]:
        """The rows of the board, with their words."""
        rows = zip(self.board.rows, self.board.words, strict=True)
        named = [replace(row, words=words) for row, words in rows]
        # A single row has no difference to itself.
        return named if len(named) > 1 else [replace(row, difference=None) for row in named]

    @cached_property
    def runs(self) -> list[list[Run]]:
        """All runs of each listed row, counted or not."""
        return config_runs(self.board, self.entries, self.run_names, self.folder, MOST_LISTED)

    @cached_property
    def baselines(self) -> tuple[list[Baseline], list[str]]:
        """The baselines on the data of the runs, and notes on them."""
        return find_baselines(self.folder, self.board.entries)

    @property
    def effects(self) -> list[Effect]:
        """The main effects on one data set; empty for one seed each."""
        return self.board.effects if self.board.has_replicates and not self.across else []

    @cached_property
    def interaction(self) -> Interaction | None:
        """The strongest interaction of two keys; None where `effects` has none."""
        if not self.effects:
            return None
        return strongest_interaction([row.config for row in self.compared], self.means)

    @property
    def means(self) -> list[float]:
        """The mean scores of the compared configs."""
        return [row.metrics[self.score].mean for row in self.compared]

    @property
    def grand_mean(self) -> float:
        """The mean score of all compared configs; 0 without a config."""
        return mean_of(self.means or [0.0])

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

    @cached_property
    def scored(self) -> list[Row]:
        """The rows that have the compared metric."""
        return [row for row in self.rows if self.score in row.metrics]

    @property
    def compared(self) -> list[Row]:
        """The scored rows; empty if there are several data sets."""
        return [] if self.across else self.scored

    @property
    def listed(self) -> list[Row]:
        """The rows on the page."""
        return self.rows[:MOST_LISTED]
