"""The baselines of a report, and how small a difference the test split shows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seqsweep.results import formatting
from seqsweep.results.formatting import count, metric_words, short_number, split_words
from seqsweep.results.grouping import group_by
from seqsweep.results.naming import distinguishing_keys
from seqsweep.results.report.findings import Config
from seqsweep.runs.identity import REPLICATE_KEYS
from seqsweep.runs.ledger import Entry, value_key
from seqsweep.runs.metric_names import is_bounded, lower_is_better
from seqsweep.runs.sealed import read_sealed_or_none

_MAJORITY = "majority class"
_SMALL = 0.01
"""An error of the test split that does not limit three decimals."""


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


def find_baselines(folder: Path, entries: Sequence[Entry]) -> tuple[list[Baseline], list[str]]:
    """The baselines in the folder's baselines.json, and its notes.

    Args:
        entries: A baseline of data that none of these runs has is left out.
    """
    content = read_sealed_or_none(folder / "baselines.json") or {}
    items = [
        Baseline(
            item["name"],
            item["metrics"],
            item.get("seconds"),
            item.get("data", {}),
            item.get("data_fingerprint"),
        )
        for item in content.get("baselines", [])
    ]
    # One run per data set is enough.
    known: list[Entry] = list({value_key(_data_of(entry)): entry for entry in entries}.values())
    items = _mean_over_splits([item for item in items if any(map(item.has_data_of, known))])
    names = formatting.key_names(distinguishing_keys([item.data for item in items]))
    root = str(folder.resolve())
    return (
        [replace(item, label=formatting.known_settings(item.data, names)) for item in items],
        [formatting.without_machine(str(note), root) for note in content.get("notes", [])],
    )


def _mean_over_splits(items: Sequence[Baseline]) -> list[Baseline]:
    """Averages each baseline over the splits of one data set."""

    def point(item: Baseline) -> tuple[str, str]:
        data = {key: value for key, value in item.data.items() if key not in REPLICATE_KEYS}
        return item.name, value_key([data, item.fingerprint])

    return [_mean(group) for group in group_by(items, point).values()]


def _mean(items: Sequence[Baseline]) -> Baseline:
    """Returns the mean of a baseline over its splits."""
    if len(items) == 1:
        return items[0]
    names = [name for name in items[0].metrics if all(name in item.metrics for item in items)]
    metrics = {n: math.fsum(item.metrics[n] for item in items) / len(items) for n in names}
    seconds = [item.seconds for item in items if item.seconds is not None]
    data = {key: value for key, value in items[0].data.items() if key not in REPLICATE_KEYS}
    mean = math.fsum(seconds) / len(seconds) if seconds else None
    return replace(items[0], metrics=metrics, seconds=mean, data=data)


def _data_of(entry: Entry) -> list[Any]:
    """The keys of a run's data and its fingerprint."""
    keys = {key: value for key, value in entry.config.items() if key.startswith("data.")}
    return [keys, (entry.record or {}).get("data_fingerprint")]


def baseline_words(
    best: Config, score: str, baselines: Sequence[Baseline], tested: int, alone: bool = False
) -> str | None:
    """Compares the best network with the best baseline; None without a baseline.

    Args:
        tested: The number of test sequences; 0 if unknown, or if the interval of the network
            contains their choice.
        alone: Whether there is only one network.
    """
    scored = [baseline for baseline in baselines if score in baseline.metrics]
    # The majority class is only compared if nothing else was measured.
    candidates = [baseline for baseline in scored if baseline.name != _MAJORITY] or scored
    if not candidates:
        return None
    baseline, judge = _best_baseline(candidates, score)
    value = baseline.metrics[score]
    network = "the network" if alone else "the best network"
    relation = _relation(value, best, network, score, tested)
    name = "always the most frequent class" if baseline.name == _MAJORITY else baseline.name
    where = f", on the data with {baseline.label}" if baseline.label else ""
    text = f"Best baseline: {name}, {metric_words(score)} {short_number(value)}, {relation}{where}."
    # Choosing a baseline on the test split would be unfair, and so would hiding a better one.
    sign = -1 if lower_is_better(score) else 1
    bar = max(sign * best.metrics[score].mean, sign * value)
    if above := [b for b in candidates if sign * b.metrics[score] > bar]:
        better = ", ".join(f"{b.name} {short_number(b.metrics[score])}" for b in above)
        text += f" Better score, but not chosen by validation: {better}."
    if len(candidates) > 1 and not judge.startswith("val/"):
        text += f" It was chosen by {metric_words(judge)}: baselines have no validation score here."
    return text


def test_set_words(means: Sequence[float], score: str, tested: int) -> str:
    """Says which differences the test split is too small to show.

    Args:
        means: The accuracies of the best config and of the configs compared with it.
        tested: The number of sequences behind each; 0 if unknown.
    """
    split, _, kind = score.partition("/")
    if not tested or kind != "acc":
        return ""
    best, *others = means
    head = f" The {split_words(split)} split has {count(tested, 'sequence')}"
    if not others:
        error = _share_error(best, tested)
        return f"{head}: its error is about {error:.2g}." if error >= _SMALL else ""
    error = sampling_error(best, best, score, tested)
    # Nothing is said if all differences are larger than the error.
    if error < _SMALL or all(abs(mean - best) > error for mean in others):
        return ""
    return f"{head}: differences below {error:.2g} are within its error."


def sampling_error(first: float, second: float, score: str, tested: int) -> float:
    """The difference between two shares that chance explains, at 95 %.

    It is the interval of Agresti and Caffo (2000, The American Statistician 54), which is valid
    for few sequences and for shares of 0 and 1. It assumes that the two shares are independent.
    On the same sequences they usually agree more than that, so it is conservative.
    """
    if not tested or not is_bounded(score):
        return 0.0
    return math.hypot(_share_error(first, tested), _share_error(second, tested))


def _best_baseline(baselines: Sequence[Baseline], score: str) -> tuple[Baseline, str]:
    """The best baseline and the metric that chose it.

    It is a validation metric if all baselines have one.
    """
    wanted = [f"val/{kind}" for kind in (score.rpartition("/")[2], "acc")]
    shared = [name for name in wanted if all(name in b.metrics for b in baselines)]
    metric = shared[0] if shared else score
    sign = -1 if lower_is_better(metric) else 1
    return max(baselines, key=lambda baseline: sign * baseline.metrics[metric]), metric


def _relation(value: float, best: Config, words: str, score: str, tested: int) -> str:
    """Compares a baseline's score with the best network's: `0.151 below the best network (0.851)`.

    A difference is stated only if neither the number of test sequences nor the number of
    replicates leaves it open.
    """
    network = best.metrics[score]
    words = f"{words} ({short_number(network.mean)})"
    # The number of test sequences limits the claim first, then the number of replicates.
    gap = abs(value - network.mean)
    reason = ""
    if gap <= sampling_error(network.mean, value, score, tested):
        reason = f"on {tested:,} {split_words(score.partition('/')[0])} sequences"
    elif network.low is not None and network.low <= value <= (network.high or 0.0):
        reason = f"over {best.varied}"
    if reason:
        return f"statistically indistinguishable from {words} {reason}"
    return f"{short_number(gap)} {'below' if value < network.mean else 'above'} {words}"


def _share_error(share: float, tested: int) -> float:
    """The error of one share, with a success and a failure added."""
    share = (min(max(share, 0.0), 1.0) * tested + 1) / (tested + 2)
    return 1.96 * math.sqrt(share * (1 - share) / (tested + 2))
