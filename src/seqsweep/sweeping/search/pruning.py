"""The epochs after which a trial ends early because earlier trials were better there.

A pruner computes the thresholds of a trial when the trial is chosen, from the trials that have a
result by then. So they do not depend on how fast the runs train, nor on what trains beside them.
"""

import functools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Judged:
    """A trial with a result, as pruners see it.

    Attributes:
        number: of the trial.
        is_complete: whether it has trained to its end.
        curve: its best monitored value so far after each epoch, the mean over its runs.
    """

    number: int
    is_complete: bool
    curve: Sequence[float]


class Pruner(Protocol):
    """A rule that ends trials early."""

    def thresholds(self, number: int, judged: Sequence[Judged]) -> dict[int, float]:
        """Returns by finished epochs the worst value with which a trial continues.

        Args:
            number: of the trial that is chosen now.
            judged: the trials with a result.
        """
        ...

    def described(self) -> dict[str, Any]:
        """Returns the name and the options of the pruner."""
        ...


@dataclass(frozen=True)
class MedianPruner:
    """Ends a trial that is worse than the median of the complete trials.

    The best values up to the same epoch are compared (Golovin et al. 2017, KDD). On such values
    Optuna's MedianPruner decides in the same way.

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

    def __post_init__(self) -> None:
        _check_least(self, n_startup_trials=0, n_warmup_epochs=0, interval=1)

    def thresholds(self, number: int, judged: Sequence[Judged]) -> dict[int, float]:
        complete = [trial.curve for trial in judged if trial.is_complete]
        if len(complete) < max(1, self.n_startup_trials):
            return {}
        # The last epoch is left out: a trial that has reached it is complete.
        epochs = range(max(1, self.n_warmup_epochs), self.max_epochs)
        medians: dict[int, float] = {}
        for epoch in epochs:
            values = _values_at(complete, epoch)
            if values and (epoch - self.n_warmup_epochs) % self.interval == 0:
                medians[epoch] = statistics.median(values)
        return medians

    def described(self) -> dict[str, Any]:
        return {"name": "median", **_options(self)}


@dataclass(frozen=True)
class HyperbandPruner:
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

    def __post_init__(self) -> None:
        _check_least(self, min_epochs=1, eta=2)

    def thresholds(self, number: int, judged: Sequence[Judged]) -> dict[int, float]:
        bracket = self.bracket(number)
        others = [trial.curve for trial in judged if self.bracket(trial.number) == bracket]
        best: dict[int, float] = {}
        for rung in self.rungs(bracket):
            values = sorted(_values_at(others, rung), reverse=not self.minimize)
            if values:
                # The trial itself is one of those that are compared.
                continuing = max(1, (len(values) + 1) // self.eta)
                best[rung] = values[continuing - 1]
        return best

    def bracket(self, number: int) -> int:
        """Returns the bracket of a trial; the first bracket has the most rungs."""
        return self._order[number % len(self._order)]

    def rungs(self, bracket: int) -> list[int]:
        """Returns the numbers of epochs after which the trials of a bracket are compared."""
        rungs: list[int] = []
        epochs = self.min_epochs * self.eta**bracket
        while epochs < self.max_epochs:
            rungs.append(epochs)
            epochs *= self.eta
        return rungs

    @functools.cached_property
    def _order(self) -> list[int]:
        """Returns the brackets of consecutive trials, evenly mixed."""
        brackets = 1
        while self.rungs(brackets - 1):
            brackets += 1
        sizes = [
            math.ceil(brackets / (brackets - bracket) * self.eta ** (brackets - 1 - bracket))
            for bracket in range(brackets)
        ]
        # The i-th of n trials of a bracket stands at (i + 1/2) / n of the whole.
        places = [
            ((i + 0.5) / size, bracket) for bracket, size in enumerate(sizes) for i in range(size)
        ]
        return [bracket for _, bracket in sorted(places)]

    def described(self) -> dict[str, Any]:
        return {"name": "hyperband", **_options(self)}


PRUNERS: Mapping[str, Sequence[str]] = {
    "none": (),
    "median": ("n_startup_trials", "n_warmup_epochs", "interval"),
    "hyperband": ("min_epochs", "eta"),
}
"""The options of each pruner."""


def pruner_of(
    name: str, options: Mapping[str, int], max_epochs: int, minimize: bool
) -> Pruner | None:
    """Returns the pruner of a name; None for `none`.

    Raises:
        ValueError: the pruner refuses the value of an option.
    """
    if name == "none":
        return None
    made = MedianPruner if name == "median" else HyperbandPruner
    return made(max_epochs, minimize, **options)


def pruned_after(
    curve: Sequence[float], thresholds: Mapping[int, float], minimize: bool
) -> int | None:
    """Returns after how many epochs a run is pruned; None if it is not.

    Args:
        curve: the best monitored value so far after each epoch.
        thresholds: by finished epochs.
        minimize: whether lower values are better.
    """
    for epoch in sorted(thresholds):
        if epoch > len(curve):
            return None
        value, threshold = curve[epoch - 1], thresholds[epoch]
        if value > threshold if minimize else value < threshold:
            return epoch
    return None


def known_values(curve: Sequence[float]) -> dict[int, float]:
    """Returns the values of a curve by finished epochs, without those that are not numbers."""
    return {epoch: value for epoch, value in enumerate(curve, start=1) if math.isfinite(value)}


def _values_at(curves: Sequence[Sequence[float]], epoch: int) -> list[float]:
    """Returns the values of the trials that have one after some epochs."""
    reached = [curve[epoch - 1] for curve in curves if len(curve) >= epoch]
    return [value for value in reached if math.isfinite(value)]


def _check_least(pruner: object, **least: int) -> None:
    for key, number in least.items():
        value = getattr(pruner, key)
        if value < number:
            raise ValueError(
                f"hydra.sweeper.pruner_options.{key}={value}: must be at least {number}"
            )


def _options(pruner: MedianPruner | HyperbandPruner) -> dict[str, Any]:
    return {
        key: value for key, value in asdict(pruner).items() if key not in ("max_epochs", "minimize")
    }
