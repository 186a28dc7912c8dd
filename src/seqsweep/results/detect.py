"""Says how many replicates would show a difference between configs, from the spread so far."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from seqsweep.results.formatting import count, metric_words, short_number
from seqsweep.results.leaderboard import Leaderboard, leaderboard
from seqsweep.results.measures import Measure
from seqsweep.results.power import (
    MOST,
    POWER,
    SIGNED_RANK_EFFICIENCY,
    replicates_for,
    smallest_difference,
)
from seqsweep.results.significance import LEVEL, are_equal, deviation, paired, seeds_needed
from seqsweep.results.verdicts import name_test
from seqsweep.runs.ledger import read_folder


@dataclass(frozen=True)
class Detection:
    """The spread of the replicates of a folder, and the test that judges it.

    Args:
        metric: The compared metric.
        unit: The name of an independent sample: `seed`, or `split` if the splits vary.
        n: The number of samples so far.
        spread: The standard deviation of the paired differences, over all comparisons.
        comparisons: The number of comparisons that the spread is from; 0 if it is from the scores
            of a single config.
        configs: The number of configs that are compared, at least 2.
        test: The name of the test.
        share: n_test / n_train of overlapping splits; 0 for seeds.
        folds: The number of folds; 1 for other splits, and for seeds.
    """

    metric: str
    unit: str
    n: int
    spread: float
    comparisons: int
    configs: int
    test: str
    share: float = 0.0
    folds: int = 1

    @property
    def alpha(self) -> float:
        """The level of the first test of Holm's correction."""
        return (1 - LEVEL) / (self.configs - 1)

    def needed(self, difference: float) -> int | None:
        """Returns the samples that show a difference with `POWER`; None if no number suffices."""
        n = replicates_for(difference, self.spread, self.alpha, self.share)
        if n is None or self.share:
            return n
        # The signed-rank test has a smallest p, and needs some more seeds than the t-test.
        return max(math.ceil(n / SIGNED_RANK_EFFICIENCY), seeds_needed(self.configs))

    def smallest(self, n: int) -> float | None:
        """Returns the smallest difference that n samples show; None if they show none."""
        if n < (3 if self.share else seeds_needed(self.configs)):
            return None
        effective = n if self.share else max(3, math.floor(n * SIGNED_RANK_EFFICIENCY))
        return smallest_difference(effective, self.spread, self.alpha, self.share)


def detection_of(board: Leaderboard) -> Detection | None:
    """Returns what the replicates of a leaderboard can show.

    None if there is no spread: fewer than two replicates, equal scores, or splits of unknown size.
    """
    measure = Measure(board.compared, board.variation)
    share = board.variation.share(board.compared) if board.variation.resampled else 0.0
    rows = [row for row in board.rows if row.difference is not None]
    samples = [row.samples.get(board.compared, {}) for row in rows]
    pairs = [measure.units(paired(sample, samples[0])) for sample in samples[1:]]
    spread_of = [units for units in pairs if len(units) > 1 and not are_equal(units)]
    comparisons, factor = len(spread_of), 1.0
    if len(rows) == 1:
        units = measure.units(samples[0])
        spread_of = [units] if len(units) > 1 and not are_equal(units) else []
        # The difference of two such configs varies by so much, if they vary independently.
        factor = math.sqrt(2)
    if not spread_of or share is None:
        return None
    return Detection(
        metric=board.compared,
        unit="split" if board.variation.resampled else "seed",
        n=max(map(len, spread_of)),
        spread=factor * _pooled(spread_of),
        comparisons=comparisons,
        configs=max(2, len(rows)),
        test=name_test(board.variation),
        share=share,
        folds=len({replicate.fold for replicate in board.variation.replicates}),
    )


def _pooled(groups: Sequence[Sequence[float]]) -> float:
    """Returns the standard deviation within groups, weighted by their degrees of freedom."""
    squares = math.fsum((len(group) - 1) * deviation(group) ** 2 for group in groups)
    return math.sqrt(squares / sum(len(group) - 1 for group in groups))


def detection_words(found: Detection, difference: float) -> str:
    """Says how many samples a difference takes, and which difference those so far show."""
    return f"{_needed_words(found, difference)} {_smallest_words(found)}"


def _needed_words(found: Detection, difference: float) -> str:
    needed, text = found.needed(difference), f"{difference:g} in {metric_words(found.metric)}"
    if needed:
        runs = count(needed, found.unit)
        return f"To find a difference of {text} with probability {POWER}, about {runs} are needed."
    if not found.share:
        return f"A difference of {text} takes more than {MOST:,} seeds."
    limit = found.smallest(MOST)
    assert limit is not None
    return (
        f"No number of splits is enough to find a difference of {text} with probability {POWER}:"
        f" their training sets overlap (n_test / n_train = {found.share:.2f}), and even many splits"
        f" find only differences of {short_number(limit)} and more."
    )


def _smallest_words(found: Detection) -> str:
    smallest, samples = found.smallest(found.n), count(found.n, found.unit)
    if smallest is None:
        return f"The {samples} so far are too few to find any difference."
    return f"The {samples} so far find differences of {short_number(smallest)} and more."


def detect_difference(folders: Sequence[Path], difference: float, console: Console) -> None:
    """Prints how many replicates would show a difference between the configs of a folder.

    Raises:
        ValueError: There are several folders, or no run in it, or several data sets; the
            difference is not above 0, or the replicates show no spread.
        FileNotFoundError: The folder does not exist.
    """
    if not 0 < difference < math.inf:
        raise ValueError(f"--detect={difference}: must be a number above 0")
    if len(folders) > 1:
        raise ValueError(f"--detect={difference}: expected one folder, got {len(folders)}")
    board = leaderboard(read_folder(folders[0]))
    if board.sets > 1:
        raise ValueError(
            f"--detect={difference}: expected one data set, got {board.sets} in {folders[0]}; their"
            " scores have no common scale"
        )
    found = detection_of(board)
    if found is None:
        raise ValueError(
            f"--detect={difference}: the runs show no spread; expected a config, or two to compare,"
            " with at least two seeds or splits of known sizes, and with different scores"
        )
    source = (
        f"over {count(found.comparisons, 'comparison')} with the first config"
        if found.comparisons
        else "estimated from one config, as if two configs varied independently"
    )
    lines = [
        f"standard deviation of a paired difference in {found.metric} between {found.unit}s: "
        f"{found.spread:.4f} ({source})",
        detection_words(found, difference),
        f"({found.test}; {count(found.configs, 'config')}, so the first p must be below "
        f"{found.alpha:.2g})",
    ]
    if needed := found.needed(difference):
        key = "data.split_seed" if found.share else "seed"
        # Each split seed divides the data into all folds.
        lines.append(f"  '{key}=range({math.ceil(needed / found.folds)})'")
    console.print("\n".join(lines), soft_wrap=True, highlight=False, markup=False)
