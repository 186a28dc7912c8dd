"""Names the channels of new sequences whose values are probably in other units."""

import numpy as np
from torch import Tensor

from seqsweep.data.fitted import Scaling

_FAR, _TIMES = 5, 100
"""The distance of two means in deviations, and the ratio of two deviations, that are named."""
_FEW, _NAMED = 10, 3


def unit_notes(
    x: Tensor, lengths: Tensor, scaling: Scaling | None, channels: tuple[str, ...], where: str
) -> list[str]:
    """Returns a line on the channels that are far from those of train, if any.

    Args:
        x: (B, T, ...) the network's input, with the channels of the source first. In train, each
            had the mean 0 and the deviation 1.
        scaling: the scaling of x; without standardisation there is nothing to compare.
    """
    if scaling is None or scaling.mean is None:
        return []
    # Mask channels, and the steps of a frame after its first, come behind the first channels.
    valid = np.arange(x.shape[1]) < lengths.numpy()[:, None]
    named: list[str] = []
    for index, name in enumerate(channels):
        values = x[:, :, index].numpy()[valid].astype(np.float64)
        mean, deviation = abs(values.mean()), values.std()
        # A channel may be constant in a file, and may change little within a few sequences.
        is_small = deviation < 1 / _TIMES and len(x) >= _FEW and np.ptp(values) > 0
        if mean > _FAR or deviation > _TIMES or is_small:
            distance = f"mean {mean:.3g} deviations from train's"
            named.append(f"{name!r} ({distance}, deviation {deviation:.3g} times train's)")
    if not named:
        return []
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    word = "channel" if len(named) == 1 else "channels"
    return [f"{where}: other units than in training? {word} {', '.join(named[:_NAMED])}{more}"]
