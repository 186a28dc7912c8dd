"""The parts of an explanation, and those of a network's options.

B batch, T time steps, E embedding, H hidden, D directions.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from seqsweep.models.layers import AttentionPooling


class Row(NamedTuple):
    """One tensor: its name, its shape and what it holds."""

    name: str
    shape: tuple[int, ...]
    text: str


class Block(NamedTuple):
    """A part of the forward pass: its equations, then its tensors."""

    title: str
    equations: tuple[str, ...]
    rows: tuple[Row, ...]


def embedded(embedding: nn.Embedding, x: Tensor, lengths: Tensor) -> tuple[Tensor, Block]:
    """Returns the numbers (B, T, E) of the symbols x (B, T, 1), 0 at padding, and their block."""
    output = embedding(x.squeeze(2).long())
    valid = torch.arange(x.shape[1]) < lengths[:, None]
    output = output * valid[:, :, None]
    weight = tuple(embedding.weight.shape)
    rows = (
        Row("embedding.weight", weight, "one row of numbers for each symbol"),
        Row("e", tuple(output.shape), "the row of each step's symbol; 0 at padding"),
    )
    return output, Block("Embedding: reads x", ("e_t = embedding.weight[x_t]",), rows)


def normed(
    norm: nn.LayerNorm, index: int, x: Tensor, lengths: Tensor, source: str
) -> tuple[Tensor, Block]:
    """Returns the normalised outputs (B, T, D*H) of a layer, 0 at padding, and their block."""
    valid = torch.arange(x.shape[1]) < lengths[:, None]
    output = norm(x) * valid[:, :, None]
    rows = (
        Row(f"rnn.norms.{index}.weight", tuple(norm.weight.shape), "one number for each output"),
        Row(f"rnn.norms.{index}.bias", tuple(norm.bias.shape), "one number for each output"),
        Row(f"n{index + 1}", tuple(output.shape), "mean 0 and deviation 1, then weight and bias"),
    )
    equation = "n_t = (y_t - mean(y_t)) / sqrt(var(y_t) + 1e-5) * weight + bias"
    return output, Block(f"Layer norm {index + 1}: reads {source}", (equation,), rows)


def attended(attention: AttentionPooling, outputs: tuple[int, ...]) -> Block:
    """Describes the attention over outputs (B, T, D*H)."""
    count, steps, _ = outputs
    texts = {
        "projection.weight": "W",
        "projection.bias": "b",
        "query.weight": "q",
    }
    rows = [
        Row(f"attention.{name}", tuple(attention.get_parameter(name).shape), text)
        for name, text in texts.items()
    ]
    rows.append(Row("a", (count, steps), "one weight for each step, together 1; 0 at padding"))
    equations = ("s_t = q tanh(W y_t + b)", "a_t = exp(s_t) / sum over t of exp(s_t)")
    return Block("Attention: reads the outputs", equations, tuple(rows))
