"""Describes the replicates of a config: its runs with different seeds or splits."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from seqsweep.results.data_sets import group_by, recordings_key, sets_of
from seqsweep.runs.ledger import Entry
from seqsweep.runs.metrics import Metric, compared_metric, finite, metrics_in, ranking_metric
from seqsweep.text import count


class Replicate(NamedTuple):
    """The fold, split seed and seed of a run.

    Runs of one config differ in these values. Runs of two configs are paired if the values are
    equal. A key that a config does not have, or that is null, counts as 0.
    """

    fold: int = 0
    split_seed: int = 0
    seed: int = 0

    @property
    def split(self) -> tuple[int, int]:
        """The fold and the split seed, which decide the split."""
        return self.fold, self.split_seed


def replicate_of(entry: Entry) -> Replicate:
    """Returns a run's replicate, read from its config alone."""
    get = entry.config.get
    values = get("data.fold"), get("data.split_seed"), get("seed")
    return Replicate(*[value if isinstance(value, int) else 0 for value in values])


@dataclass(frozen=True)
class Variation:
    """The ways in which the replicates of a folder's configs differ.

    Args:
        replicates: The replicates of all configs.
        resampled_data: The `recordings_key` of each data set on which a config was trained with
            several splits. The training sets of the splits overlap. On other data only seeds vary.
        shares: The number of evaluated sequences per training sequence, by the name of the split.
            Empty if only seeds vary, or if unknown, for example with your own data module.
        folds: The number of folds of a cross-validation, complete or not; 0 without folds.
    """

    replicates: frozenset[Replicate] = frozenset()
    resampled_data: frozenset[str] = frozenset()
    shares: Mapping[str, float] = field(default_factory=dict[str, float])
    folds: int = 0

    @property
    def resampled(self) -> bool:
        """Returns whether a config was trained on several splits of its data."""
        return bool(self.resampled_data)

    @property
    def unit(self) -> str:
        """The word for one replicate: `seed` if only seeds vary, else `replicate`."""
        return "replicate" if self.resampled else "seed"

    @property
    def test(self) -> str:
        """The name of the significance test for these replicates, and its correction."""
        name = "corrected resampled t-test" if self.resampled else "Wilcoxon signed-rank"
        return f"{name}, Holm"

    @property
    def words(self) -> str:
        """The varied keys in words: `5 folds x 3 seeds`."""
        return varied_words(self.replicates)

    def share(self, metric: Metric) -> float | None:
        """Returns the evaluated sequences per training sequence; None if unknown."""
        # A training metric has no evaluated sequences, so it uses the share of test or else of val.
        split = metric.split_name
        return self.shares.get(split if split == "val" else "test", self.shares.get("val"))

    def replicate_of(self, entry: Entry) -> Replicate:
        """Returns a run's replicate without the values that have no effect.

        The fold and the split seed become 0 if no config has several splits of the run's data: they
        have no effect on data that come with all their splits. Runs that differ only in the fold or
        the split seed are then repetitions of one replicate, not independent samples.
        """
        if self.resampled and recordings_key(entry) in self.resampled_data:
            return replicate_of(entry)
        seed = entry.config.get("seed")
        return Replicate(seed=seed if isinstance(seed, int) else 0)

    def by_replicate(self, entries: Iterable[Entry]) -> dict[Replicate, Entry]:
        """Returns the runs by replicate; the last of several runs with one replicate."""
        return {self.replicate_of(entry): entry for entry in entries}

    def label(self, replicate: Replicate) -> int | str:
        """Returns the seed; if splits vary, all values that vary: `fold=1 seed=0`."""
        if not self.resampled:
            return replicate.seed
        columns = zip(Replicate._fields, replicate, zip(*self.replicates, strict=True), strict=True)
        return " ".join(f"{name}={value}" for name, value, of in columns if len(set(of)) > 1)


def varied_words(replicates: Iterable[Replicate]) -> str:
    """Says what differs between replicates: `2 seeds`, `5 folds, each with its own seed`."""
    replicates = set(replicates)
    folds, split_seeds, seeds = (len(set(values)) for values in zip(*replicates, strict=True))
    splits = len({replicate.split for replicate in replicates})
    parts = [count(folds, "fold")] if folds > 1 else []
    if split_seeds > 1:
        parts.append(count(split_seeds, "split seed" if parts else "random split"))
    # These words hold only if each split has exactly one seed, and no other split has that seed.
    if splits == folds * split_seeds == seeds == len(replicates) > 1:
        return f"{' x '.join(parts)}, each with its own seed"
    if seeds > 1 or not parts:
        parts.append(count(seeds, "seed"))
    if len(replicates) < folds * split_seeds * seeds:
        return f"{len(replicates)} runs over {', '.join(parts[:-1])} and {parts[-1]}"
    return " x ".join(parts) + (", one seed" if seeds == 1 and splits > 1 else "")


