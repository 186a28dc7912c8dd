"""The content of a report as plain values.

report.json is this tree, and the HTML page shows it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seqsweep.results.across_sets import AcrossSets
from seqsweep.results.effects import Effect, Grid, Interaction
from seqsweep.results.report.curves import Band
from seqsweep.results.report.plot_parts import Axis, Figure
from seqsweep.results.significance import Difference, Estimate
from seqsweep.runs.ledger import Entry

MOST_LISTED = 1000
"""The most configs on the page, the best first. report.csv has all of them."""


@dataclass(frozen=True)
class Run:
    """One run of a config.

    Args:
        folder: The path from the report's folder; `.` if they are the same.
        name: The name in TensorBoard's view.
        replicate: The seed, or what varies between the runs of a config: `fold=1 seed=0`.
        counted: Whether the numbers of its config include it.
        metrics: The metrics of validation and test at the best epoch.
        files: The files of its folder that a reader may want to open.
        command: Trains the run again and compares the two, from the report's folder. None if the
            run is not complete.
    """

    run_id: str
    folder: str
    name: str
    seed: int | None
    replicate: int | str | None
    state: str
    counted: bool
    error: str | None
    metrics: dict[str, float]
    best_epoch: int | None
    files: list[str]
    command: str | None


@dataclass(frozen=True)
class Config:
    """A row of the leaderboard, one config over its replicates, in plain values.

    Args:
        rank: The rank from 1, by the mean of the validation metric.
        name: The name in TensorBoard's view.
        words: The values that distinguish the config.
        keys: The values of all keys in which the configs differ.
        runs: The run_ids that the numbers are computed from.
        scores: The pairs [replicate, value] of the compared metric. A replicate is a seed, or a
            text such as `fold=1 seed=0` if the splits vary.
        varied: What the runs differ in: `5 folds x 3 seeds`.
        difference: The difference to the best; None if there is nothing to compare with.
        apart: The reason if the config was not evaluated on the sequences of the best, and so is
            not compared, as `other test set`.
        lost: The replicates that diverged or failed, in words: the others may be the lucky ones.
        data: A text that is equal for configs evaluated on the same sequences.
        all_runs: The counted runs and the others of the config.
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
        """The verdict of the comparison, or why there is none."""
        return self.apart or (self.difference.verdict if self.difference else "best")

    @property
    def differs_by_t(self) -> bool:
        """Returns whether only the t-test differs, as the rank test has too few seeds."""
        difference = self.difference
        return self.verdict == "undecided" and difference is not None and difference.differs_by_t


@dataclass(frozen=True)
class Baseline:
    """A method without a network.

    Args:
        data: The keys of the config that say which data it was measured on.
        label: The data in words, if the sweep has several data sets.
    """

    name: str
    metrics: dict[str, float]
    seconds: float | None
    data: dict[str, Any]
    fingerprint: str | None
    label: str = ""

    def has_data_of(self, entry: Entry) -> bool:
        """Returns whether a run has the same data, split in the same way."""
        # The fingerprint covers all data, before the split.
        fingerprint = (entry.record or {}).get("data_fingerprint")
        if fingerprint and self.fingerprint and fingerprint != self.fingerprint:
            return False
        return all(entry.config.get(key) == value for key, value in self.data.items())


@dataclass(frozen=True)
class Answer:
    """The first sentences of the report.

    `lead`, `best` and `rest` are read as one text. `power` says how many replicates would show a
    difference.
    """

    best: str
    rest: str
    lead: str = ""
    choice: str | None = None
    baseline: str | None = None
    power: str | None = None


@dataclass(frozen=True)
class Curve:
    """The metrics of a config, or of an unfinished run, over its epochs."""

    label: str
    bands: dict[str, Band]
    best_epoch: float | None


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix summed over the replicates; rows are the true classes."""

    split: str
    classes: list[str]
    counts: list[list[int]]
    seeds: int
    words: list[str]

    @property
    def sequences(self) -> int:
        """The number of sequences in the split."""
        return self.total // self.seeds

    @property
    def total(self) -> int:
        """The number of classified sequences, those of all replicates."""
        return sum(map(sum, self.counts))


@dataclass(frozen=True)
class Failure:
    """Runs that ended early for one reason, each with its folder and its label."""

    state: str
    error: str
    traceback: str | None
    runs: list[tuple[str, str]]


@dataclass(frozen=True)
class Section:
    """One section of the page.

    Args:
        name: The id of the section in the page.
        title: The text of the link to it.
        template: The file of its Jinja template.
        findings: Its fields in report.json.
        figures: Its figures, by their place in the page.
        view: The variables of its template.
        chosen_by: The run_ids by which a config was chosen, so that its numbers leave them out.
    """

    name: str
    title: str
    template: Path
    findings: Mapping[str, Any]
    figures: Mapping[str, Figure]
    view: Mapping[str, Any]
    chosen_by: Collection[str] = ()


@dataclass(frozen=True)
class Report:
    """The whole report, in its order.

    Args:
        made_from: The digest of what the report was made from, see `report.freshness`.
        waiting: The number of runs that have not started.
        running: The labels of the runs that are training.
        left_out: The number of runs that repeat the config, data and replicate of a newer run.
        monitor: The metric that ranks the configs.
        score: The metric in which they are compared.
        names: The short names of the keys.
        effects: The main effects of the keys.
        interaction: The strongest interaction of two keys, and its words.
        grid: The missing runs, and their number by state.
        splits: The splits of the best run, as in its record; empty if the record lacks them, and
            with several data sets.
        overlaps: A sentence for each split that shares sequences with training.
        tied: The number of configs that equal the best in the monitor.
        extras: The sections of extras.
        across: The table of configs by data sets; None if there is one data set. With several,
            there are no effects and no costs, since these would mix scores of different test sets.
        unit: The name of a replicate, `seed` if only seeds vary.
        varied: What the replicates differ in; empty if only seeds vary.
        folds: The number of folds of a cross-validation; 0 without folds.
        test: The name of the test and of its correction.
    """

    made_from: str
    name: str
    written: str
    states: dict[str, int]
    waiting: int
    running: list[str]
    left_out: int
    monitor: str
    score: str
    names: dict[str, str]
    answer: Answer
    configs: list[Config]
    baselines: list[Baseline]
    baseline_notes: list[str]
    axis: Axis | None
    effects: list[Effect]
    interaction: Interaction | None
    interaction_words: str
    grid: Grid
    missing_states: Mapping[str, int]
    curves: list[Curve]
    confusion: Confusion | None
    confusion_absent: str | None
    failures: list[Failure]
    environment: list[tuple[str, str]]
    commands: list[tuple[str, str]]
    splits: Mapping[str, Mapping[str, Any]]
    overlaps: list[str]
    tied: int = 1
    extras: Sequence[Section] = ()
    across: AcrossSets | None = None
    unit: str = "seed"
    varied: str = ""
    folds: int = 0
    test: str = ""

    @property
    def listed(self) -> list[Config]:
        """The configs on the page."""
        return self.configs[:MOST_LISTED]

    @property
    def has_seeds(self) -> bool:
        """Returns whether a config has more than one run."""
        return any(len(config.runs) > 1 for config in self.configs)

    @property
    def scored(self) -> list[Config]:
        """The configs that have the compared metric."""
        return [config for config in self.configs if self.score in config.metrics]
