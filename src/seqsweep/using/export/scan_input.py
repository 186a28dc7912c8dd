"""The way from raw values to a network's input, in operators that `torch.export` knows.

B sequences, T time steps, F features (channels). No size is compared with another one, because
`torch.export` would fix them.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seqsweep.data.fitted import Scaling


class RawInput(nn.Module):
    """The bits of `Scaling.apply`: transform, missing values and standardisation.

    Shape: x (B, T, F), lengths (B,) -> (B, T, F) float32, 0 at padding, and lengths (B,). With a
    transform, T and F of the result differ.
    """

    fill: Tensor | None
    mean: Tensor | None
    deviation: Tensor | None

    def __init__(self, scaling: Scaling | None) -> None:
        super().__init__()
        self.shaping = None if scaling is None else scaling.shaping
        self.forward_fill = scaling is not None and scaling.missing == "forward"
        self.kind = torch.float32 if scaling is None else getattr(torch, scaling.dtype)
        for name in ("fill", "mean", "deviation"):
            self._keep(name, None if scaling is None else getattr(scaling, name))

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        x, lengths = self._shortened(x.to(self.kind), lengths)
        is_missing = x.isnan()
        if self.fill is not None:
            x = _filled_forward(x) if self.forward_fill else x
            x = torch.where(x.isnan(), self.fill, x)
        x, lengths = self._widened(x, is_missing, lengths)
        if self.mean is not None and self.deviation is not None:
            x = (x.double() - self.mean) / self.deviation
        return torch.where(is_step(x, lengths).unsqueeze(2), x.float(), 0.0), lengths

    def _shortened(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Crops and downsamples."""
        shaping = self.shaping
        if shaping is None:
            return x, lengths
        # `torch.export` treats one step apart from several, so at least two blocks are left.
        block = shaping.downsample * shaping.frame
        if block > 1:
            x = torch.nn.functional.pad(x, (0, 0, 0, 2 * block))
        if shaping.first > 0 or shaping.last is not None:
            ends = lengths if shaping.last is None else lengths.clamp(max=shaping.last)
            lengths = ends - shaping.first
            # The cropped steps behind the end become padding, so that T stays.
            x = _steps(x, (torch.arange(x.shape[1]) + shaping.first).clamp(max=x.shape[1] - 1))
        if shaping.downsample > 1:
            x = self._means(x, lengths, shaping.downsample)
            lengths = _blocks(lengths, shaping.downsample)
        return x, lengths

    def _means(self, x: Tensor, lengths: Tensor, size: int) -> Tensor:
        """Returns the means of `size` steps each; a missing value has no weight.

        Where missing values are refused, the mean is missing too.
        """
        index = torch.arange(_blocks(x.shape[1], size) * size)
        present = (index < lengths.unsqueeze(1)).unsqueeze(2)
        x = _steps(x, index.clamp(max=x.shape[1] - 1))
        present = present & ~x.isnan() if self.fill is not None else present.expand_as(x)
        shape = (x.shape[0], -1, size, x.shape[2])
        total = torch.where(present, x, 0.0).double().reshape(shape).sum(dim=2)
        return (total / present.double().reshape(shape).sum(dim=2)).to(x.dtype)

    def _widened(self, x: Tensor, is_missing: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Appends mask channels and makes frames."""
        shaping = self.shaping
        if shaping is None:
            return x, lengths
        if shaping.masked:
            x = torch.cat([x, is_missing[:, :, list(shaping.masked)].to(x.dtype)], dim=2)
        if shaping.frame == 1:
            return x, lengths
        index = torch.arange(_blocks(x.shape[1], shaping.frame) * shaping.frame)
        # Where the last steps do not fill a frame, the last one is repeated.
        index = torch.minimum(index, (lengths - 1).clamp(min=0).unsqueeze(1))
        frames = _steps(x, index).reshape(x.shape[0], -1, shaping.frame * x.shape[2])
        return frames, _blocks(lengths, shaping.frame)

    def _keep(self, name: str, array: np.ndarray[Any, Any] | None) -> None:
        self.register_buffer(name, None if array is None else torch.from_numpy(array.copy()))


def is_step(x: Tensor, lengths: Tensor) -> Tensor:
    """Returns (B, T) True before the end of each sequence."""
    return torch.arange(x.shape[1]) < lengths.unsqueeze(1)


def _blocks(count: Any, size: int) -> Any:
    """Returns the number of blocks of `size` steps that hold `count` steps."""
    return (count + size - 1) // size


def _steps(x: Tensor, index: Tensor) -> Tensor:
    """Returns the steps (T,) or (B, T) of x (B, T, F)."""
    index = index.expand(x.shape[0], -1).unsqueeze(2).expand(-1, -1, x.shape[2])
    return x.gather(1, index)


def _filled_forward(x: Tensor) -> Tensor:
    """Returns x (B, T, F) with the last value before each NaN in its place."""
    steps = torch.arange(x.shape[1]).reshape(1, -1, 1)
    # For each step this is the last step so far with a value, and 0 where there is none yet.
    seen = torch.where(x.isnan(), 0, steps).cummax(dim=1).values
    return x.gather(1, seen)
