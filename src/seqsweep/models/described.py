"""Networks of `models.classifier`, built again from what a checkpoint says of them."""

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from seqsweep.models.classifier import BiDirectionalRNN, MultiLayerRNN, RNNClassifier, SimpleRNN
from seqsweep.seeding import global_stream

_CLASSES = {
    f"{kind.__module__}.{kind.__qualname__}": kind
    for kind in (RNNClassifier, SimpleRNN, MultiLayerRNN, BiDirectionalRNN)
}


def described_network(checkpoint: Mapping[str, Any], where: str) -> nn.Module:
    """Returns the network that a checkpoint describes, with first weights.

    Args:
        checkpoint: its content.
        where: the file, for messages.

    Raises:
        ValueError: it describes none, or one that is not ours and so is not built from a file.
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
    kind = _CLASSES[target]
    sizes: dict[str, Any] = {
        "input_size": len(checkpoint["channel_names"]),
        "num_classes": len(checkpoint["class_names"]),
    }
    if "vocabulary" in checkpoint:
        sizes["num_embeddings"] = len(checkpoint["vocabulary"]["symbols"])
    known = inspect.signature(kind).parameters
    with global_stream(0, "init"):  # leaves torch's global generator as it is
        return kind(**{name: value for name, value in (section | sizes).items() if name in known})
