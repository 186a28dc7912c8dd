"""Parts of a network: normalised recurrent layers, and attention over their outputs.

B batch, T time steps, F features, H hidden, L layers, D directions, S valid steps of the batch.
"""

import functools
import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from seqsweep.models.cell_layers import CellLayers

Steps = Tensor | PackedSequence
"""The time steps of a batch: (B, T, any), or packed (S, any), where no step is padding."""


class NormedLayers(nn.Module):
    """Runs recurrent layers in turn and normalises the outputs between them.

    Each of the L - 1 normalisations brings the D*H outputs of one step to mean 0 and deviation 1,
    with a learned weight and bias per output, as in Ba, Kiros and Hinton 2016 (Layer Normalization,
    arXiv:1607.06450). The paper normalises inside the cell; this class normalises between the
    layers, so that the cells are torch's own. Each step of each sequence has its own mean and
    deviation, so neither the batch nor padding matters. Dropout follows the normalisation.

    In a state dict the weights have the names of an ordinary `nn.RNN` of L layers
    (`weight_ih_l1_reverse`), beside `norms.0.weight` and `norms.0.bias`.

    Args:
        layers: L recurrent modules, each with one layer and `batch_first=True`.
        width: D*H.
        dropout: see `RNNClassifier`.

    Shape:
        x (B, T, F) or packed -> outputs (B, T, D*H) or packed, and the last layer's state, which is
        (D, B, H) as in `nn.RNN`.
    """

    def __init__(
        self, layers: Sequence[nn.RNNBase | CellLayers], width: int, dropout: float
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in layers[1:])
        self.dropout = nn.Dropout(dropout)
        self.bidirectional = layers[0].bidirectional
        self.register_state_dict_post_hook(_name_as_torch)
        self.register_load_state_dict_pre_hook(_name_by_layer)

    def forward(self, x: Steps) -> tuple[Steps, Tensor | tuple[Tensor, Tensor]]:
        first, *others = self.layers
        output, state = first(x)
        for norm, layer in zip(self.norms, others, strict=True):
            output, state = layer(on_steps(self.dropout, on_steps(norm, output)))
        return output, state


def on_steps(function: Callable[[Tensor], Tensor], steps: Steps) -> Steps:
    """Applies a function of single steps (..., any) to a batch, packed or not."""
    if isinstance(steps, PackedSequence):
        return steps._replace(data=function(steps.data))
    return function(steps)


def logits_of(network: nn.Module, x: Tensor, lengths: Tensor | None) -> Tensor:
    """Returns what a network makes of x (B, T, F) and, if it takes them, lengths (B,)."""
    return network(x, lengths) if takes_lengths(type(network)) else network(x)


def logits_in_batches(network: nn.Module, x: Tensor, lengths: Tensor, size: int) -> Tensor:
    """Returns the logits (N, C) in float64 of x (N, T, F), computed `size` sequences at a time."""
    parts: list[Tensor] = []
    device = next(network.parameters(), x).device
    with torch.inference_mode():
        for rows, steps in zip(x.split(size), lengths.split(size), strict=True):
            # Padding beyond the longest sequence of a batch would only cost time. A single
            # batch stays as it is, because a network of the user's own may read its padding.
            rows = rows[:, : int(steps.max())] if len(rows) < len(x) else rows
            parts.append(logits_of(network, rows.to(device), steps).double().cpu())
    return torch.cat(parts)


@functools.cache
def takes_lengths(kind: type[nn.Module]) -> bool:
    """Returns whether `forward` takes lengths after x, not x alone.

    An optional second argument counts only if its name has `len`: it may be a first state.
    """
    # The text is compared, because an import of Lightning would take a second.
    if kind.forward.__module__.startswith("lightning."):
        return False  # `forward` is not overridden
    _, *parameters = inspect.signature(kind.forward).parameters.values()  # without self
    if any(p.kind == p.VAR_POSITIONAL for p in parameters):
        return True
    return any(p.default is p.empty or "len" in p.name for p in parameters[1:2])


def _name_as_torch(_: nn.Module, state_dict: dict[str, Any], prefix: str, __: Any) -> None:
    """Renames `layers.1.weight_ih_l0` to `weight_ih_l1`, in place."""
    _rename(state_dict, prefix, r"layers\.(\d+)\.(\w+?)_l0", r"\2_l\1")


def _name_by_layer(_: nn.Module, state_dict: dict[str, Any], prefix: str, *__: Any) -> None:
    _rename(state_dict, prefix, r"(\w+?)_l(\d+)", r"layers.\2.\1_l0")


def _rename(state_dict: dict[str, Any], prefix: str, pattern: str, name: str) -> None:
    # Every key is removed and added again, so that the keys keep their order.
    for key in [key for key in state_dict if key.startswith(prefix)]:
        renamed = re.sub(f"^{pattern}", name, key.removeprefix(prefix))
        state_dict[prefix + renamed] = state_dict.pop(key)


class AttentionPooling(nn.Module):
    """Averages outputs over the valid steps, with weights from a learned query.

    A step with output h has the score q . tanh(W h + b), and the weights are the softmax of the
    scores: Yang et al. 2016 (Hierarchical Attention Networks for Document Classification, NAACL),
    equations 5 to 7. `projection` is W and b, `query` is q. A step of padding has the weight 0.

    Args:
        width: D*H.

    Shape:
        outputs (B, T, D*H) or packed -> (B, D*H).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.projection = nn.Linear(width, width)
        self.query = nn.Linear(width, 1, bias=False)

    def forward(self, output: Tensor | PackedSequence) -> Tensor:
        if isinstance(output, Tensor):
            return self._mean(output, self._scores(output))
        padded, lengths = pad_packed_sequence(output, batch_first=True)
        valid = torch.arange(padded.shape[1]) < lengths[:, None]  # (B, T), on the CPU like lengths
        scores = self._scores(padded).masked_fill(~valid.to(padded.device), float("-inf"))
        return self._mean(padded, scores)

    def _scores(self, output: Tensor) -> Tensor:
        return self.query(self.projection(output).tanh()).squeeze(2)  # (B, T)

    def _mean(self, output: Tensor, scores: Tensor) -> Tensor:
        weights = scores.softmax(dim=1)
        return (weights.unsqueeze(1) @ output).squeeze(1)  # (B, 1, T) @ (B, T, D*H)
