"""Compares the channels of new sequences with those that a run was trained on.

B sequences of a batch, S steps of all sequences together, F channels of the source.
"""

import numpy as np
import torch
from torch import Tensor

from seqsweep.data.fitted import Scaling

_FAR, _TIMES = 5, 100
"""The distance of two means in deviations, and the ratio of two deviations, that are named."""
_FEW = 10
_NAMED = 3


class Units:
    """The means and deviations of scaled new values; in train they are 0 and 1.

    Args:
        scaling: the scaling of the run; without standardisation there is nothing to compare.
        channels: F names.
    """

    def __init__(self, scaling: Scaling | None, channels: tuple[str, ...]) -> None:
        is_standardized = scaling is not None and scaling.mean is not None
        self.channels = channels if is_standardized else ()
        self.sequences = self.steps = 0
        self._sums, self._squares = np.zeros((2, len(self.channels)))
        self._ends = np.full((2, len(self.channels)), -np.inf)

    def add(self, x: Tensor, lengths: Tensor) -> None:
        """Adds a batch of network inputs (B, T, ...), with the channels of the source first."""
        if not self.channels:
            return
        # Mask channels, and the steps of a frame after its first, come behind these channels.
        valid = torch.arange(x.shape[1]) < lengths[:, None]
        steps = x[valid][:, : len(self.channels)].double().numpy()  # (S, F)
        self.sequences, self.steps = self.sequences + len(x), self.steps + len(steps)
        self._sums += steps.sum(axis=0)
        self._squares += (steps**2).sum(axis=0)
        self._ends = np.maximum(self._ends, [steps.max(axis=0), -steps.min(axis=0)])

    def notes(self, where: str) -> list[str]:
        """Returns a line on the channels far from those of train, if any."""
        mean = self._sums / max(self.steps, 1)
        deviation = np.sqrt(np.maximum(self._squares / max(self.steps, 1) - mean**2, 0))
        # A channel may be constant in a file, and may change little within a few sequences.
        is_small = (self._ends.sum(axis=0) > 0) & (deviation < 1 / _TIMES)
        is_other = (deviation > _TIMES) | (is_small & (self.sequences >= _FEW))
        named = np.flatnonzero(is_other | (np.abs(mean) > _FAR)).tolist()
        if not named:
            return []
        found = [
            f"{self.channels[f]!r} (mean {abs(mean[f]):.3g} deviations from train's, deviation"
            f" {deviation[f]:.3g} times train's)"
            for f in named[:_NAMED]
        ]
        more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
        word = "channel" if len(named) == 1 else "channels"
        return [f"{where}: other units than in training? {word} {', '.join(found)}{more}"]
