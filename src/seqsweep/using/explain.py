"""Follows a batch through a network and names every tensor on its way.

B batch, T time steps, F features, H hidden, L layers, D directions, C classes.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seqsweep.data.batch import Batch
from seqsweep.models.classifier import RNNClassifier

_EQUATIONS = {
    "tanh": ("h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)",),
    "relu": ("h_t = max(0, W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)",),
    "gru": (
        "r_t = sigmoid(W_ir x_t + b_ir + W_hr h_{t-1} + b_hr)      reset gate",
        "z_t = sigmoid(W_iz x_t + b_iz + W_hz h_{t-1} + b_hz)      update gate",
        "n_t = tanh(W_in x_t + b_in + r_t * (W_hn h_{t-1} + b_hn)) new state",
        "h_t = (1 - z_t) * n_t + z_t * h_{t-1}",
    ),
    "lstm": (
        "i_t = sigmoid(W_ii x_t + b_ii + W_hi h_{t-1} + b_hi)      input gate",
        "f_t = sigmoid(W_if x_t + b_if + W_hf h_{t-1} + b_hf)      forget gate",
        "g_t = tanh(W_ig x_t + b_ig + W_hg h_{t-1} + b_hg)         new content",
        "o_t = sigmoid(W_io x_t + b_io + W_ho h_{t-1} + b_ho)      output gate",
        "c_t = f_t * c_{t-1} + i_t * g_t                           cell state",
        "h_t = o_t * tanh(c_t)",
    ),
}
"""The equations of one step, as in the documentation of torch.nn."""

_GATES = {"gru": "rows: r, z, n", "lstm": "rows: i, f, g, o"}

_READING = {
    "last": "the final state of each direction",
    "mean": "the mean of the outputs over the valid steps",
    "max": "the maximum of the outputs over the valid steps",
}


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


class Unrolled(NamedTuple):
    """The shape of a network that is unrolled over time."""

    num_layers: int
    bidirectional: bool
    pooling: str
    steps: int


class Explanation(NamedTuple):
    """A network and one forward pass; a user's network has no `unrolled`."""

    title: str
    blocks: tuple[Block, ...]
    unrolled: Unrolled | None


def explain(network: nn.Module, batch: Batch, class_names: tuple[str, ...]) -> Explanation:
    """Runs a batch through a network and describes each tensor of the forward pass.

    Args:
        network: maps x (B, T, F) and lengths (B,) to logits (B, C).
        batch: of any split.
        class_names: C names.
    """
    ours = isinstance(network, RNNClassifier)
    with torch.inference_mode():
        network.eval()
        middle = _rnn_blocks(network, batch) if ours else _module_blocks(network, batch)
        blocks = (_input(batch), *middle, _result(network, batch, class_names))
    count = sum(weight.numel() for weight in network.parameters())
    unrolled = None
    if ours:
        rnn = network.rnn
        unrolled = Unrolled(
            rnn.num_layers, rnn.bidirectional, network.pooling, int(batch.lengths.max())
        )
    return Explanation(f"{_heading(network)}, {count:,} parameters", blocks, unrolled)


def _heading(network: nn.Module) -> str:
    name = type(network).__name__
    if not isinstance(network, RNNClassifier):
        return name
    rnn = network.rnn
    layers = "1 layer" if rnn.num_layers == 1 else f"{rnn.num_layers} layers"
    ways = "both directions" if rnn.bidirectional else "one direction"
    return f"{name}: {_cell(rnn)}, {layers}, {ways}, hidden size {rnn.hidden_size}"


def _input(batch: Batch) -> Block:
    count, steps, channels = batch.x.shape
    shortest, longest = int(batch.lengths.min()), int(batch.lengths.max())
    valid = f"{longest}" if shortest == longest else f"{shortest} to {longest}"
    rows = (
        Row("x", (count, steps, channels), "B sequences, T steps, F channels; padded with zeros"),
        Row("lengths", (count,), f"valid steps of each sequence: {valid}"),
        Row("labels", tuple(batch.labels.shape), "class indices"),
    )
    return Block("Input: one batch of train", (), rows)


def _rnn_blocks(network: RNNClassifier, batch: Batch) -> Iterator[Block]:
    """Yields a block for each direction of each layer, and one for the head."""
    rnn, x, source = network.rnn, batch.x, "x"
    for layer in range(rnn.num_layers):
        output = _layer_output(rnn, layer, x, batch.lengths)  # (B, T, D*H)
        halves = output.split(rnn.hidden_size, dim=2)
        for index, states in enumerate(halves):
            text = "the state after each step; 0 at padding"
            rows = (*_weight_rows(rnn, layer, index), Row("h", tuple(states.shape), text))
            way = "backward, from the last step to the first" if index else "forward"
            equations = _equations(rnn, backward=index == 1) if layer == 0 else ()
            yield Block(f"Layer {layer + 1}, {way}: reads {source}", equations, rows)
        x, source = output, f"h of layer {layer + 1}"
        if rnn.bidirectional:
            source = f"y{layer + 1}"
            row = Row(source, tuple(output.shape), "the states of both directions side by side")
            yield Block(f"Output of layer {layer + 1}", (), (row,))
    yield _head(network, len(batch.x))


