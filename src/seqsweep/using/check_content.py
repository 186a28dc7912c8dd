"""Checks the content of a checkpoint or bundle before the content is used.

A digest shows that a file is complete, but not that its content is correct. Wrong content raises
a ValueError that names the key.
"""

import dataclasses
import math
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from seqsweep.config.convert import convert
from seqsweep.config.schema import Config
from seqsweep.data.scaling import ARRAYS, SEEN, Scaling
from seqsweep.data.transforms import Shaping
from seqsweep.data.vocabulary import Vocabulary
from seqsweep.models.cells import cell_class
from seqsweep.text import listed

_KINDS = {
    "epoch": int,
    "config": dict[str, Any],
    "class_names": list[str],
    "channel_names": list[str],
    "scaling": dict[str, Any] | None,
    "vocabulary": dict[str, Any] | None,
    "state_dict": dict[str, Any],
}


def check_content(content: dict[str, Any]) -> None:
    """Checks all but the weights of a run, and converts the values in place."""
    content.setdefault("vocabulary", None)
    _convert(content, _KINDS, "")
    _convert(content["config"], {"data": dict, "model": dict}, "config.")
    _check_names("class_names", content["class_names"])
    if content["epoch"] < 0:
        raise ValueError(f"epoch={content['epoch']}: must be at least 0")
    if content["scaling"] is not None:
        _check_scaling(content["scaling"], content["channel_names"])
    if content["vocabulary"] is not None:
        _convert(content["config"]["data"], {"source": dict}, "config.data.")
        _convert(content["vocabulary"], _kinds_of(Vocabulary), "vocabulary.")
        _check_names("vocabulary.symbols", content["vocabulary"]["symbols"])


def _convert(values: dict[Any, Any], kinds: Mapping[str, Any], group: str) -> None:
    missing = [f"{group}{name}" for name in kinds if name not in values]
    if missing:
        raise ValueError(f"holds no {', '.join(missing)}; another version has written it")
    for name, kind in kinds.items():
        values[name] = convert(values[name], kind, f"{group}{name}")


def _kinds_of(described: type) -> dict[str, Any]:
    """Returns the field types of a stored dataclass, without its arrays."""
    hints = typing.get_type_hints(described)
    return {f.name: hints[f.name] for f in dataclasses.fields(described) if f.name not in ARRAYS}


def _check_names(key: str, names: Sequence[str]) -> None:
    if len(set(names)) < len(names):
        raise ValueError(f"{key}: must differ, got {listed(list(map(repr, names)))}")


def _check_scaling(scaling: dict[str, Any], channels: Sequence[str]) -> None:
    _convert(scaling, _kinds_of(Scaling), "scaling.")
    source, state = channels, scaling["shaping"]
    if state is not None:
        _convert(convert(state, dict, "scaling.shaping"), _kinds_of(Shaping), "scaling.shaping.")
        source, masked, last = state["channel_names"], state["masked"], state["last"]
        is_right = (
            0 <= state["first"] < (state["first"] + 1 if last is None else last)
            and min(state["downsample"], state["frame"]) >= 1
            and all(0 <= channel < len(source) for channel in masked)
            and state["frame"] * (len(source) + len(masked)) == len(channels)
        )
        if not is_right:
            raise ValueError("scaling.shaping: does not give the channels of channel_names")
    # Without standardisation both the mean and the deviation are missing.
    if ("mean" in scaling) != ("deviation" in scaling):
        raise ValueError("scaling: must have both mean and deviation, or neither")
    given, made = (len(source),), (len(channels),)
    for name, shape in zip(ARRAYS, (given, made, made, (SEEN, *given)), strict=True):
        array = scaling.get(name, torch.ones(shape))
        is_array = isinstance(array, Tensor) and array.dtype in (torch.float32, torch.float64)
        if not is_array or array.shape != shape or not array.isfinite().all():
            raise ValueError(f"scaling.{name}: must be a tensor of {shape} finite floats")
        if name == "deviation" and (array <= 0).any():
            raise ValueError("scaling.deviation: must be above 0")


def check_sizes(section: Config, sizes: Mapping[str, int], weights: Mapping[str, Any]) -> None:
    """Refuses a network larger than its weights, before it can fill the memory."""
    # A tensor that is not contiguous may repeat its numbers, so it does not count.
    tensors = [w for w in weights.values() if isinstance(w, Tensor) and w.is_contiguous()]
    count = sum(tensor.numel() for tensor in tensors)
    given = {**section, **sizes}
    cell, hidden = cell_class(section.get("cell", "rnn")), given["hidden_size"]
    # A single layer of some cells has fewer than H * H weights.
    has_square = (
        given.get("num_layers", 1) > 1
        or given.get("pooling") == "attention"
        or any(math.prod(shape) >= hidden**2 for shape in cell.shapes(1, hidden).values())
    )
    for name in ("hidden_size", "num_layers", "embedding_dim", "num_classes", "input_size"):
        size = given.get(name) or 1
        least = size * (1 if name == "hidden_size" and not has_square else hidden)
        if least > count or (name == "num_layers" and size > len(tensors)):
            raise ValueError(f"model.{name}={size}: is too large for weights of {count:,} numbers")


def check_weights(weights: Mapping[str, Any], network: nn.Module) -> None:
    """Refuses weights of another kind or shape than the network's, and NaN."""
    parameters = dict(network.named_parameters())
    for name, own in network.state_dict().items():
        if name not in weights:  # `load_state_dict` reports the name
            continue
        given = weights[name]
        if not is_lazy(own) and _kind(given) != _kind(own):
            raise ValueError(f"state_dict.{name}: must be {_kind(own)}, got {_kind(given)}")
        # A buffer may hold infinite values, for example an attention mask.
        if given.isnan().any() or (name in parameters and given.isinf().any()):
            raise ValueError(f"state_dict.{name}: must be finite")


def _kind(value: Any) -> str:
    """Describes what must be equal for a copy; float precisions may differ."""
    if not isinstance(value, Tensor):
        return type(value).__name__
    is_plain = value.layout == torch.strided and value.device.type == "cpu"
    kind = "float" if is_plain and value.is_floating_point() else f"{value.dtype}"
    return f"{kind if is_plain else 'sparse or elsewhere'} {list(value.shape)}"
