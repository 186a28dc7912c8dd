"""Names every tensor of a network's forward pass.

B batch, T time steps, F features, H hidden, D directions, C classes.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from seqsweep.data.batch import Batch
from seqsweep.models.cells import CELLS, CellLayers
from seqsweep.models.classifier import RNNClassifier
from seqsweep.models.module import logits_of
from seqsweep.results.formatting import count

_EQUATIONS = {
    "rnn": ("h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)",),
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
    "indrnn": ("h_t = tanh(W x_t + b + u * h_{t-1})",),
    "mingru": (
        "z_t = sigmoid(W_z x_t + b_z)                              update gate",
        "c_t = g(W_h x_t + b_h)                                    new content",
        "g(a) = a + 1/2 for a >= 0, else sigmoid(a)",
        "h_t = (1 - z_t) * h_{t-1} + z_t * c_t",
    ),
    "minlstm": (
        "f_t = sigmoid(W_f x_t + b_f)                              forget gate",
        "i_t = sigmoid(W_i x_t + b_i)                              input gate",
        "c_t = g(W_h x_t + b_h)                                    new content",
        "g(a) = a + 1/2 for a >= 0, else sigmoid(a)",
        "h_t = (f_t * h_{t-1} + i_t * c_t) / (f_t + i_t)",
    ),
    "lru": (
        "p_t = W x_t + b                                           input",
        "lambda = exp(-exp(nu_log) + i exp(theta_log))             complex, |lambda| < 1",
        "s_t = lambda * s_{t-1} + exp(gamma_log) * (B p_t)         complex state",
        "y_t = Re(C s_t) + D * p_t",
        "e_t = gelu(y_t), in its tanh form",
        "h_t = p_t + (W_u e_t + b_u) * sigmoid(W_v e_t + b_v)      output",
    ),
}
"""The equations of one step of a cell, as in the documentation of torch.nn."""

_ROWS = {
    "gru": "  rows: r, z, n", "lstm": "  rows: i, f, g, o",
    "mingru": "  rows: z, h", "minlstm": "  rows: f, i, h",
}  # fmt: skip
"""The gates of a cell, in the order of their rows in the weights."""

_TEXTS = {"weight_ih": "W_ih", "weight_hh": "W_hh", "bias_ih": "b_ih", "bias_hh": "b_hh"}
_TEXTS_OF_CELLS = {
    "weight_ih": "W", "weight_hh": "u", "bias_ih": "b",
    "B_re": "the real part of B", "B_im": "the imaginary part of B",
    "C_re": "the real part of C", "C_im": "the imaginary part of C",
    "glu_weight": "W  rows: u, v", "glu_bias": "b  rows: u, v",
}  # fmt: skip
"""The weights in the equations of `models.cells`; the other weights have their own names."""

_READING = {
    "last": "the final state of each direction",
    "mean": "the mean of the outputs over the valid steps",
    "max": "the maximum of the outputs over the valid steps",
    "attention": "the sum over the steps of a_t times the output",
}


class Row(NamedTuple):
    """One tensor: its name, its shape and its meaning."""

    name: str
    shape: tuple[int, ...]
    text: str


class Block(NamedTuple):
    """A part of the forward pass: its equations, then its tensors."""

    title: str
    equations: tuple[str, ...]
    rows: tuple[Row, ...]


class Explanation(NamedTuple):
    """The description of a network and of one forward pass."""

    title: str
    blocks: tuple[Block, ...]


def explain(network: nn.Module, batch: Batch, class_names: tuple[str, ...]) -> Explanation:
    """Describes each tensor of a network's forward pass on a batch.

    Args:
        network: maps x (B, T, F) and lengths (B,) to logits (B, C).
        batch: a batch of the training split.
        class_names: C names.
    """
    logits, blocks = _run(network, batch)
    title = type(network).__name__
    if isinstance(network, RNNClassifier):
        # A network of this package is described in more detail than by its modules.
        kinds = (nn.RNNBase, CellLayers)
        recurrent = [module for module in network.modules() if isinstance(module, kinds)]
        rnn, layers = recurrent[0], sum(module.num_layers for module in recurrent)
        blocks = list(_rnn_blocks(network, rnn, layers, batch))
        ways = "both directions" if rnn.bidirectional else "one direction"
        layers_of = f"{network.cell}, {count(layers, 'layer')}"
        title += f": {layers_of}, {ways}, hidden size {rnn.hidden_size}"
    title += f", {sum(weight.numel() for weight in network.parameters()):,} parameters"
    every = (_input(batch), *blocks, _result(logits, batch, class_names))
    return Explanation(title, every)


def _run(network: nn.Module, batch: Batch) -> tuple[Tensor, list[Block]]:
    """Returns the logits, and a block for each call of an innermost module.

    The blocks are in the order of the calls.
    """
    called: list[Block] = []

    def record(name: str, module: nn.Module, _: Any, result: Any) -> None:
        rows = [Row(f"{name}.{n}", tuple(w.shape), "") for n, w in module.named_parameters()]
        rows += [Row("output", tuple(t.shape), "") for t in _tensors(result)]
        called.append(Block(f"{name}: {type(module).__name__}", (), tuple(rows)))

    network.eval()
    with torch.inference_mode(), ExitStack() as hooks:
        for name, module in network.named_modules():
            # A module with children would repeat the outputs of its children.
            if name and not list(module.children()):
                hooks.enter_context(module.register_forward_hook(partial(record, name)))
        return logits_of(network, batch.x, batch.lengths), called


def _tensors(result: Any) -> Iterator[Tensor]:
    """Yields the tensors of a module's result, including nested tensors."""
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, tuple):
        for part in result:
            yield from _tensors(part)


