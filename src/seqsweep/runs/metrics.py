"""Metrics as values: what a number of a run means, and which direction is better."""

import math
from collections.abc import Mapping
from typing import Any, Literal, Self

Direction = Literal["min", "max"]


class Metric(str):
    """The name of a number that a run measures, with what is known about it.

    It is a text, so it selects a value wherever its name does. A run of a user's own
    LightningModule names its metrics with their direction in its record; the metrics of all other
    runs are `OURS`.

    Args:
        name: the name under which the run logs the number, such as `val/acc` or `val_loss`.
        direction: `min` if a lower value is better, else `max`.
        bounds: the smallest and the largest possible value.
    """

    direction: Direction
    bounds: tuple[float, float]

    def __new__(
        cls, name: str, direction: Direction, bounds: tuple[float, float] = (-math.inf, math.inf)
    ) -> Self:
        metric = super().__new__(cls, name)
        metric.direction, metric.bounds = direction, bounds
        return metric

    @property
    def lower_is_better(self) -> bool:
        return self.direction == "min"


_KINDS: dict[str, tuple[Direction, tuple[float, float]]] = {
    "loss": ("min", (0.0, math.inf)),
    "acc": ("max", (0.0, 1.0)),
    "f1": ("max", (0.0, 1.0)),
}

OURS: dict[str, Metric] = {
    name: Metric(name, *rest)
    for split in ("train", "val", "test")
    for kind, rest in _KINDS.items()
    for name in (f"{split}/{kind}",)
}
"""The metrics of the project's own classifier, by name."""


def monitor_of_config(config: Mapping[str, Any]) -> Metric | None:
    """Returns the metric that chooses the best epoch of a run; None for its last epoch.

    Args:
        config: nested or flat; `monitor_mode` is a key only for a LightningModule of the user.
    """
    name, mode = config["monitor"], config.get("monitor_mode")
    if name is None or mode is None:
        return None if name is None else OURS[name]
    return Metric(name, mode)
