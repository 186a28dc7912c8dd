"""The dropout masks of a stack, drawn as `torch.nn.RNN` draws its own.

K members, D directions, N = K*D lanes, R rows (of all steps, packed: see `batches`), H hidden
(padded), L layers.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from seqsweep.stacked.batches import StackBatch
from seqsweep.stacked.buffers import Buffers
from seqsweep.stacked.layout import StackShape


def draw_masks(
    shape: StackShape,
    hidden: Sequence[int],
    dropout: Sequence[float],
    batch: StackBatch,
    generators: Sequence[torch.Generator],
    buffers: Buffers,
) -> list[Tensor]:
    """Draws a dropout mask (N, R, H) for each layer but the last.

    A mask holds 0 where an output is dropped, and 1 / (1 - p) where it is kept.
    As in `torch.nn.RNN`, the numbers of a member are drawn layer after layer, for the unpadded
    outputs (R, D*h) of its own batch. A generator in the same state gives the masks of nn.RNN.

    Args:
        hidden: the width h of each member.
        dropout: the probability p of each member.
        generators: one for each member.
    """
    rows, directions, width = batch.steps.rows, shape.directions, shape.hidden
    members = len(hidden)
    valid = batch.valid()
    masks: list[Tensor] = []
    for layer in range(shape.num_layers - 1):
        mask = buffers(f"mask{layer}", members, directions, rows, width)
        # Members without dropout and padded units keep everything.
        mask.fill_(1)
        for k in range(members):
            if not dropout[k]:
                continue
            # nn.RNN has no rows beyond the end of a sequence: no numbers are drawn for them.
            drawn = slice(None) if valid is None else valid[k]
            count = rows if valid is None else int(valid[k].sum())
            noise = buffers("noise", count, directions * hidden[k])
            noise.bernoulli_(1 - dropout[k], generator=generators[k]).div_(1 - dropout[k])
            lanes = noise.unflatten(1, (directions, hidden[k])).transpose(0, 1)
            mask[k][:, drawn, : hidden[k]] = lanes
        if batch.swap is not None:
            # nn.RNN draws in the order of time, but the reverse lane reads from the end.
            back = batch.swap.view(members, 2, -1)[:, 0].flatten()
            mask[:, 1] = mask.view(-1, width).index_select(0, back).view_as(mask[:, 1])
        masks.append(mask.flatten(0, 1))
    return masks
