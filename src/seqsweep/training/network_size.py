"""Checks that a run fits into the memory of the machine."""

import functools
import os
from pathlib import Path

from seqsweep.config.schema import Config
from seqsweep.data.sequences import Splits
from seqsweep.training.engine import Network, architecture_of
from seqsweep.training.symbols import num_symbols

_MOST_LAYERS = 1000
_GATES = {"rnn": 1, "gru": 3, "lstm": 4}
_COPIES = 4
"""The copies of the weights: weights, gradients and the two moments of Adam."""
_KEPT = {"rnn": 1, "gru": 5, "lstm": 7}
"""The states that an engine keeps of each time step until the backward pass has reached it."""
_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def check_network_size(config: Config, splits: Splits) -> None:
    """Refuses a network that cannot train in the memory of the machine.

    A user's own network is not checked.

    Raises:
        ValueError: there are too many layers, or the parameters or the states of a batch are too
            large.
    """
    network = architecture_of(config["model"])
    if network is None:
        return
    hidden, layers = network.hidden_size, network.num_layers
    # Without this check, too many layers would be reported as a too large hidden_size.
    if layers > _MOST_LAYERS:
        raise ValueError(f"model.num_layers={layers}: must be at most {_MOST_LAYERS}")
    directions = 2 if network.bidirectional else 1
    parameters = _parameters(config["model"], network, splits)
    needed, available = parameters * 4 * _COPIES, _memory()
    if needed > available:
        raise ValueError(
            f"model.hidden_size={hidden}: {parameters:,} parameters take {_gigabytes(needed)} with "
            f"their gradients and the optimizer's state, this machine has {_gigabytes(available)}"
        )
    # The mean length is enough, because this check refuses only what is far too large.
    batch, steps = config["data"]["batch_size"], float(splits.train.lengths.mean())
    states = batch * steps * layers * directions * hidden * _KEPT.get(network.cell, 1) * 4
    if states > available:
        raise ValueError(
            f"data.batch_size={batch}: the states of {batch} sequences of {steps:,.0f} steps take "
            f"{_gigabytes(states)}, this machine has {_gigabytes(available)}"
        )


def _parameters(model: Config, network: Network, splits: Splits) -> int:
    """Returns the number of parameters, as torch counts them."""
    hidden, layers = network.hidden_size, network.num_layers
    directions = 2 if network.bidirectional else 1
    width = directions * hidden
    features, embedding = splits.input_size, model.get("embedding_dim")
    parameters = (width + 1) * splits.num_classes  # of the head
    if embedding is not None:
        features = embedding
        parameters += embedding * num_symbols(model, splits)
    inputs = features + (layers - 1) * width  # the sum over all layers
    # Each gate of a cell has weights for its input and its state, and two biases.
    gates = _GATES.get(network.cell, 1) * width
    parameters += gates * (inputs + layers * (hidden + 2))
    if model.get("layer_norm"):
        parameters += 2 * width * (layers - 1)
    if network.pooling == "attention":
        parameters += width * width + 2 * width  # the projection with its bias, and the query
    return parameters


@functools.cache
def _memory() -> int:
    """Returns the bytes of memory of this machine or container."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    # In a container the machine's memory is larger than what the processes may use.
    limits = [Path(name).read_text().strip() for name in _CGROUPS if Path(name).is_file()]
    return min([total, *(int(limit) for limit in limits if limit.isdigit())])


def _gigabytes(size: float) -> str:
    return f"{size / 2**30:,.0f} GiB"
