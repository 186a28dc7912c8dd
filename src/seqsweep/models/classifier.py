"""Recurrent sequence classifiers: recurrent layers, a pooling, and one linear layer.

B batch, T time steps, F features (`input_size`), E embedding, H hidden, L layers, D directions,
C classes.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from seqsweep.errors import check_known, integer
from seqsweep.models.cell import Cell
from seqsweep.models.cell_layers import CellLayers, check_cell
from seqsweep.models.cells import CELLS, cell_class, cell_name
from seqsweep.models.initial import draw_first_weights, make_orthogonal, set_forget_bias
from seqsweep.models.layers import AttentionPooling, NormedLayers, Steps, on_steps
from seqsweep.seeding import drawing_from

CellName = Literal["rnn", "gru", "lstm", "indrnn", "mingru", "minlstm", "lru"]
AnyCell = CellName | str | type[Any]
"""One of our cells by its name, or a class of `Cell` or its dotted path."""
Pooling = Literal["last", "mean", "max", "attention"]
RecurrentInit = Literal["uniform", "orthogonal"]


class RNNClassifier(nn.Module):
    """A recurrent network with one linear layer, the head, on top.

    With `pooling="last"` the head reads the *final* state of each direction of the last layer. This
    state is not `output[:, -1]`: there the backward direction has seen only one step, and in a
    padded batch the forward direction has seen padding. Sequences of mixed lengths are packed, so
    neither the amount nor the content of the padding changes a logit.

    Parameters have the names of `torch.nn.RNN` below `rnn.`; the head's parameters are below `fc.`.
    Three options add parameters: `layer_norm` adds `rnn.norms.`, `pooling="attention"` adds
    `attention.`, and `embedding_dim` adds `embedding.`.

    Args:
        input_size: number of features of a step, F >= 1; with an embedding it must be 1.
        hidden_size: number of units of a layer and direction, H >= 1.
        num_classes: number of classes, C >= 2.
        cell: one of our cells by its name, see `models.cells`; or a class of `seqsweep.Cell`, or
            its dotted path, such as `mine.Leaky`.
        nonlinearity: activation of the cells `rnn` and `indrnn`, and of a class of your own whose
            constructor has this argument; must be "tanh" for the others.
        num_layers: number of layers, L >= 1.
        bidirectional: adds to each layer a second direction, which reads sequences backwards.
        dropout: probability in [0, 1) of zeroing an output of a layer other than the last. With one
            layer dropout has no effect, as in `torch.nn.RNN`.
        pooling: the input of the head: `last` is the final state of the last layer; `mean` and
            `max` are over the layer's outputs at the valid steps; `attention` is a mean with
            learned weights, see `AttentionPooling` (Yang et al. 2016).
        layer_norm: normalises the outputs that go from one layer to the next, see `NormedLayers`
            (Ba et al. 2016). With one layer it has no effect.
        recurrent_init: the first recurrent weights: uniform as in torch, or orthogonal matrices,
            see `make_orthogonal` (Saxe et al. 2014).
        forget_bias: the first bias of the forget gates of the cell `lstm`, see `set_forget_bias`
            (Gers et al. 2000; Jozefowicz et al. 2015); None keeps torch's bias.
        cell_options: the other options of a class of your own: the arguments of its constructor
            that have defaults.
        embedding_dim: number of learned values per symbol that the first layer reads, E >= 1, as
            in `torch.nn.Embedding` (Bengio et al. 2003, A Neural Probabilistic Language Model); x
            then holds a symbol's index at each step. None feeds x itself to the first layer.
        num_embeddings: number of symbols, at least 1; must be None without an embedding.

    Shape:
        x (B, T, F), lengths (B,) on the CPU, values in 1..T -> logits (B, C). With an embedding x
        is (B, T, 1) or (B, T) and holds whole numbers, of any type, below `num_embeddings`.

    Raises:
        ValueError: an argument is outside its range.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_classes: int,
        cell: AnyCell = "rnn",
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        pooling: Pooling = "last",
        layer_norm: bool = False,
        recurrent_init: RecurrentInit = "uniform",
        forget_bias: float | None = None,
        embedding_dim: int | None = None,
        num_embeddings: int | None = None,
        cell_options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        integer("input_size", input_size, 1)
        integer("hidden_size", hidden_size, 1)
        integer("num_layers", num_layers, 1)
        integer("num_classes", num_classes, 2)
        kind = cell_class(cell)
        name = cell_name(kind)
        check_known("nonlinearity", nonlinearity, ("tanh", "relu"))
        check_known("pooling", pooling, get_args(Pooling))
        check_known("recurrent_init", recurrent_init, get_args(RecurrentInit))
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout={dropout}: must be at least 0 and below 1")
        features, width = embedding_dim or input_size, hidden_size * (2 if bidirectional else 1)
        options = dict(cell_options or {})
        if "nonlinearity" in options:
            raise ValueError(f"cell_options={options}: nonlinearity is an argument of its own")
        if _has_nonlinearity(kind):
            options["nonlinearity"] = nonlinearity
        if cell_options or kind not in CELLS.values():
            check_cell(kind, features, hidden_size, options)
        _check_cell(kind, name, nonlinearity, recurrent_init, forget_bias)
        make: Callable[..., nn.RNNBase | CellLayers]
        # A subclass computes something else than the module of its base.
        if module := vars(kind).get("module"):
            make = partial(module, batch_first=True, bidirectional=bidirectional, **options)
        else:
            make = partial(CellLayers, kind, bidirectional=bidirectional, options=options)
        self.rnn: nn.RNNBase | CellLayers | NormedLayers
        # The constructors draw weights, which `reset_parameters` replaces below. On the device
        # "meta" torch draws nothing, and our cells draw from a generator that is not used again.
        device = torch.get_default_device()
        with torch.device("meta"), drawing_from(torch.Generator()):
            self.embedding = _embedding(input_size, embedding_dim, num_embeddings)
            if layer_norm and num_layers > 1:
                sizes = [features] + [width] * (num_layers - 1)
                layers = [make(size, hidden_size) for size in sizes]
                self.rnn = NormedLayers(layers, width, dropout)
            else:
                # With one layer, nn.RNN would warn that dropout has no effect.
                between = dropout if num_layers > 1 else 0.0
                self.rnn = make(features, hidden_size, num_layers, dropout=between)
            self.fc = nn.Linear(width, num_classes)
            self.attention = AttentionPooling(width) if pooling == "attention" else None
        _make_empty(self, device)
        self.cell, self.cell_class, self.hidden_size = name, kind, hidden_size
        self.nonlinearity, self.cell_options = nonlinearity, options
        self.pooling: Pooling = pooling
        self.recurrent_init: RecurrentInit = recurrent_init
        self.forget_bias = forget_bias
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the first weights, as the constructor does."""
        draw_first_weights(self)
        # The orthogonal draws come last, so that they do not change the other draws.
        if self.recurrent_init == "orthogonal":
            make_orthogonal(self.rnn)
        gate = self.cell_class.forget_gate
        if self.forget_bias is not None and gate is not None:
            set_forget_bias(self.rnn, self.forget_bias, gate, self.hidden_size)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        # Symbols may come as (B, T), without an axis for their only feature.
        steps: Steps = x.unsqueeze(2) if x.ndim == 2 and self.embedding is not None else x
        # Packing takes time, and a batch without padding does not need it.
        if lengths is not None and int(lengths.min()) < x.shape[1]:
            steps = pack_padded_sequence(steps, lengths, batch_first=True, enforce_sorted=False)
        if self.embedding is not None:
            # The embedding comes after packing, because padding need not hold a symbol's index.
            steps = on_steps(self._embed, steps)
        output, state = self.rnn(steps)  # (B, T, D*H), (L*D, B, H)
        if self.pooling == "last":
            return self.fc(self._final_state(state))
        if self.attention is not None:
            return self.fc(self.attention(output))
        return self.fc(_pool(output, self.pooling))

    def _embed(self, x: Tensor) -> Tensor:
        assert self.embedding is not None
        return self.embedding(x.squeeze(-1).long())  # (..., 1) -> (..., E)

    def _final_state(self, state: Tensor | tuple[Tensor, Tensor]) -> Tensor:
        """Returns the last layer's final hidden states, concatenated: (L*D, B, H) -> (B, D*H)."""
        hidden = state[0] if isinstance(state, tuple) else state
        if self.rnn.bidirectional:
            return torch.cat((hidden[-2], hidden[-1]), dim=1)
        return hidden[-1]


