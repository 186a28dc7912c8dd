"""Computes the values that all sections of a report share."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from seqsweep.results import formatting
from seqsweep.results.across_sets import AcrossSets, across_sets
from seqsweep.results.effects import Effect, Interaction, strongest_interaction
from seqsweep.results.leaderboard import Leaderboard, leaderboard
from seqsweep.results.replicates import varied_words
from seqsweep.results.rows import label_keys
from seqsweep.results.run_details import Run, config_runs
from seqsweep.results.run_names import Name, names_of
from seqsweep.results.significance import Difference, Estimate
from seqsweep.runs.identity import FlatConfig
from seqsweep.runs.ledger import Entry, not_begun
from seqsweep.runs.metrics import Metric
from seqsweep.runs.sweepfile import SweepFile

MOST_LISTED = 1000
"""The most configs on the page, the best first. report.csv has all of them."""


@dataclass(frozen=True)
class Config:
    """A row of the leaderboard: one config over its replicates.

    Args:
        rank: The rank from 1 among the configs on its data set.
        name: The name of the config in TensorBoard.
        words: The values that distinguish the config.
        keys: The values of all keys in which the configs differ.
        runs: The run_ids that the numbers are computed from.
        scores: The pairs [replicate, value] of the compared metric. A replicate is a seed, or a
            text such as `fold=1 seed=0` if the splits vary.
        varied: How the runs differ: `5 folds x 3 seeds`.
        difference: The difference to the first config; None if the config is not compared.
        apart: Why the config is not compared with the first, for example `other test set`.
        lost: A text that says how many replicates diverged or failed. The mean over the other
            replicates may then be too good.
        data: A text that is equal for configs evaluated on the same sequences.
        all_runs: All runs of the config, including runs that are not counted.
    """

    rank: int
    name: str
    words: str
    keys: dict[str, Any]
    runs: list[str]
    metrics: dict[str, Estimate]
    scores: Sequence[tuple[int | str, float]]
    difference: Difference | None
    apart: str = ""
    lost: str = ""
    data: str = ""
    varied: str = ""
    all_runs: list[Run] = field(default_factory=list[Run])

    @property
    def verdict(self) -> str:
        """The verdict of the comparison, or the reason why it is missing."""
        return self.apart or (self.difference.verdict if self.difference else "best")

    @property
    def differs_by_t(self) -> bool:
        """Returns whether only the t-test finds a difference, with few seeds."""
        difference = self.difference
        return self.verdict == "undecided" and difference is not None and difference.differs_by_t


@dataclass(frozen=True)
class Findings:
    """The results that the views of a folder share.

    Args:
        waiting: The number of runs that have not started.
        labels: The label of each run: the values of the keys in which runs differ.
        across: The table of configs by data sets; None if there is only one data set. With
            several, effects and costs would mix scores of different test sets, and are left out.
        names: The short names of all keys in which the configs differ.
    """

    folder: Path
    entries: Sequence[Entry]
    sweep: SweepFile | None
    waiting: int
    labels: Mapping[str, str]
    board: Leaderboard
    across: AcrossSets | None
    names: formatting.KeyNames
    configs: list[Config]

    @property
    def effects(self) -> list[Effect]:
        """The main effects of the keys; empty if there are several data sets."""
        return [] if self.across else self.board.effects

    @cached_property
    def interaction(self) -> Interaction | None:
        """The strongest interaction of two keys, if the configs can be compared."""
        settings = [config.keys for config in self.compared]
        return strongest_interaction(settings, self.means)

    @property
    def means(self) -> list[float]:
        """The mean scores of the compared configs."""
        return [config.metrics[self.score].mean for config in self.compared]

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
    def scored(self) -> list[Config]:
        """The configs that have the compared metric."""
        return [config for config in self.configs if self.score in config.metrics]

    @property
    def compared(self) -> list[Config]:
        """The scored configs; empty if there are several data sets."""
        return [] if self.across else self.scored

    @property
    def grand_mean(self) -> float:
        """The mean score of all compared configs; 0 without a config."""
        means = [config.metrics[self.score].mean for config in self.compared]
        return math.fsum(means) / len(means) if means else 0.0

    @property
    def listed(self) -> list[Config]:
        """The configs on the page."""
        return self.configs[:MOST_LISTED]

    @property
    def has_seeds(self) -> bool:
        """Returns whether a config has more than one run."""
        return any(len(config.runs) > 1 for config in self.configs)


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
    # Planned runs are included, so a name does not change when more runs start.
    names = names_of(planned | begun)
    runs = config_runs(board, entries, names, folder, MOST_LISTED)
    return Findings(
        folder=folder,
        entries=entries,
        sweep=sweep,
        waiting=len(planned.keys() - begun.keys()),
        labels={name: formatting.run_label(c, varied) or name for name, c in begun.items()},
        board=board,
        across=across,
        names=key_names,
        configs=_configs(board, runs, names, board.words),
    )


def _configs(
    board: Leaderboard,
    runs: Sequence[list[Run]],
    names: Mapping[str, Name],
    words: Sequence[str],
) -> list[Config]:
    """Returns the rows of the leaderboard as plain values.

    Args:
        runs: All runs of each row.
        names: The names of all runs in TensorBoard.
        words: The values that distinguish each config.
    """
    configs: list[Config] = []
    for index, (row, all_runs) in enumerate(zip(board.rows, runs, strict=True)):
        first, samples = row.entries[0], row.samples.get(board.compared, {})
        config = Config(
            rank=row.rank,
            name=names[first.folder.run_id].config,
            words=words[index],
            keys=row.config,
            runs=[entry.folder.run_id for entry in row.entries],
            metrics=row.metrics,
            scores=[(board.variation.label(key), value) for key, value in sorted(samples.items())],
            difference=row.difference if len(board.rows) > 1 else None,
            apart=row.apart,
            lost=row.lost_words,
            data=row.data,
            varied=varied_words(board.variation.by_replicate(row.entries)),
            all_runs=all_runs,
        )
        configs.append(config)
    return configs
