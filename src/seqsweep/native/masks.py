"""The dropout masks of training steps, drawn as `torch.nn.RNN` draws its own."""

from collections.abc import Iterator

import torch
from torch import Tensor

from seqsweep.native.structs import Shape

_NUMBERS_AT_ONCE = 2**22


def mask_blocks(
    shape: Shape, rows: list[int], first_step: int, dropout_seed: int
) -> Iterator[tuple[int, int, Tensor]]:
    """Yields the masks of successive steps, a block of bounded memory at a time.

    The masks of a step come from a generator of its own, layer after layer but the last, for the
    (R, D*H) outputs of a layer in packed order: 1 / (1 - p) where an output is kept, else 0.

    Args:
        rows: R of each step.
        first_step: the number of the first one, which its generator is seeded with.

    Yields:
        The first step of a block, the step after its last, and its masks, one after another.
    """
    width = shape.directions * shape.hidden_size
    sizes = [(shape.num_layers - 1) * count * width for count in rows]
    begin = 0
    while begin < len(rows):
        end, total = begin, 0
        while end < len(rows) and (end == begin or total + sizes[end] <= _NUMBERS_AT_ONCE):
            total += sizes[end]
            end += 1
        masks = torch.empty(total)
        generator = torch.Generator()
        place = 0
        for step in range(begin, end):
            generator.manual_seed((dropout_seed + first_step + step) % 2**63)
            for _ in range(shape.num_layers - 1):
                mask = masks[place : place + rows[step] * width]
                mask.bernoulli_(1 - shape.dropout, generator=generator).div_(1 - shape.dropout)
                place += rows[step] * width
        yield begin, end, masks
        begin = end
