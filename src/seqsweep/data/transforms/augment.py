"""Changes the sequences of training anew in each epoch: noise, and masked steps.

B sequences of a batch, T steps, F features (channels).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seqsweep.data.precision import Float32
from seqsweep.data.transforms.options import TransformOptions, transform_of
from seqsweep.data.transforms.shaping import Shaping
from seqsweep.data.transforms.steps import Lengths


@dataclass(frozen=True)
class Augmentation:
    """Adds normal noise to training sequences, and sets a random span of steps to 0.

    Every draw is a function of (seed of the epoch, index of the sequence). So it does not depend
    on the batch, the other runs, the engine, or on where a run was interrupted.

    Args:
        jitter: the standard deviation of the noise, in the values that the network reads.
        time_mask: the most steps of the span. Its length is drawn from 0 up to this number, at
            most all steps but one, then its place (SpecAugment, Park et al. 2019).
        exact: the channels without noise: the 0/1 masks of missing values.
    """

    jitter: float
    time_mask: int
    exact: tuple[int, ...] = ()

    def apply(self, x: Float32, lengths: Lengths, rows: Sequence[int], seed: int) -> Float32:
        """Returns a changed copy of x (B, T, F).

        Args:
            rows: (B,) the index of each sequence in the training split.
            seed: that of the stream `augment/<epoch>`.
        """
        result = x.copy()
        bits = np.random.Philox(key=seed)
        random = np.random.Generator(bits)
        # Each sequence has a block of the counter to itself. A new generator for each sequence
        # would take seven times as long as setting the counter.
        state = bits.state
        for sequence, length, row in zip(result, lengths.tolist(), rows, strict=True):
            state["state"]["counter"][2] = row
            bits.state = state
            self._change(sequence[:length], random)
        return result

    def _change(self, sequence: npt.NDArray[np.float32], random: np.random.Generator) -> None:
        # The span is drawn first, so that it is the same with and without noise.
        most = min(self.time_mask, len(sequence) - 1)
        width = int(random.integers(0, most, endpoint=True))
        start = int(random.integers(0, len(sequence) - width, endpoint=True))
        if self.jitter > 0:
            noise = random.standard_normal(sequence.shape, dtype=np.float32)
            noise *= np.float32(self.jitter)
            noise[:, list(self.exact)] = 0
            sequence += noise
        sequence[start : start + width] = 0


def augmentation_of(
    options: TransformOptions | None, shaping: Shaping | None
) -> Augmentation | None:
    """Returns what training does to the prepared sequences; None without jitter and time mask.

    Args:
        options: `data.transform` of a config.
        shaping: that of the prepared splits.
    """
    transform = transform_of(options)
    if not transform.augments:
        return None
    exact = () if shaping is None else tuple(np.flatnonzero(shaping.is_mask).tolist())
    return Augmentation(transform.jitter, transform.time_mask, exact)