def _make_empty(network: nn.Module, device: torch.device) -> None:
    """Moves parameters from the device "meta" to another, without values."""
    # `Module.to_empty` imports sympy, which takes a quarter of a second.
    for module in network.modules():
        for name, old in [*module.named_parameters(recurse=False)]:
            new = torch.empty(old.shape, dtype=old.dtype, device=device)
            setattr(module, name, nn.Parameter(new, old.requires_grad))


class SimpleRNN(RNNClassifier):
    """The first classifier of docs/models.md: one tanh layer, one direction, final state.

    Shape: x (B, T, F) -> logits (B, C).
    """

    def __init__(self, input_size: int, hidden_size: int, num_classes: int) -> None:
        super().__init__(input_size, hidden_size, num_classes)


class MultiLayerRNN(RNNClassifier):
    """The second classifier of docs/models.md: several tanh layers, one direction, final state.

    Shape: x (B, T, F) -> logits (B, C).
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int, num_classes: int
    ) -> None:
        super().__init__(input_size, hidden_size, num_classes, num_layers=num_layers)


class BiDirectionalRNN(RNNClassifier):
    """The third classifier of docs/models.md: tanh layers in both directions, final states.

    Shape: x (B, T, F) -> logits (B, C).
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int, num_classes: int
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_classes, num_layers=num_layers, bidirectional=True
        )


