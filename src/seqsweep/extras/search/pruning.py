"""The two rules by which a trial ends early because earlier trials were better there.

The thresholds of a trial are computed when it is chosen, from the trials that have a result by
then. So they do not depend on how fast the runs train, nor on what trains beside them, and a worker
on another host can be told them.
"""

import functools
import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seqsweep.extras.search.trials import Result


@dataclass(frozen=True)
class Median:
    """Ends a trial that is worse than the median of the complete trials.

    The best values up to the same epoch are compared (Golovin et al. 2017, KDD).

    Args:
        max_epochs: the epochs of a trial.
        minimize: whether lower values are better.
        n_startup_trials: no trial is ended before so many are complete.
        n_warmup_epochs: the first epoch after which a trial may end; 0 for the first of all.
        interval: the number of epochs from one decision to the next.
    """

    max_epochs: int
    minimize: bool
    n_startup_trials: int = 5
    n_warmup_epochs: int = 0
    interval: int = 1

    def thresholds(self, number: int, results: Mapping[int, Result]) -> dict[int, float]:
        """Returns by finished epochs the worst value with which a trial continues.

        Args:
            number: of the trial that is chosen now.
            results: of the trials that were told, by number.
        """
        complete = [result.curve for result in results.values() if result.state == "complete"]
        if len(complete) < max(1, self.n_startup_trials):
            return {}
        first = self.n_warmup_epochs or self.interval
        # The last epoch is left out: a trial that has reached it is complete.
        epochs = range(first, self.max_epochs, self.interval)
        values = {epoch: _values_after(complete, epoch) for epoch in epochs}
        return {epoch: statistics.median(each) for epoch, each in values.items() if each}


@dataclass(frozen=True)
class Hyperband:
    """Ends trials at rungs, in brackets that begin to do so at different epochs.

    A bracket has rungs at `min_epochs * eta**k` epochs. At a rung a trial continues if it is among
    the best 1/eta of itself and the trials of its bracket that have reached the rung (Hyperband,
    Li et al. 2018, Journal of Machine Learning Research; decided one by one as in ASHA, Li et al.
    2020, MLSys). The brackets get trials in the proportions of Hyperband, by their numbers.

    Args:
        max_epochs: the epochs of a trial.
        minimize: whether lower values are better.
        min_epochs: the first rung of the first bracket.
        eta: one of so many trials continues at a rung.
    """

    max_epochs: int
    minimize: bool
    min_epochs: int = 1
    eta: int = 3

    def thresholds(self, number: int, results: Mapping[int, Result]) -> dict[int, float]:
        """Returns what `Median.thresholds` returns."""
        bracket = self.bracket(number)
        others = [each.curve for n, each in results.items() if self.bracket(n) == bracket]
        values = {rung: _values_after(others, rung) for rung in self.rungs(bracket)}
        # The trial itself is one of those that are compared.
        return {
            rung: sorted(each, reverse=not self.minimize)[max(1, (len(each) + 1) // self.eta) - 1]
            for rung, each in values.items()
            if each
        }

    def bracket(self, number: int) -> int:
        """Returns the bracket of a trial; the first bracket has the most rungs."""
        return self._order[number % len(self._order)]

    def rungs(self, bracket: int) -> list[int]:
        """Returns the numbers of epochs after which the trials of a bracket are compared."""
        epochs = (self.min_epochs * self.eta**k for k in itertools.count(bracket))
        return list(itertools.takewhile(lambda rung: rung < self.max_epochs, epochs))

    @functools.cached_property
    def _order(self) -> list[int]:
        """Returns the brackets of consecutive trials, evenly mixed."""
        brackets = len(self.rungs(0)) + 1
        places: list[tuple[float, int]] = []
        for bracket in range(brackets):
            left = brackets - bracket
            size = math.ceil(brackets / left * self.eta ** (left - 1))
            # The i-th of n trials of a bracket stands at (i + 1/2) / n of the whole.
            places += [((i + 0.5) / size, bracket) for i in range(size)]
        return [bracket for _, bracket in sorted(places)]


def _values_after(curves: Sequence[Sequence[float | None]], epoch: int) -> list[float]:
    """Returns the values of the trials that have one after some epochs."""
    reached = [curve[epoch - 1] for curve in curves if len(curve) >= epoch]
    return [value for value in reached if value is not None]
