"""The findings that all sections of a report share, as plain values."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from seqsweep.results import formatting
from seqsweep.results.across_sets import AcrossSets, across_sets
from seqsweep.results.effects import Effect, main_effects
from seqsweep.results.leaderboard import Leaderboard, leaderboard
from seqsweep.results.naming import choices_among, label_keys
from seqsweep.results.replicates import varied_words
from seqsweep.results.report.plot_parts import Figure
from seqsweep.results.report.runs import Run, config_runs
from seqsweep.results.run_names import Name, names_of
from seqsweep.results.significance import Difference, Estimate
from seqsweep.runs.ledger import Entry, not_begun, value_key
from seqsweep.runs.sweepfile import SweepFile

TEMPLATES = Path(__file__).with_name("templates")

MOST_LISTED = 1000
"""The most configs on the page, the best first. report.csv has all of them."""


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
        is_shown: Whether the page has the section; report.json has its findings in any case.
    """

    name: str
    title: str
    template: Path
    findings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    figures: Mapping[str, Figure] = field(default_factory=dict[str, Figure])
    view: Mapping[str, Any] = field(default_factory=dict[str, Any])
    chosen_by: Collection[str] = ()
    is_shown: bool = True


@dataclass(frozen=True)
class Facts:
    """The facts that the sections of a report share.

    Args:
        waiting: The number of runs that have not started.
        labels: The label of each run: the values of the keys in which runs differ.
        across: The table of configs by data sets; None if there is one data set. With several,
            there are no effects and no costs, since these would mix scores of different test sets.
        effects: The main effects of the keys.
        keys: The keys that suffice to distinguish the configs.
        names: The short names of all keys in which the configs differ.
    """

    folder: Path
    entries: Sequence[Entry]
    sweep: SweepFile | None
    waiting: int
    labels: Mapping[str, str]
    board: Leaderboard
    across: AcrossSets | None
    effects: list[Effect]
    keys: list[str]
    names: dict[str, str]
    configs: list[Config]

    @property
    def states(self) -> dict[str, int]:
        """The number of runs in each state."""
        return dict(Counter(entry.state for entry in self.entries))

    @property
    def score(self) -> str:
        """The metric in which the configs are compared."""
        return self.board.compared

    @property
    def unit(self) -> str:
        """The name of a replicate, `seed` if only seeds vary."""
        return self.board.variation.unit

    @property
    def scored(self) -> list[Config]:
        """The configs that have the compared metric."""
        return [config for config in self.configs if self.score in config.metrics]

    @property
    def compared(self) -> list[Config]:
        """The scored configs if they have one data set, else none."""
        return [] if self.across else self.scored

    @property
    def listed(self) -> list[Config]:
        """The configs on the page."""
        return self.configs[:MOST_LISTED]

    @property
    def has_seeds(self) -> bool:
        """Returns whether a config has more than one run."""
        return any(len(config.runs) > 1 for config in self.configs)


def find_facts(folder: Path, entries: Sequence[Entry]) -> Facts:
    """Reads what a report is made from.

    Args:
        entries: The runs of the folder.
    """
    sweep = SweepFile.read(folder)
    planned: dict[str, Mapping[str, Any]] = dict(sweep.configs) if sweep else {}
    others = not_begun(planned, entries)
    begun = {entry.folder.run_id: entry.config for entry in entries}
    labels = _labels(begun, others)
    board = leaderboard(entries, others)
    # Planned runs are included, so a name does not change when more runs start.
    names = names_of(planned | begun)
    runs = config_runs(board, entries, names, folder, MOST_LISTED)
    configs = _configs(board, runs, names)
    across = across_sets(entries, others)
    # An effect over several data sets would be a mean of scores of different test sets. Each
    # config counts once, whatever its number of replicates, so that no config weighs more.
    compared = [] if across else [one for one in configs if board.compared in one.metrics]
    means = [config.metrics[board.compared].mean for config in compared]
    effects = main_effects([config.keys for config in compared], means)
    key_names = formatting.key_names(board.keys)
    keys = independent_keys(board.keys, [config.keys for config in configs], effects)
    return Facts(
        folder=folder,
        entries=entries,
        sweep=sweep,
        # Every run that has started has a label.
        waiting=len(planned.keys() - labels.keys()),
        labels=labels,
        board=board,
        across=across,
        effects=effects,
        keys=keys,
        names=key_names,
        # The words of a config contain only the keys that are needed to distinguish it.
        configs=_add_words(configs, {key: key_names[key] for key in keys}, board),
    )


_NETWORK = ("model.cell", "model.hidden_size", "model.num_layers", "model.bidirectional")
"""The keys whose values name a config if no key distinguishes the configs."""


def _labels(
    configs: Mapping[str, Mapping[str, Any]], planned: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    """The label of each run: the values of the keys in which runs differ."""
    keys = formatting.key_names(label_keys([*configs.values(), *planned]))
    return {
        run_id: formatting.run_label(config, keys) or run_id for run_id, config in configs.items()
    }


def _configs(
    board: Leaderboard, runs: Sequence[list[Run]], names: Mapping[str, Name]
) -> list[Config]:
    """The rows of the leaderboard as plain values."""
    return [
        Config(
            rank=rank,
            name=names[row.entries[0].folder.run_id].config,
            words="",
            keys=row.config,
            runs=[entry.folder.run_id for entry in row.entries],
            metrics=row.metrics,
            scores=[
                (board.variation.label(replicate), value)
                for replicate, value in sorted(row.samples.get(board.compared, {}).items())
            ],
            difference=row.difference if len(board.rows) > 1 else None,
            apart=row.apart,
            lost=row.lost_words,
            data=row.data,
            varied=varied_words(board.variation.by_replicate(row.entries)),
            all_runs=all_runs,
        )
        for rank, (row, all_runs) in enumerate(zip(board.rows, runs, strict=True), start=1)
    ]


def _add_words(
    configs: Sequence[Config], names: Mapping[str, str], board: Leaderboard
) -> list[Config]:
    """Adds to each config the values that distinguish it, or else its network's settings."""
    if names:
        words = [formatting.run_label(config.keys, names) for config in configs]
    else:
        network = formatting.key_names(_NETWORK)
        words = [formatting.known_settings(row.entries[0].config, network) for row in board.rows]
    return [
        replace(config, words=text or "This run")
        for config, text in zip(configs, words, strict=True)
    ]


def independent_keys(
    keys: Sequence[str], configs: Sequence[Mapping[str, Any]], effects: Sequence[Effect]
) -> list[str]:
    """The keys that suffice to distinguish the configs, without those that follow from others.

    A key with another value in every config, as in a random search, counts as well, unless it
    repeats the values of another key or a `_target_` is such a key and sets it.
    """
    chosen = {effect.key for effect in effects}
    single = [key for key in keys if len(distinct_values(key, configs)) == len(configs)]
    if not choices_among(single):
        columns = {value_key([c.get(key) for c in configs]): key for key in reversed(single)}
        chosen |= set(columns.values())
    independent = [key for key in keys if key in chosen]
    points = {value_key([config.get(key) for key in independent]) for config in configs}
    return independent if len(points) == len(configs) else list(keys)


def distinct_values(key: str, configs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The values of a key, by a text that is equal for equal values."""
    return {value_key(config.get(key)): config.get(key) for config in configs}