def _embedding(input_size: int, dim: int | None, count: int | None) -> nn.Embedding | None:
    """Returns the embedding, or None without `embedding_dim`."""
    if dim is None:
        if count is not None:
            raise ValueError(f"num_embeddings={count}: must be left out without embedding_dim")
        return None
    integer("embedding_dim", dim, 1)
    if count is None:
        raise ValueError(f"num_embeddings=None: must be a number with embedding_dim={dim}")
    integer("num_embeddings", count, 1)
    if input_size != 1:
        raise ValueError(
            f"input_size={input_size}: must be 1 with embedding_dim={dim}, the index of a symbol"
        )
    return nn.Embedding(count, dim)


def _check_cell(
    kind: type[Cell], cell: str, nonlinearity: str, recurrent_init: str, forget_bias: float | None
) -> None:
    """Refuses options that the cell does not have."""
    given = (
        (nonlinearity, "tanh", "nonlinearity", _has_nonlinearity, "argument nonlinearity"),
        (recurrent_init, "uniform", "recurrent_init", _is_recurrent, "matrix weight_hh"),
        (forget_bias, None, "forget_bias", _has_forget_gate, "forget_gate"),
    )
    for value, neutral, name, has_option, what in given:
        if value != neutral and not has_option(kind):
            ours = ", ".join(each for each, known in CELLS.items() if has_option(known))
            raise ValueError(
                f"{name}={value!r} with cell={cell!r}: must be {neutral or 'left out'}, "
                f"because its class has no {what} (of ours: {ours})"
            )


def _has_nonlinearity(kind: type[Cell]) -> bool:
    return "nonlinearity" in inspect.signature(kind).parameters


def _is_recurrent(kind: type[Cell]) -> bool:
    shape = kind.shapes(1, 2).get("weight_hh", ())
    return len(shape) == 2 and shape[0] % shape[1] == 0


def _has_forget_gate(kind: type[Cell]) -> bool:
    return kind.forget_gate is not None


def _pool(output: Tensor | PackedSequence, pooling: Pooling) -> Tensor:
    """Returns the mean or maximum over the valid steps: (B, T, D*H) -> (B, D*H)."""
    if isinstance(output, Tensor):
        return output.mean(dim=1) if pooling == "mean" else output.amax(dim=1)
    filler = 0.0 if pooling == "mean" else float("-inf")
    padded, lengths = pad_packed_sequence(output, batch_first=True, padding_value=filler)
    if pooling == "max":
        return padded.amax(dim=1)
    return padded.sum(dim=1) / lengths.to(padded).unsqueeze(1)


_CLASSES = {
    f"{kind.__module__}.{kind.__qualname__}": kind
    for kind in (RNNClassifier, SimpleRNN, MultiLayerRNN, BiDirectionalRNN)
}


def described_network(checkpoint: Mapping[str, Any], where: str) -> nn.Module:
    """Returns the network that a checkpoint describes, with new weights, not the saved ones.

    Args:
        where: the file, for messages.

    Raises:
        ValueError: the checkpoint describes no network, or names a network class of the user.
    """
    if not {"config", "class_names", "channel_names"} <= checkpoint.keys():
        raise ValueError(
            f"{where}: holds weights, but not config, class_names and channel_names; give network"
            " and num_classes"
        )
    section: dict[str, Any] = dict(checkpoint["config"]["model"])
    target = section.pop("_target_")
    if target not in _CLASSES:
        raise ValueError(f"{where}: its network is a {target}, which must be given as network=...")
    if (cell := section.get("cell", "rnn")) not in [*CELLS]:  # building it would import its module
        raise ValueError(f"{where}: its cell is {cell}, so it must be given as network=...")
    kind = _CLASSES[target]
    sizes: dict[str, Any] = {
        "input_size": len(checkpoint["channel_names"]),
        "num_classes": len(checkpoint["class_names"]),
    }
    if "vocabulary" in checkpoint:
        sizes["num_embeddings"] = len(checkpoint["vocabulary"]["symbols"])
    known = inspect.signature(kind).parameters
    with drawing_from(torch.Generator()):  # leaves torch's global generator as it is
        return kind(**{name: value for name, value in (section | sizes).items() if name in known})
