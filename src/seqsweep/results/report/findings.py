"""Computes the values that all sections of a report share."""

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from seqsweep.results import formatting
from seqsweep.results.across_sets import AcrossSets, across_sets
from seqsweep.results.effects import Effect, independent_keys
from seqsweep.results.leaderboard import Leaderboard, leaderboard
from seqsweep.results.replicates import varied_words
from seqsweep.results.report.plot_parts import Figure
from seqsweep.results.report.runs import Run, config_runs
from seqsweep.results.rows import distinguishing_keys, label_keys
from seqsweep.results.run_names import Name, names_of
from seqsweep.results.significance import Difference, Estimate
from seqsweep.results.words import board_effects, config_words
from seqsweep.runs.documents import read_sealed_or_none
from seqsweep.runs.identity import REPLICATE_KEYS
from seqsweep.runs.ledger import Entry, not_begun, value_key
from seqsweep.runs.metrics import Metric
from seqsweep.runs.sweepfile import SweepFile

TEMPLATES = Path(__file__).with_name("templates")

MOST_LISTED = 1000
"""The most configs on the page, the best first. report.csv has all of them."""


@dataclass(frozen=True)
class Config:
    """A row of the leaderboard: one config over its replicates.

    Args:
        rank: The rank from 1 in the leaderboard.
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
class Baseline:
    """A method without a network, whose scores are compared with the networks'.

    Args:
        data: The keys and values of the config that choose the data of the baseline.
        fingerprint: The fingerprint of the data before the split; None if unknown.
        label: The data in words, if the sweep has several data sets.
    """

    name: str
    metrics: dict[str, float]
    seconds: float | None
    data: dict[str, Any]
    fingerprint: str | None
    label: str = ""

    def has_data_of(self, entry: Entry) -> bool:
        """Returns whether a run has the same data and splits."""
        # The fingerprint covers all data before the split. The keys also cover the split.
        fingerprint = (entry.record or {}).get("data_fingerprint")
        if fingerprint and self.fingerprint and fingerprint != self.fingerprint:
            return False
        return all(entry.config.get(key) == value for key, value in self.data.items())


@dataclass(frozen=True)
class Section:
    """One section of the page.

    Args:
        name: The id of the section in the page.
        title: The text of the link to the section.
        template: The file of the section's Jinja template.
        findings: The section's fields in report.json.
        figures: The section's figures, by the name of their place in the page.
        view: The variables of the template.
        chosen_by: The run_ids of a search's trials. A trial does not count if its config also has
            runs with fresh seeds.
        is_shown: Whether the page has the section. report.json has its findings in any case.
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
        across: The table of configs by data sets; None if there is only one data set. With
            several, effects and costs would mix scores of different test sets, and are left out.
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
    names: formatting.KeyNames
    configs: list[Config]

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
    def listed(self) -> list[Config]:
        """The configs on the page."""
        return self.configs[:MOST_LISTED]

    @property
    def has_seeds(self) -> bool:
        """Returns whether a config has more than one run."""
        return any(len(config.runs) > 1 for config in self.configs)


def find_facts(folder: Path, entries: Sequence[Entry]) -> Facts:
    """Reads and computes the facts of a report on the runs of a folder."""
    sweep = SweepFile.read(folder)
    planned: dict[str, Mapping[str, Any]] = dict(sweep.configs) if sweep else {}
    others = not_begun(planned, entries)
    begun = {entry.folder.run_id: entry.config for entry in entries}
    configs = [*begun.values(), *others]
    varied = formatting.key_names(label_keys(configs), configs)
    board = leaderboard(entries, others)
    across = across_sets(entries, others)
    # An effect over several data sets would be a mean of scores of different test sets.
    effects = [] if across else board_effects(board)
    key_names = formatting.key_names(board.keys, (row.config for row in board.rows))
    keys = independent_keys(board.keys, [row.config for row in board.rows], effects)
    # Planned runs are included, so a name does not change when more runs start.
    names = names_of(planned | begun)
    runs = config_runs(board, entries, names, folder, MOST_LISTED)
    return Facts(
        folder=folder,
        entries=entries,
        sweep=sweep,
        waiting=len(planned.keys() - begun.keys()),
        labels={name: formatting.run_label(c, varied) or name for name, c in begun.items()},
        board=board,
        across=across,
        effects=effects,
        keys=keys,
        names=key_names,
        configs=_configs(board, runs, names, config_words(board, keys)),
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
        names: The names of all runs in TensorBoard's view.
        words: The values that distinguish each config.
    """
    configs: list[Config] = []
    for index, (row, all_runs) in enumerate(zip(board.rows, runs, strict=True)):
        first, samples = row.entries[0], row.samples.get(board.compared, {})
        config = Config(
            rank=index + 1,
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


def find_baselines(folder: Path, entries: Sequence[Entry]) -> tuple[list[Baseline], list[str]]:
    """Returns the baselines and the notes in the folder's baselines.json.

    Args:
        entries: The runs; a baseline is kept only if one of these runs has its data.
    """
    content = read_sealed_or_none(folder / "baselines.json") or {}
    groups: dict[str, list[Baseline]] = {}
    for item in content.get("baselines", []):
        data, fingerprint = item.get("data", {}), item.get("data_fingerprint")
        one = Baseline(item["name"], item["metrics"], item.get("seconds"), data, fingerprint)
        if any(map(one.has_data_of, entries)):
            # A baseline is averaged over the splits of one data set.
            same = [one.name, _without_split(data), fingerprint]
            groups.setdefault(value_key(same), []).append(one)
    items = [group[0] if len(group) == 1 else _mean(group) for group in groups.values()]
    sources = [item.data for item in items]
    names = formatting.key_names(distinguishing_keys(sources), sources)
    root = str(folder.resolve())
    return (
        [replace(item, label=formatting.known_settings(item.data, names)) for item in items],
        [formatting.without_machine(str(note), root) for note in content.get("notes", [])],
    )


def _mean(items: Sequence[Baseline]) -> Baseline:
    """Returns the mean of a baseline over the splits of its data."""
    names = [name for name in items[0].metrics if all(name in item.metrics for item in items)]
    metrics = {n: math.fsum(item.metrics[n] for item in items) / len(items) for n in names}
    seconds = [item.seconds for item in items if item.seconds is not None]
    mean = math.fsum(seconds) / len(seconds) if seconds else None
    return replace(items[0], metrics=metrics, seconds=mean, data=_without_split(items[0].data))


def _without_split(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in REPLICATE_KEYS}