def variation_of(groups: Sequence[Sequence[Entry]]) -> Variation:
    """Returns what varies within each group, the complete runs of one config."""
    entries = [entry for group in groups for entry in group]
    resampled = frozenset(
        recordings_key(e) for group in groups if _is_resampled(group) for e in group
    )
    replicates = Variation(resampled_data=resampled).by_replicate(entries)
    folds = [number for e in entries if isinstance(number := e.config.get("data.folds"), int)]
    shares = _shares(entries) if resampled else {}
    return Variation(frozenset(replicates), resampled, shares, max(folds, default=0))


def _is_resampled(group: Sequence[Entry]) -> bool:
    """Returns whether the runs of a config have several splits."""
    by_split = group_by(group, lambda entry: replicate_of(entry).split)
    return len(by_split) > 1 and len({sets_of(entries[0]) for entries in by_split.values()}) > 1


def _shares(entries: Iterable[Entry]) -> dict[str, float]:
    """Returns each evaluated split's mean size, relative to the training split."""
    shares: dict[str, list[float]] = {}
    for entry in entries:
        trained = entry.record.num_train
        for name in ("val", "test"):
            size = entry.record.splits.get(name, {}).get("sequences")
            if size is not None and trained is not None:
                shares.setdefault(name, []).append(size / trained)
    return {name: sum(values) / len(values) for name, values in shares.items()}


COSTS = ("best_epoch", "params", "train_seconds")


def numbers(entry: Entry) -> dict[str, float]:
    """Returns a record's finite numbers: metrics, parameters, seconds and best epoch."""
    return metrics_in(entry.record) | finite({name: getattr(entry.record, name) for name in COSTS})


def sample_of(runs: Mapping[Replicate, Entry], metric: str) -> dict[Replicate, float]:
    """Returns the values of a metric by replicate, without the missing ones."""
    values = {replicate: numbers(entry).get(metric) for replicate, entry in runs.items()}
    return {replicate: value for replicate, value in values.items() if value is not None}


def shared_metric(groups: Sequence[Sequence[Entry]]) -> Metric:
    """Chooses a metric that all groups of runs have, else the monitored one."""
    entries = [entry for group in groups for entry in group]
    monitor = ranking_metric((e.config for e in entries), (e.record for e in entries))
    # A user's own metric compares the runs only if every run has it.
    groups = groups if monitor.is_ours else [[entry] for entry in entries]
    recorded = [dict.fromkeys(n for entry in group for n in numbers(entry)) for group in groups]
    in_all = [name for name in recorded[0] if all(name in each for each in recorded)]
    return compared_metric(monitor, in_all)


def newest(entries: Sequence[Entry], variation: Variation) -> list[Entry]:
    """Returns the last run of each replicate of a config, ordered by replicate.

    Usually, runs with the same config, data and replicate have the same run_id. A second run_id
    comes from a fold or a split seed that has no effect.
    """

    def end_time(entry: Entry) -> float:
        try:
            return (entry.folder.path / "record.json").stat().st_mtime
        except OSError:
            return 0.0

    return [
        # Most replicates have only one run, so its time need not be looked up on disk.
        group[0] if len(group) == 1 else max(group, key=end_time)
        for _, group in sorted(group_by(entries, variation.replicate_of).items())
    ]


Split = tuple[int, int]
"""A fold and a split seed."""


def shared_splits(configs: Sequence[Mapping[Replicate, Entry]], metric: Metric) -> set[Split]:
    """Returns the splits that all configs with the metric share, with equal sequences."""
    name = metric.split_name
    # A training metric has no evaluated split, so the data as a whole are compared.
    evaluated = name if name in ("val", "test") else "data"
    scored = [
        {
            (replicate.split, getattr(sets_of(entry, metric), evaluated))
            for replicate, entry in runs.items()
            if metric in numbers(entry)
        }
        for runs in configs
    ]
    scored = [splits for splits in scored if splits]
    return {split for split, _ in set.intersection(*scored)} if scored else set()


def restrict(sample: Mapping[Replicate, float], splits: set[Split]) -> Mapping[Replicate, float]:
    """Returns the values on these splits; all values if `splits` is empty."""
    if not splits:
        return sample
    return {replicate: value for replicate, value in sample.items() if replicate.split in splits}
