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
from seqsweep.models.cell_layers import CellLayers
from seqsweep.models.classifier import RNNClassifier
from seqsweep.models.equations import short_name
from seqsweep.models.layers import logits_of
from seqsweep.models.own_programs import describe_cell
from seqsweep.text import count

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
    equations, training = describe_cell(network, rnn.input_size)
    for layer in range(layers):
        states = (*steps, rnn.hidden_size)
        yield from _layer(network, layer, source, states, () if layer else equations)
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
    yield Block("Training of the cell", (training,), ())


def _weights(network: nn.Module, texts: dict[str, str]) -> list[Row]:
    """Returns a row for each weight, under its name in the checkpoint."""
    weights = network.state_dict()
    return [Row(name, tuple(weights[name].shape), text) for name, text in texts.items()]


def _layer(
    network: RNNClassifier,
    layer: int,
    source: str,
    states: tuple[int, ...],
    equations: tuple[str, ...],
) -> Iterator[Block]:
    meanings = network.cell_class.states.items()
    rows = [Row(name, states, f"{text}; 0 at padding") for name, text in meanings]
    ways = {"forward": ""}
    if network.rnn.bidirectional:
        ways["backward, from the last step to the first"] = "_reverse"
    for way, suffix in ways.items():
        texts = _weight_texts(network, f"_l{layer}{suffix}")
        title = f"Layer {layer + 1}, {way}: reads {source}"
        yield Block(title, equations, (*_weights(network, texts), *rows))
        # In the backward direction, a state follows from the state of the next step.
        equations = tuple(equation.replace("{t-1}", "{t+1}") for equation in equations)


def _weight_texts(network: RNNClassifier, ending: str) -> dict[str, str]:
    """Returns the meaning of each weight of one layer and direction, in torch's order."""
    named: dict[str, str] = {}
    for key in network.state_dict():
        name = key.removeprefix("rnn.").removesuffix(ending)
        if key == f"rnn.{name}{ending}":
            named[key] = network.cell_class.texts.get(name, short_name(name))
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
