"""Applies trained weights: confusion matrices, diagnostics.json, and logits.

S sequences, T steps, L layers, D directions, P parameters, C classes.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from seqsweep.config.schema import Config
from seqsweep.data.checks import Array
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.elementary import accuracy_by_length, accuracy_of_votes, softmax
from seqsweep.models.layers import logits_in_batches
from seqsweep.native.library import library
from seqsweep.native.step import Data, Network, predict, trace
from seqsweep.runs.files import JsonObject
from seqsweep.runs.metrics import BY_RECORDING
from seqsweep.seeding import seed_globals
from seqsweep.training.engine import network_of
from seqsweep.training.run_data import DATA_STREAM, OwnData

MOST_CLASSES = 50
"""The largest number of classes for which a record holds confusion matrices."""

_SEQUENCES = 64
"""The most sequences that a diagnosis uses."""

_NUMBERS = 2**21
"""The most numbers in the states of a diagnosed network."""


def splits_tested(config: Config, splits: Splits | OwnData) -> list[str]:
    """Returns the splits on which a run's best weights are evaluated."""
    # The validation split is evaluated only for its confusion matrix.
    count = splits.num_classes
    has_confusion = config["diagnostics"] and count is not None and count <= MOST_CLASSES
    wanted = ("val", "test") if has_confusion else ("test",)
    return [name for name in wanted if name in splits.names]


def confusion_of(splits: Splits | OwnData, counts: Mapping[Any, Any]) -> JsonObject:
    """Returns the class names and confusion matrices for the record.

    Args:
        counts: a tensor or an array (C, C) for each evaluated split; the rows are true classes.
    """
    if (splits.num_classes or 0) > MOST_CLASSES:
        return {}
    plain = {split: table.tolist() for split, table in counts.items()}
    return {"classes": list(splits.class_names), "confusion": plain} if plain else {}


def recording_scores(splits: Splits, logits_of: Callable[[str], Array]) -> dict[str, float]:
    """Returns the accuracy of val and test by recording: of the majority of its windows.

    Args:
        logits_of: returns the logits (M, C) of a split's windows.
    """
    scores: dict[str, float] = {}
    for name in ("val", "test"):
        part = splits.parts.get(name)
        if part is None or (found := part.by_recording()) is None:
            continue
        first, number = found
        probabilities, labels = softmax(logits_of(name)), part.labels[first]
        scores[f"{name}/{BY_RECORDING}"] = accuracy_of_votes(probabilities, number, labels)
    return scores


def length_scores(splits: Splits, logits_of: Callable[[str], Array]) -> JsonObject:
    """Returns the accuracy of test by length for the record, if lengths differ."""
    part = splits.test
    if part is None or part.targets is not None or (part.lengths == part.max_length).all():
        return {}
    is_right = logits_of("test").argmax(axis=1) == part.labels
    found = accuracy_by_length(part.lengths, is_right)
    return {"by_length": found} if found else {}


