"""The budget of a search: how many trials, epochs or minutes it may take."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Budget:
    """The limits of a search, of which the first one reached ends it.

    Attributes:
        trials: the number of trials.
        epochs: the number of epochs that all runs of all trials are trained together.
        minutes: the minutes from the first start of the search to the choice of its last trial,
            without those between two commands. Runs that have begun by then are completed.
    """

    trials: int | None = None
    epochs: int | None = None
    minutes: float | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Returns the budget of `hydra.sweeper.budget`.

        Raises:
            ValueError: a limit is not above zero, or there is none.
        """
        budget = cls(**values)
        if not budget.described():
            raise ValueError("hydra.sweeper.budget: must have trials, epochs or minutes")
        for unit, limit in budget.described().items():
            if not (limit > 0 and math.isfinite(limit)):
                raise ValueError(f"hydra.sweeper.budget.{unit}={limit}: must be above 0")
        return budget

    def check_trial(self, seeds: int, epochs: int) -> None:
        """Checks that one trial fits.

        Args:
            seeds: the number of its runs.
            epochs: the most epochs of a run.

        Raises:
            ValueError: it does not fit.
        """
        if self.epochs is not None and self.epochs < seeds * epochs:
            raise ValueError(
                f"hydra.sweeper.budget.epochs={self.epochs}: must be at least {seeds * epochs}, the"
                f" epochs of one trial (hydra.sweeper.seeds={seeds}, trainer.max_epochs={epochs})"
            )

    def described(self) -> dict[str, float]:
        """Returns the limits by unit, as search.json has them."""
        limits = {"trials": self.trials, "epochs": self.epochs, "minutes": self.minutes}
        return {unit: limit for unit, limit in limits.items() if limit is not None}

    def allows(self, epochs: Sequence[int | None], cost: int, minutes: float) -> bool:
        """Returns whether one more trial may begin.

        A trial that runs counts with all its epochs, until it is known how many it has taken. So
        the answer for a trial may change from no to yes while others end, but never back.

        Args:
            epochs: the epochs that each trial has taken; None while it runs.
            cost: the most epochs of a trial.
            minutes: the minutes that the search has taken.
        """
        used = sum(cost if taken is None else taken for taken in epochs)
        return (
            (self.trials is None or len(epochs) < self.trials)
            and (self.epochs is None or used + cost <= self.epochs)
            and (self.minutes is None or minutes < self.minutes)
        )
