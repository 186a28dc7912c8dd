"""Judges the paired differences of two configs, by what their replicates differ in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seqsweep.results.formatting import count
from seqsweep.results.replicates import Replicate, Variation
from seqsweep.results.resampled import (
    corrected_estimate,
    corrected_t_p,
    resampled_differences,
    split_means,
    why_untested,
)
from seqsweep.results.significance import (
    Difference,
    Estimate,
    differences_to_best,
    estimate,
    seeds_needed,
    signed_rank_p,
)

Differences = Mapping[Replicate, float]
"""A config's score minus that of another one, by replicate."""


@dataclass(frozen=True)
class Measure:
    """The compared metric, and how the differences of two configs are judged.

    Args:
        variation: What the replicates of a config differ in.
    """

    metric: str
    variation: Variation

    def differences(self, samples: Sequence[Mapping[Replicate, float]]) -> list[Difference]:
        """Compares the samples of configs with the first one."""
        if not samples:
            return []
        if self.variation.resampled:
            return resampled_differences(samples, 0, self.variation.share(self.metric))
        return differences_to_best(samples, best=0)

    def mean(self, differences: Differences) -> Estimate:
        """The mean difference with its interval."""
        if self.variation.resampled:
            return corrected_estimate(differences, self.variation.share(self.metric))
        return estimate(list(differences.values()))

    def units(self, differences: Differences) -> list[float]:
        """The differences that are independent samples: one for each split, or for each seed."""
        if self.variation.resampled:
            return split_means(differences)
        return list(differences.values())

    def p(self, differences: Differences) -> float:
        """The two-sided p of the folder's test."""
        units = self.units(differences)
        if self.variation.resampled:
            return corrected_t_p(units, self.variation.share(self.metric))
        return signed_rank_p(units)

    def why_untested(self, differences: Differences) -> str:
        """Says why the test cannot find the differences significant; empty if it can."""
        units = self.units(differences)
        if self.variation.resampled:
            return why_untested(units, self.variation.share(self.metric))
        needed = seeds_needed(configs=2)
        if len(units) >= needed:
            return ""
        seeds, are = count(len(units), "seed"), "is" if len(units) == 1 else "are"
        return f"{seeds} {are} too few for a signed-rank test, which needs at least {needed}"
