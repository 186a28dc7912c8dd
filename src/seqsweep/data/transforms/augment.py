"""Changes the sequences of training anew in each epoch: noise, and masked steps.

B sequences of a batch, T steps, F features (channels).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqsweep.data.checks import Float32, Float64, Int64, Mask
from seqsweep.data.sequences import Sequences
from seqsweep.data.transforms.options import Transform, TransformOptions, transform_of
from seqsweep.data.transforms.shaping import Shaping
from seqsweep.elementary import normal


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

    def apply(self, x: Float32, lengths: Int64, rows: Sequence[int], seed: int) -> Float32:
        """Returns a changed copy of x (B, T, F).

        Args:
            rows: (B,) the index of each sequence in the training split.
            seed: that of the stream `augment/<epoch>`.
        """
        uniform = np.zeros((*x.shape, 2), dtype=np.float32)
        places = np.zeros((len(x), 2))
        bits = np.random.Philox(key=seed)
        random = np.random.Generator(bits)
        # Each sequence has a block of the counter; new generators would take seven times as long.
        state = bits.state
        for index, (row, length) in enumerate(zip(rows, lengths.tolist(), strict=True)):
            state["state"]["counter"][2] = row
            bits.state = state
            # The span is drawn first, so that it is the same with and without noise.
            if self.time_mask > 0:
                random.random(out=places[index])
            if self.jitter > 0:
                random.random(dtype=np.float32, out=uniform[index, :length])
        noise = normal(uniform)  # 0 at padding
        noise *= np.float32(self.jitter)
        noise[:, :, list(self.exact)] = 0
        result = x + noise
        result[self._spans(places, lengths, x.shape[1])] = 0
        return result

    def _spans(self, places: Float64, lengths: Int64, longest: int) -> Mask:
        """Returns the masked steps (B, T), from two numbers in [0, 1) a sequence."""
        widest = np.minimum(self.time_mask, lengths - 1)
        widths = (places[:, 0] * (widest + 1)).astype(np.int64)
        starts = (places[:, 1] * (lengths - widths + 1)).astype(np.int64)
        steps = np.arange(longest) - starts[:, None]
        return (steps >= 0) & (steps < widths[:, None])


def augmentation_of(
    options: TransformOptions | None, shaping: Shaping | None
) -> Augmentation | None:
    """Returns what training does to the prepared sequences; None without jitter and time mask."""
    transform = transform_of(options)
    if not transform.augments:
        return None
    exact = () if shaping is None else tuple(np.flatnonzero(shaping.is_mask).tolist())
    return Augmentation(transform.jitter, transform.time_mask, exact)


def check_augmentation(transform: Transform, train: Sequences) -> None:
    """Refuses a time mask that could cover the longest training sequence."""
    longest, steps = int(train.lengths.max()), transform.time_mask
    if steps and steps >= longest:
        raise ValueError(
            f"data.transform.time_mask={steps}: must be below {longest}, the steps of the longest"
            " training sequence"
        )
