"""Makes a leaderboard's rows, and compares them with the first row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from seqsweep.results.data_sets import Sets, data_key, reasons_apart, sets_of
from seqsweep.results.keys import DATA
from seqsweep.results.measures import Measure
from seqsweep.results.replicates import Replicate, Variation, numbers, restrict, shared_splits
from seqsweep.results.significance import Difference, Estimate
from seqsweep.runs.identity import Config
from seqsweep.runs.ledger import Entry, value_key
from seqsweep.runs.metrics import Metric, as_metric


@dataclass(frozen=True)
class Row:
    """One config with its metrics over n replicates.

    Args:
        entries: The runs, one per replicate, ordered by replicate.
        samples: The values of each metric by replicate.
        difference: The difference to the first row in the compared metric; None if `apart` says why
            the rows are not compared. The first row has the verdict `best`.
        apart: The reason for a missing difference, such as `other test set`.
        lost: The number of further replicates that diverged or failed, by state.
        data: A text that is equal for rows evaluated on the same sequences.
        rank: The rank from 1 among the rows of its data set.
        is_chosen: Whether the runs are trials, by which a search chose its best configs, and no run
            has a fresh seed.
        words: The values that distinguish the config, as `Leaderboard.words` has them.
    """

    config: Config
    entries: list[Entry]
    metrics: dict[str, Estimate]
    samples: dict[str, dict[Replicate, float]]
    difference: Difference | None = None
    apart: str = ""
    lost: Mapping[str, int] = field(default_factory=dict[str, int])
    data: str = ""
    is_chosen: bool = False
    rank: int = 0
    words: str = ""

    @property
    def n(self) -> int:
        return len(self.entries)

    @property
    def lost_words(self) -> str:
        """Says how many replicates are lost: `2 of 7 diverged`; empty for none."""
        total = self.n + sum(self.lost.values())
        return ", ".join(f"{number} of {total} {state}" for state, number in self.lost.items())

    @property
    def verdict(self) -> str:
        """The verdict of the comparison, or the reason why it is missing."""
        return self.apart or (self.difference.verdict if self.difference else "best")

    @property
    def is_marked(self) -> bool:
        """Returns whether the row is compared with the first and indistinguishable from it."""
        return self.verdict == "indistinguishable"

    @property
    def differs_by_t(self) -> bool:
        """Returns whether only the t-test finds a difference, with few seeds."""
        difference = self.difference
        return self.verdict == "undecided" and difference is not None and difference.differs_by_t


def make_row(
    group: list[Entry],
    keys: Sequence[str],
    datasets: Mapping[str, str],
    lost: Mapping[str, Mapping[str, int]],
    variation: Variation,
    metric: Metric | None = None,
) -> Row:
    """Makes a row from the runs of one config on one data set.

    Args:
        datasets: The result of `data_names`.
        lost: The result of `leaderboard.count_lost`.
        metric: The only metric that the row needs; None for all.
    """
    samples: dict[str, dict[Replicate, float]] = {}
    for entry in group:
        replicate = variation.replicate_of(entry)
        for name, value in numbers(entry).items():
            if metric in (None, name):
                samples.setdefault(name, {})[replicate] = value
    # The runs of a group have the same values of the keys.
    config = {key: group[0].config.get(key) for key in keys}
    if datasets:
        config[DATA] = datasets[data_key(group[0])]
    metrics = {n: Measure(as_metric(n), variation).mean(s) for n, s in samples.items()}
    return Row(config, group, metrics, samples, lost=lost.get(group[0].folder.run_id, {}))


def with_data(rows: Sequence[Row], variation: Variation, metric: Metric) -> list[Row]:
    """Sets `data` of each row, from a replicate that all rows share, if any."""
    runs = [variation.by_replicate(row.entries) for row in rows]
    shared = set[Replicate].intersection(*map(set, runs)) if runs else set()
    chosen = [of[min(shared)] if shared else next(iter(of.values())) for of in runs]
    return [
        replace(row, data=value_key(sets_of(entry, metric)))
        for row, entry in zip(rows, chosen, strict=True)
    ]


def shared_means(rows: Sequence[Row], metric: Metric, variation: Variation) -> list[float | None]:
    """Returns each row's mean over common splits, else over all replicates."""
    if not variation.resampled:
        return [row.metrics[metric].mean if metric in row.metrics else None for row in rows]
    splits = shared_splits([variation.by_replicate(row.entries) for row in rows], metric)
    measure = Measure(metric, variation)
    samples = [restrict(row.samples.get(metric, {}), splits) for row in rows]
    return [measure.mean(sample).mean if sample else None for sample in samples]


def compare_rows(rows: Sequence[Row], metric: Metric, variation: Variation) -> list[Row]:
    """Ranks the rows, and sets the `difference` or `apart` of each.

    Args:
        rows: The rows of one data set, best first.
    """
    first = sets_by_replicate(rows[0], metric, variation) if rows else {}
    checked = [check_sets(row, metric, first, variation) for row in rows]
    # A search chose these configs by scores that are partly luck, so a test would be biased.
    for index, (row, sample) in enumerate(checked):
        if not metric:
            checked[index] = replace(row, apart="no metric has a known direction"), sample
        if index and row.is_chosen:
            checked[index] = replace(row, apart=row.apart or "no fresh seeds"), sample
    # Holm's correction counts only the configs that are compared.
    samples = [sample for row, sample in checked if not row.apart]
    measure = Measure(metric, variation)
    judged = iter(measure.differences(samples))
    return [
        replace(row, rank=rank, difference=None if row.apart else next(judged))
        for rank, (row, _) in enumerate(checked, start=1)
    ]


def check_sets(
    row: Row, metric: Metric, first: Mapping[Replicate, Sets], variation: Variation
) -> tuple[Row, dict[Replicate, float]]:
    """Sets a row's `apart`; also returns the row's values on equal sequences."""
    sets = sets_by_replicate(row, metric, variation)
    reasons = reasons_apart(first, sets, variation.resampled)
    # Replicates whose sets differ from the first row's do not count.
    sample = {key: v for key, v in row.samples.get(metric, {}).items() if not reasons.get(key)}
    return replace(row, apart=next(iter(reasons.values())) if all(reasons.values()) else ""), sample


def sets_by_replicate(row: Row, metric: Metric, variation: Variation) -> dict[Replicate, Sets]:
    runs = variation.by_replicate(row.entries)
    return {key: sets_of(entry, metric) for key, entry in runs.items()}