def _input(batch: Batch) -> Block:
    shortest, longest = int(batch.lengths.min()), int(batch.lengths.max())
    valid = f"{longest}" if shortest == longest else f"{shortest} to {longest}"
    padded = "B sequences, T steps, F channels; padded with zeros"
    rows = (
        Row("x", tuple(batch.x.shape), padded),
        Row("lengths", tuple(batch.lengths.shape), f"valid steps of each sequence: {valid}"),
        Row("labels", tuple(batch.labels.shape), "class indices"),
    )
    return Block("Input: one batch of train", (), rows)


def _rnn_blocks(
    network: RNNClassifier, rnn: nn.RNNBase | CellLayers, layers: int, batch: Batch
) -> Iterator[Block]:
    """Yields the blocks of embedding, layers, layer norms, attention and head.

    Args:
        rnn: the first recurrent module; the others have the same cell and hidden size.
        layers: the number of layers of all recurrent modules.
    """
    steps, source = (len(batch.x), int(batch.lengths.max())), "x"
    width = network.fc.in_features  # D*H
    if network.embedding is not None:
        shape, source = (*steps, network.embedding.embedding_dim), "e"
        rows = (
            *_weights(network, {"embedding.weight": "one row of numbers for each symbol"}),
            Row("e", shape, "the row of each step's symbol; 0 at padding"),
        )
        yield Block("Embedding: reads x", ("e_t = embedding.weight[x_t]",), rows)
    for layer in range(layers):
        yield from _layer(network, rnn, layer, source, (*steps, rnn.hidden_size))
        source = f"h of layer {layer + 1}"
        if rnn.bidirectional:
            source = f"y{layer + 1}"
            row = Row(source, (*steps, width), "the states of both directions side by side")
            yield Block(f"Output of layer {layer + 1}", (), (row,))
        if f"rnn.norms.{layer}.weight" in network.state_dict():
            yield _norm(network, layer, source, (*steps, width))
            source = f"n{layer + 1}"
    if network.attention is not None:
        yield _attention(network, steps)
    head = {"fc.weight": "one row for each class", "fc.bias": "one number for each class"}
    features = Row("features", (steps[0], width), _READING[network.pooling])
    equations = ("logits = features fc.weight^T + fc.bias",)
    yield Block(f"Head: reads {network.pooling}", equations, (features, *_weights(network, head)))


