"""The dropout masks of training steps, drawn as in `torch.nn.RNN`."""

from collections.abc import Iterator

import torch
from torch import Tensor

from seqsweep.native.structs import Shape

_NUMBERS_AT_ONCE = 2**22


def mask_blocks(
    shape: Shape, rows: list[int], first_step: int, dropout_seed: int
) -> Iterator[tuple[int, int, Tensor]]:
    """Yields the masks of successive training steps, in blocks of bounded memory.

    Each step has its own generator, which draws the masks of all layers but the last in turn. A
    mask covers the outputs (R, D*H) of a layer, in packed order: it holds 0 where an output is
    dropped, and 1 / (1 - p) where it is kept.

    Args:
        rows: for each training step, R: the number of time steps in its batch, without padding.
        first_step: the number of the first training step; it is added to the seed.

    Yields:
        The first step of a block, the step after its last step, and the masks of the block in one
        vector.
    """
    width = shape.directions * shape.hidden_size
    sizes = [(shape.num_layers - 1) * count * width for count in rows]
    begin = 0
    while begin < len(rows):
        # A block takes as many steps as fit into the memory, but at least one.
        end, total = begin, 0
        while end < len(rows) and (end == begin or total + sizes[end] <= _NUMBERS_AT_ONCE):
            total += sizes[end]
            end += 1
        masks = torch.empty(total)
        generator = torch.Generator()
        start = 0
        for step in range(begin, end):
            generator.manual_seed((dropout_seed + first_step + step) % 2**63)
            for _ in range(shape.num_layers - 1):
                mask = masks[start : start + rows[step] * width]
                mask.bernoulli_(1 - shape.dropout, generator=generator).div_(1 - shape.dropout)
                start += rows[step] * width
        yield begin, end, masks
        begin = end