def diagnose(splits: Splits, network: Network, weights: Tensor) -> JsonObject:
    """Returns the content of diagnostics.json for a network with weights (P,).

    The sequences come from val, else from test, else from train, and from each class in turn.
    """
    split = next(name for name in ("val", "test", "train") if getattr(splits, name) is not None)
    sequences, shape = getattr(splits, split), network.shape
    # A large network gets fewer sequences if they are long.
    numbers = shape.num_layers * shape.directions * shape.hidden_size * sequences.max_length
    data = _chosen(sequences, min(_SEQUENCES, max(2, _NUMBERS // numbers)))
    gradient = _curves(trace(network, data, weights))
    return {"split": split, "sequences": data.count, "gradient": gradient}


def findings_of(
    config: Config, module: Any, trainer: Any, data: Any, splits: Splits | OwnData
) -> JsonObject:
    """Returns what a run's record holds besides the test metrics, and its `diagnosis`.

    Args:
        module: the `SequenceClassifier` of the run, with its best weights and after its test.
    """
    from seqsweep.training.callbacks import ChecksSignal  # it imports Lightning, which is slow

    if "val" in splits_tested(config, splits):  # for its confusion matrix
        callbacks, loggers = trainer.callbacks, trainer.loggers
        # The user's callbacks must not see this validation, but a signal must still end it.
        trainer.callbacks = [each for each in callbacks if isinstance(each, ChecksSignal)]
        trainer.loggers = []
        seed_globals(*DATA_STREAM)
        trainer.validate(module, datamodule=data, verbose=False)
        trainer.callbacks, trainer.loggers = callbacks, loggers
    tested = [name for name in splits_tested(config, splits) if name in module.confusions]
    found = confusion_of(splits, {name: module.confusions[name] for name in tested})
    if not isinstance(splits, Splits):
        return found
    size, network = config["data"].get("eval_batch_size", 512), module.network

    def logits(name: str) -> Array:
        part = splits.parts[name]
        x, lengths = torch.from_numpy(part.x), torch.from_numpy(part.lengths)
        return logits_in_batches(network.eval(), x, lengths, size).numpy()

    found["metrics"] = recording_scores(splits, logits)
    found |= length_scores(splits, logits)
    if config["diagnostics"]:
        found["diagnosis"] = _diagnose_run(config, module, splits)
    return found


def _diagnose_run(config: Config, module: Any, splits: Splits) -> JsonObject | None:
    """Returns the content of diagnostics.json for the `SequenceClassifier` of a run.

    The result is None without the native library, or for a network that it cannot trace.
    """
    sizes = splits.input_size, splits.num_classes
    weights = None if module.class_weights is None else module.class_weights.cpu()
    copy = _in_native(config["model"], module.network, *sizes, weights, module.label_smoothing)
    return None if copy is None else diagnose(splits, copy, copy.weights)


def native_logits(
    model: Config, network: nn.Module, x: Tensor, lengths: Tensor, num_classes: int
) -> npt.NDArray[np.float64] | None:
    """Returns the logits (S, C) of the native library; None where torch must compute them.

    Args:
        model: the section of the config from which the network was built.
    """
    is_plain = all(p.is_cpu and p.dtype == torch.float32 for p in network.parameters())
    is_usable = is_plain and not network.training
    copy = _in_native(model, network, x.shape[2], num_classes) if is_usable else None
    if copy is None:
        return None
    labels = np.zeros(len(x), dtype=np.int64)  # they have no effect
    data = Data(x.numpy(), lengths.numpy(), labels, num_classes)
    return predict(copy, data).astype(np.float64)


def _in_native(
    model: Config, network: nn.Module, input_size: int, num_classes: int, *loss: Any
) -> Network | None:
    """Returns a copy of a network in the native library, or None."""
    kind = network_of(model)
    if kind is None or library() is None:
        return None
    shape = kind._replace(input_size=input_size, num_classes=num_classes)
    weights = torch.cat([p.detach().cpu().float().flatten() for p in network.parameters()])
    return Network(shape, "sgd", weights, *loss)


@functools.lru_cache(maxsize=16)
def _chosen(sequences: Sequences, count: int) -> Data:
    """Returns the sequences of a split that are traced."""
    chosen = sequences.select(by_class(torch.from_numpy(sequences.labels), count))
    # A step that no chosen sequence has would have no gradient.
    x = chosen.x[:, : int(chosen.lengths.max())]
    return Data(x, chosen.lengths, chosen.labels, chosen.num_classes)


def _curves(norms: npt.NDArray[Any]) -> dict[str, list[float | None]]:
    """Returns norms (L, D, T) as curves by layer and direction."""
    return {
        f"layer {layer + 1}" + (" reverse" if direction else ""): [_short(x) for x in line]
        for layer, lines in enumerate(norms.tolist())
        for direction, line in enumerate(lines)
    }


def _short(value: float) -> float | None:
    """Rounds a number to four digits; None if it is not finite."""
    return float(f"{value:.4g}") if abs(value) < float("inf") else None


def by_class(labels: Tensor, at_most: int) -> Sequence[int]:
    """Returns the sorted indices of some sequences, taken from each class in turn."""
    order = torch.sort(labels, stable=True)
    starts = torch.searchsorted(order.values, order.values)  # the first of the same class
    within = torch.arange(len(labels)) - starts
    chosen = torch.sort(within, stable=True).indices[:at_most]
    return sorted(order.indices[chosen].tolist())