def _equations(rnn: nn.RNNBase, backward: bool) -> tuple[str, ...]:
    """Returns the equations of one step; the backward direction comes from the step after it."""
    equations = _EQUATIONS[_kind(rnn)]
    return tuple(e.replace("{t-1}", "{t+1}") for e in equations) if backward else equations


def _layer_output(rnn: nn.RNNBase, layer: int, x: Tensor, lengths: Tensor) -> Tensor:
    """Returns the output of one layer alone: (B, T, F) to (B, T, D*H), 0 at padding."""
    kind: Any = type(rnn)
    nonlinearity = {"nonlinearity": rnn.nonlinearity} if isinstance(rnn, nn.RNN) else {}
    one = kind(
        x.shape[2],
        rnn.hidden_size,
        batch_first=True,
        bidirectional=rnn.bidirectional,
        **nonlinearity,
    )
    suffix = f"_l{layer}"
    weights = {
        name.replace(suffix, "_l0"): weight
        for name, weight in rnn.state_dict().items()
        if name.removesuffix("_reverse").endswith(suffix)
    }
    one.load_state_dict(weights)
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(one(packed)[0], batch_first=True)[0]


def _weight_rows(rnn: nn.RNNBase, layer: int, direction: int) -> list[Row]:
    """Returns the weights of one direction of one layer, under their names in the checkpoint."""
    suffix = f"_l{layer}{'_reverse' if direction else ''}"
    gates = _GATES.get(_kind(rnn), "")
    texts = {
        "weight_ih": f"W_ih  {gates}",
        "weight_hh": f"W_hh  {gates}",
        "bias_ih": "b_ih",
        "bias_hh": "b_hh",
    }
    return [
        Row(f"rnn.{name}{suffix}", tuple(getattr(rnn, f"{name}{suffix}").shape), text.strip())
        for name, text in texts.items()
    ]


def _head(network: RNNClassifier, count: int) -> Block:
    rows = (
        Row("features", (count, network.fc.in_features), _READING[network.pooling]),
        Row("fc.weight", tuple(network.fc.weight.shape), "one row for each class"),
        Row("fc.bias", tuple(network.fc.bias.shape), "one number for each class"),
    )
    return Block(
        f"Head: reads {network.pooling}", ("logits = features fc.weight^T + fc.bias",), rows
    )


def _module_blocks(network: nn.Module, batch: Batch) -> Iterator[Block]:
    """Yields a block for each innermost module of a user's network."""
    called: list[Block] = []

    def record(name: str, module: nn.Module, result: Any) -> None:
        rows = [Row(f"{name}.{n}", tuple(w.shape), "") for n, w in module.named_parameters()]
        rows += [Row("output", tuple(t.shape), "") for t in _tensors(result)]
        called.append(Block(f"{name}: {type(module).__name__}", (), tuple(rows)))

    leaves = [(n, m) for n, m in network.named_modules() if n and not list(m.children())]
    handles = [
        module.register_forward_hook(lambda m, _, result, name=name: record(name, m, result))
        for name, module in leaves
    ]
    try:
        network(batch.x, batch.lengths)
    finally:
        for handle in handles:
            handle.remove()
    yield from called


def _tensors(result: Any) -> Iterator[Tensor]:
    """Yields the tensors of a module's result, which may be nested in tuples."""
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, tuple):
        for part in result:
            yield from _tensors(part)


def _result(network: nn.Module, batch: Batch, class_names: tuple[str, ...]) -> Block:
    logits = network(batch.x, batch.lengths)
    loss = nn.functional.cross_entropy(logits, batch.labels)
    shown = ", ".join(class_names[:4]) + (", ..." if len(class_names) > 4 else "")
    rows = (
        Row("logits", tuple(logits.shape), f"one number for each class: {shown}"),
        Row("probabilities", tuple(logits.shape), "softmax(logits); each row adds up to 1"),
        Row("loss", (), f"cross entropy, mean over the batch: {loss:.4f} before training"),
    )
    return Block("Result", (), rows)


def _cell(rnn: nn.RNNBase) -> str:
    return rnn.mode.partition("_")[0].lower()


def _kind(rnn: nn.RNNBase) -> str:
    """Returns the key of `_EQUATIONS`: gru, lstm, or the nonlinearity of a plain RNN."""
    return rnn.nonlinearity if isinstance(rnn, nn.RNN) else _cell(rnn)
