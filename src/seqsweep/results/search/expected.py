"""Estimates the best value of n random configs, from the values of all configs tried.

Dodge, Gururangan, Card, Schwartz, Smith 2019, "Show Your Work: Improved Reporting of Experimental
Results", EMNLP. The estimate assumes that the configs were drawn independently of each other and of
their results, which random search does.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

INDEPENDENT = ("random", "halving")
"""The methods whose configs do not depend on the results of others.

Halving draws all its configs before it trains one."""

NAMED = (10, 100)
"""The numbers of configs for which a sentence names the expected best value."""

_MOST_POINTS = 60


@dataclass(frozen=True)
class Expected:
    """The expected best value of n configs, for some n.

    Args:
        low, high: The best of n configs lies between these in 80 % of all draws.
    """

    n: list[int]
    mean: list[float]
    low: list[float]
    high: list[float]

    def at(self, n: int) -> float:
        """The expected best value of the nearest n that was computed."""
        index = min(range(len(self.n)), key=lambda i: abs(self.n[i] - n))
        return self.mean[index]


def expected_best(values: Sequence[float], sign: int) -> Expected:
    """Returns the curve for 1 up to as many configs as there are values.

    Args:
        sign: -1 if higher values are better, 1 if lower ones are.
    """
    total = len(values)
    # From the worst to the best.
    ordered = sorted(values, key=lambda value: -sign * value)
    even = {round(total ** (i / (_MOST_POINTS - 1))) for i in range(_MOST_POINTS)}
    steps = sorted(even | {n for n in NAMED if n <= total})
    curve = Expected(steps, [], [], [])
    for n in steps:
        # The best of n draws is among the worst i values with probability (i / total)^n.
        below = [(i / total) ** n for i in range(total + 1)]
        chances = [b - a for a, b in pairwise(below)]
        curve.mean.append(math.fsum(p * v for p, v in zip(chances, ordered, strict=True)))
        ends = [next(i for i in range(total) if below[i + 1] >= share) for share in (0.1, 0.9)]
        low, high = sorted(ordered[i] for i in ends)
        curve.low.append(low)
        curve.high.append(high)
    return curve
