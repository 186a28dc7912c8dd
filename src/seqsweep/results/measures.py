"""Tests whether two configs differ significantly, over seeds or over splits.

`results.significance` tests differences over seeds. The training sets of two folds or random splits
overlap, so their scores are not independent, and the usual variance of a mean is too small. For J
splits, the usual variance has the factor 1 / J. The corrected resampled t-test (Nadeau and Bengio
2003, Machine Learning 52) has 1 / J + `share` instead, where `share` is n_test / n_train.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from seqsweep.results.data_sets import group_by
from seqsweep.results.replicates import Replicate, Variation
from seqsweep.results.significance import (
    Difference,
    Estimate,
    are_equal,
    estimate,
    holm,
    is_significant,
    mean_of,
    paired,
    paired_t_p,
    seeds_needed,
    signed_rank_p,
)
from seqsweep.runs.metrics import Metric
from seqsweep.text import count

SPLITS_NEEDED = 3
"""The fewest splits for a test. Two differences show too little of their spread."""


def split_means(sample: Mapping[Replicate, float]) -> list[float]:
    """Returns the mean of each split over its seeds."""
    groups = group_by(sorted(sample), lambda replicate: replicate.split)
    return [mean_of(sample[replicate] for replicate in group) for group in groups.values()]


def corrected_estimate(sample: Mapping[Replicate, float], share: float | None) -> Estimate:
    """Returns the splits' mean, with a corrected interval if `share` is known.

    Every split has the same weight, as in the test, even if it has more seeds than another split.
    The standard deviation is over all replicates. One split or equal means give no interval.
    """
    every, splits = estimate([*sample.values()]), estimate(split_means(sample), share or 0.0)
    low, high = (None, None) if share is None else (splits.low, splits.high)
    return Estimate(every.n, splits.mean, every.std, low, high)


def _clipped(value: Estimate, low: float, high: float) -> Estimate:
    """Clips an interval to a range, which Student's t ignores."""
    if value.low is None or value.high is None:
        return value
    if value.low >= low and value.high <= high:  # most intervals, and a copy takes time
        return value
    return replace(value, low=max(value.low, min(low, value.mean)), high=min(value.high, high))


@dataclass(frozen=True)
class Measure:
    """The compared metric, and how the differences of two configs are tested.

    Args:
        variation: How the replicates of a config differ.
    """

    metric: Metric
    variation: Variation

    @property
    def share(self) -> float | None:
        """The number of evaluated sequences per training sequence; None if unknown."""
        return self.variation.share(self.metric)

    def differences(self, samples: Sequence[Mapping[Replicate, float]]) -> list[Difference]:
        """Compares each config with the first one.

        The t interval shows how large a difference over seeds is. Wilcoxon's signed-rank test
        decides whether it is significant, because it does not assume a normal distribution. The p
        is corrected for the number of configs: one of twenty equal configs would differ by chance.

        Args:
            samples: The compared metric of each config, by replicate. The first config is the best
                by the metric of another split.
        """
        if not samples:
            return []
        pairs = [paired(sample, samples[0]) for sample in samples[1:]]
        p_values = [self.p(pair) for pair in pairs]
        by_t = holm([paired_t_p([*pair.values()]) for pair in pairs])
        needed = 0 if self.variation.resampled else seeds_needed(len(samples))
        judged = zip(pairs, p_values, holm(p_values), by_t, strict=True)
        best = Difference(Estimate(len(samples[0]), 0.0), None, None, "best")
        return [best, *(self._judge(*one, needed) for one in judged)]

    def _judge(
        self, pairs: Mapping[Replicate, float], p: float, adjusted: float, by_t: float, needed: int
    ) -> Difference:
        interval = self.difference(pairs) if pairs else None
        untested = self.why_untested(pairs)
        if untested or not pairs:
            return Difference(interval, None, None, "undecided", untested=untested)
        verdict = "different" if is_significant(adjusted) else "indistinguishable"
        # With fewer seeds not even the clearest difference would be significant.
        if verdict == "indistinguishable" and len(pairs) < needed:
            verdict = "undecided"
        t_adjusted = None if self.variation.resampled else by_t
        return Difference(interval, p, adjusted, verdict, t_adjusted)

    def mean(self, values: Mapping[Replicate, float]) -> Estimate:
        """Returns the mean of scores, with its interval within the metric's range."""
        return _clipped(self._estimate(values), *self.metric.bounds)

    def difference(self, values: Mapping[Replicate, float]) -> Estimate:
        """Returns the mean of differences; those of accuracies are at most 1."""
        return _clipped(self._estimate(values), *self._range)

    @property
    def _range(self) -> tuple[float, float]:
        low, high = self.metric.bounds
        return low - high, high - low

    def _estimate(self, values: Mapping[Replicate, float]) -> Estimate:
        if self.variation.resampled:
            return corrected_estimate(values, self.share)
        return estimate(list(values.values()))

    def units(self, differences: Mapping[Replicate, float]) -> list[float]:
        """Returns the independent differences, one for each split or seed."""
        return split_means(differences) if self.variation.resampled else [*differences.values()]

    def p(self, differences: Mapping[Replicate, float]) -> float:
        """Returns the two-sided p value of the test for seeds or splits."""
        units = self.units(differences)
        if self.variation.resampled:
            return paired_t_p(units, self.share or 0.0)
        return signed_rank_p(units)

    def why_untested(self, differences: Mapping[Replicate, float]) -> str:
        """Says why splits are not tested; empty for tested ones and seeds."""
        if not self.variation.resampled:
            return ""
        means = self.units(differences)
        if not means:
            return "no split has a score of both configs"
        if self.share is None:
            return "the sizes of the splits are unknown, so there is no corrected t-test"
        if len(means) < SPLITS_NEEDED:
            splits, are = count(len(means), "shared split"), "is" if len(means) == 1 else "are"
            few = f"{splits} {are} too few: a corrected t-test needs at least"
            return f"{few} {SPLITS_NEEDED} splits"
        # Differences that are equal, but not zero, have no spread that could be tested.
        if are_equal(means) and any(means):
            return "the difference is the same on all splits, so a corrected t-test is not defined"
        return ""


def sampling_error(first: float, second: float, score: Metric, tested: int) -> float:
    """Returns the largest difference of accuracies that chance explains at 95 %.

    The formula is the interval of Agresti and Caffo (2000, The American Statistician 54), valid for
    few sequences and for accuracies of 0 and 1, if the accuracies are independent. Two networks
    make similar errors on the same sequences, so chance explains less than the result.

    Args:
        tested: The number of sequences behind each accuracy; 0 if unknown.
    """
    if not tested or not score.is_bounded:
        return 0.0
    return math.hypot(_share_error(first, tested), _share_error(second, tested))


def _share_error(share: float, tested: int) -> float:
    """Returns an accuracy's sampling error, with a success and a failure added."""
    share = (min(max(share, 0.0), 1.0) * tested + 1) / (tested + 2)
    return 1.96 * math.sqrt(share * (1 - share) / (tested + 2))
