"""The limits that a search sets to a run. Imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Limits:
    """The epochs after which a run ends early or pauses.

    Limits never change a value that a run computes, so they are not part of its run_id: a run with
    limits has the first epochs of the same run without them.

    Attributes:
        thresholds: by a number of finished epochs, the worst value that the best of these epochs
            may have in the monitored metric. A run with a worse value is pruned.
        until: the number of finished epochs after which the run pauses; None for none. A paused
            run has a checkpoint and no record.
    """

    thresholds: Mapping[int, float] = field(default_factory=dict[int, float])
    until: int | None = None
