"""Compares values of a key in pairs, all else equal: matches rows, tests and judges.

A setting is a combination of values of the other keys. Two values are compared over the settings
that both have, on equal sequences. The sweeps of `compare` are values of the key `sweep`.

A seed affects all settings, through the data or the order of training. So the independent samples
are the replicates: the difference of a replicate is its mean over the settings. Only replicates
that all settings have are used, so that every mean is over the same settings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, NamedTuple

from seqsweep.results.columns import estimate_text
from seqsweep.results.formatting import probability
from seqsweep.results.measures import Measure
from seqsweep.results.power import replicates_override
from seqsweep.results.replicates import Replicate, varied_words
from seqsweep.results.rows import Row, check_sets, sets_by_replicate
from seqsweep.results.significance import (
    Estimate,
    holm,
    is_significant,
    mean_of,
    paired,
    seeds_needed,
)
from seqsweep.runs.metrics import Metric
from seqsweep.text import count

Samples = Mapping[Replicate, float]
"""The independent differences of two values. A setting in place of a seed has its number."""


@dataclass(frozen=True)
class Pair:
    """Two values of a key, compared over their common settings.

    Args:
        values: Both values as in the sentence; the one with the better mean comes first.
        difference: The score of the first value minus the score of the second; None if `untested`
            says why nothing is compared.
        p: The two-sided p; None if `untested` says why there is no test.
        adjusted: p after Holm's correction for all pairs of values.
        settings: The number of compared settings.
        replicates: The number of seeds or splits that the settings share; if the settings are the
            samples, the number that any of them has.
        better: The number of settings in which the first value is better.
    """

    values: tuple[str, str]
    verdict: Literal["different", "indistinguishable", "undecided"]
    difference: Estimate | None = None
    p: float | None = None
    adjusted: float | None = None
    settings: int = 0
    replicates: int = 0
    better: int = 0
    equal: int = 0
    worse: int = 0
    untested: str = ""
    sentence: str = ""


@dataclass(frozen=True)
class By:
    """The values of a key on one data set, compared in pairs.

    Args:
        data: The name of the data set.
        name: The short name of the key.
        unit: The independent samples: `seed`, `replicate` or `setting`.
        test: The name of the test and its correction.
        notes: Why nothing is compared on this data set, or which keys change with this key.
    """

    data: str
    key: str
    name: str
    score: Metric
    unit: str
    test: str
    pairs: Sequence[Pair] = ()
    notes: Sequence[str] = field(default_factory=list[str])

    @property
    def cells(self) -> list[list[str]]:
        """The table of the pairs as texts; its head comes first."""
        unit = "replicates" if self.unit == "replicate" else "seeds"
        head = [self.name, "minus", self.score, "p, adjusted", "settings", unit]
        rows = [
            [
                *(value.removeprefix(f"{self.name}=") for value in pair.values),
                estimate_text(pair.difference, "+") if pair.difference else "",
                "" if pair.adjusted is None else probability(pair.adjusted),
                *map(str, (pair.settings, pair.replicates)),
                f"{pair.better}/{pair.equal}/{pair.worse}",
            ]
            for pair in self.pairs
        ]
        return [[*head, "better/equal/worse"], *rows]


class Match(NamedTuple):
    """The rows of two values in one setting.

    Args:
        differences: The score of the first row minus the score of the second, for each replicate
            that both rows evaluated on equal sequences.
        difference: Their mean; None without a compared replicate.
        apart: Why no replicate is compared; empty if at least one is compared.
    """

    rows: tuple[Row, Row]
    differences: Samples
    difference: Estimate | None
    apart: str


@dataclass(frozen=True, eq=False)
class Matched:
    """Two values of a key with their matches, those with the largest differences first."""

    values: tuple[str, str]
    matches: Sequence[Match]
    measure: Measure

    @cached_property
    def differences(self) -> list[Samples]:
        """The differences of each compared setting, first value minus second."""
        return [match.differences for match in self.matches if match.differences]

    @cached_property
    def means(self) -> Samples:
        """The mean difference over the settings for each common replicate."""
        each = self.differences
        common = set.intersection(*map(set, each)) if each else set[Replicate]()
        return {key: mean_of(of[key] for of in each) for key in sorted(common)}

    def samples(self, unit: str) -> Samples:
        """Returns the independent differences, of the settings or of the replicates."""
        if unit != "setting":
            return self.means
        return {Replicate(seed=n): mean_of(of.values()) for n, of in enumerate(self.differences)}

    @property
    def reason(self) -> str:
        """The reason why there is no mean difference over the settings."""
        if not self.matches:
            return "no setting has both values"
        unit = self.measure.variation.unit
        unpaired = f"the configs share no {unit}, and unpaired {unit}s are not compared"
        return next((match.apart for match in self.matches if match.apart), unpaired)

    def why_untested(self, unit: str, pairs: int) -> str:
        """Says why one of some pairs is not tested; empty if it is."""
        samples, needed = self.samples(unit), seeds_needed(pairs + 1)
        if not samples:
            return self.reason
        if self.measure.variation.resampled:
            return self.measure.why_untested(samples)
        override = replicates_override(pairs + 1)
        return f"{needed} seeds would make a test: {override}" if len(samples) < needed else ""


def match_rows(
    values: tuple[str, str], first: Mapping[str, Row], second: Mapping[str, Row], measure: Measure
) -> Matched:
    """Matches the rows of two values, which have the metric, by their settings."""
    metric, variation = measure.metric, measure.variation
    matches: list[Match] = []
    for setting in (setting for setting in second if setting in first):
        row, other = first[setting], second[setting]
        # A seed sets the data or their order, so runs with equal seeds are compared in pairs.
        sets = sets_by_replicate(other, metric, variation)
        checked, sample = check_sets(row, metric, sets, variation)
        differences = paired(sample, other.samples[metric])
        mean = measure.difference(differences) if differences else None
        matches.append(Match((row, other), differences, mean, checked.apart))
    matches.sort(key=lambda match: -abs(mean_of(match.differences.values() or [0.0])))
    return Matched(values, matches, measure)


def judge(block: By, pairs: Sequence[Matched], may_use_settings: bool = False) -> By:
    """Returns the block with its pairs, tested over replicates or over settings.

    Args:
        may_use_settings: Whether the settings are the samples if only seeds vary and are too few
            for a test of all pairs, while the settings are enough.
    """
    # A pair without a compared setting has no difference that could be significant. So it counts
    # neither for Holm's correction nor for the needed seeds. No score decides what counts.
    compared = [pair for pair in pairs if pair.differences]
    needed = seeds_needed(len(compared) + 1)
    # Only counts decide, and one unit holds for all pairs.
    seeds = min((len(pair.means) for pair in compared), default=needed)
    settings = min((len(pair.differences) for pair in compared), default=0)
    if may_use_settings and block.unit == "seed" and seeds < needed <= settings:
        block = replace(block, unit="setting", test=block.test.replace(",", " over settings,"))
    unit = block.unit
    untested = {pair: pair.why_untested(unit, len(compared)) for pair in pairs}
    p_values = {
        pair: 1.0 if untested[pair] else pair.measure.p(pair.samples(unit)) for pair in compared
    }
    adjusted = dict(zip(p_values, holm([*p_values.values()]), strict=True))
    judged = [
        _judge(pair, unit, untested[pair], p_values.get(pair), adjusted.get(pair)) for pair in pairs
    ]
    return replace(block, pairs=judged)


def _judge(
    matched: Matched, unit: str, untested: str, p: float | None, adjusted: float | None
) -> Pair:
    """Returns the result of two values, the better one first."""
    samples, measure = matched.samples(unit), matched.measure
    first, second = matched.values
    if not samples:
        sentence = f"{first} and {second} are not compared: {untested}."
        return Pair(matched.values, "undecided", untested=untested, sentence=sentence)
    gain = -1 if measure.metric.lower_is_better else 1
    sign = 1
    if gain * measure.difference(samples).mean < 0:
        sign, first, second = -1, second, first
    # As in the mean, a setting counts with the common replicates if these are the samples.
    settings = [
        {key: value for key, value in of.items() if unit == "setting" or key in samples}
        for of in matched.differences
    ]
    gains = [sign * gain * measure.difference(of).mean for of in settings]
    verdict = "different" if is_significant(adjusted) else "indistinguishable"
    pair = Pair(
        (first, second),
        "undecided" if untested else verdict,
        measure.difference({key: sign * value or 0.0 for key, value in samples.items()}),
        p=None if untested else p,
        adjusted=None if untested else adjusted,
        settings=len(settings),
        replicates=len(set().union(*settings)),
        better=sum(value > 0 for value in gains),
        equal=sum(value == 0 for value in gains),
        worse=sum(value < 0 for value in gains),
        untested=untested,
    )
    return replace(pair, sentence=_sentence(pair, matched, unit))


def _sentence(pair: Pair, matched: Matched, unit: str) -> str:
    """Says which value is better, by how much, and how certain that is."""
    assert pair.difference is not None
    relation = {
        # The signed-rank test may find a difference whose mean is 0.
        "different": "is better than" if pair.difference.mean else "is different from",
        "indistinguishable": "is statistically indistinguishable from",
        "undecided": "-",
    }[pair.verdict]
    metric, variation = matched.measure.metric, matched.measure.variation
    p = "" if pair.adjusted is None else f", p {probability(pair.adjusted)}"
    runs = count(pair.replicates, variation.unit)
    runs += f" ({varied_words(matched.means)})" if variation.resampled else ""
    assumption = (
        "tested over settings, because there are too few seeds: "
        "this assumes that settings do not share the luck of a seed"
    )
    parts = [
        f"{pair.values[0]} {relation} {pair.values[1]}: {metric} "
        f"{estimate_text(pair.difference, '+')}{p}, mean of {count(pair.settings, 'setting')}, "
        f"{runs}",
        f"better in {pair.better}, equal in {pair.equal}, worse in {pair.worse}",
        assumption if unit == "setting" else pair.untested,
    ]
    return f"{'; '.join(filter(None, parts))}."