def _weights(network: nn.Module, texts: dict[str, str]) -> list[Row]:
    """Returns a row for each weight, under its name in the checkpoint."""
    weights = network.state_dict()
    return [Row(name, tuple(weights[name].shape), text) for name, text in texts.items()]


def _layer(
    network: RNNClassifier,
    rnn: nn.RNNBase | CellLayers,
    layer: int,
    source: str,
    states: tuple[int, ...],
) -> Iterator[Block]:
    equations = _EQUATIONS[network.cell] if layer == 0 else ()
    if network.nonlinearity == "relu":
        equations = tuple(equation.replace("tanh(", "max(0, ") for equation in equations)
    rows = [Row("h", states, "the state after each step; 0 at padding")]
    if network.cell == "lru":
        rows = [Row("s", states, "the complex state after each step; 0 at padding")]
        rows += [Row("h", states, "the output of each step; 0 at padding")]
    ways = {"forward": ""}
    if rnn.bidirectional:
        ways["backward, from the last step to the first"] = "_reverse"
    for way, suffix in ways.items():
        texts = _weight_texts(network, f"_l{layer}{suffix}")
        title = f"Layer {layer + 1}, {way}: reads {source}"
        yield Block(title, equations, (*_weights(network, texts), *rows))
        # In the backward direction, a state follows from the state of the next step.
        equations = tuple(equation.replace("{t-1}", "{t+1}") for equation in equations)


def _weight_texts(network: RNNClassifier, ending: str) -> dict[str, str]:
    """Returns the meaning of each weight of one layer and direction, in torch's order."""
    texts = _TEXTS_OF_CELLS if network.cell in CELLS else _TEXTS
    named: dict[str, str] = {}
    for key in network.state_dict():
        name = key.removeprefix("rnn.").removesuffix(ending)
        if key == f"rnn.{name}{ending}":
            has_rows = name in ("weight_ih", "weight_hh")
            rows = _ROWS.get(network.cell, "") if has_rows else ""
            named[key] = texts.get(name, name) + rows
    return named


def _norm(network: nn.Module, layer: int, source: str, outputs: tuple[int, ...]) -> Block:
    text = "one number for each output"
    texts = {f"rnn.norms.{layer}.weight": text, f"rnn.norms.{layer}.bias": text}
    row = Row(f"n{layer + 1}", outputs, "mean 0 and deviation 1, then weight and bias")
    equation = "n_t = (input_t - mean(input_t)) / sqrt(var(input_t) + 1e-5) * weight + bias"
    title = f"Layer norm {layer + 1}: reads {source}"
    return Block(title, (equation,), (*_weights(network, texts), row))


def _attention(network: nn.Module, steps: tuple[int, int]) -> Block:
    texts = {"projection.weight": "W", "projection.bias": "b", "query.weight": "q"}
    named = {f"attention.{name}": text for name, text in texts.items()}
    row = Row("a", steps, "one weight for each step, together 1; 0 at padding")
    equations = ("s_t = q tanh(W output_t + b)", "a_t = exp(s_t) / sum over t of exp(s_t)")
    return Block("Attention: reads the outputs", equations, (*_weights(network, named), row))


def _result(logits: Tensor, batch: Batch, class_names: tuple[str, ...]) -> Block:
    loss = nn.functional.cross_entropy(logits, batch.labels)
    shown = ", ".join(class_names[:4]) + (", ..." if len(class_names) > 4 else "")
    rows = (
        Row("logits", tuple(logits.shape), f"one number for each class: {shown}"),
        Row("probabilities", tuple(logits.shape), "softmax(logits); each row adds up to 1"),
        Row("loss", (), f"cross entropy, mean over the batch: {loss:.4f} before training"),
    )
    return Block("Result", (), rows)
