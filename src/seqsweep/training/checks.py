"""Checks a config against its data. Imports no torch (which is slow)."""

import functools
import sys
from collections.abc import Callable, Iterator, Sized
from typing import Any, get_args

import numpy as np

from seqsweep.config.instantiate import build
from seqsweep.config.schema import Config, Monitor
from seqsweep.config.signatures import signature_of
from seqsweep.data.memory import free_memory
from seqsweep.data.prepare import checked_batch_size
from seqsweep.data.sequences import Splits
from seqsweep.importing import is_class_path
from seqsweep.native.structs import kept_numbers
from seqsweep.runs.identity import is_own_module
from seqsweep.runs.metrics import as_metric, knows_metrics
from seqsweep.training.engine import CHECKPOINT, EARLY_STOP, architecture_of
from seqsweep.training.run_data import OwnData

_MOST_LAYERS = 1000
_COPIES = 4
"""The copies of the weights: themselves, gradients and the two moments of Adam."""
_EMBEDDING = 16
"""The default of model.embedding_dim where the data are symbols."""
_memory = functools.cache(free_memory)  # a sweep needs it for each of its runs

_SIZES = {"input_size": "features per step", "num_classes": "classes", "num_embeddings": "symbols"}
"""The sizes that a network takes from the data, with their names in messages."""
_OF_OUR_METRICS = (EARLY_STOP, "seqsweep.training.schedulers.plateau")
_PLATEAU = "torch.optim.lr_scheduler.ReduceLROnPlateau"


def with_sizes(config: Config, splits: Splits | OwnData) -> Config:
    """Returns the config with numbers for batch_size=auto and a null embedding_dim."""
    data, model = config["data"], config["model"]
    if isinstance(splits, Splits):
        data = data | {"batch_size": checked_batch_size(data["batch_size"], splits)}
    size = len(splits.train.target_names) if isinstance(splits, Splits) else 0
    if size and "num_targets" in signature_of(model["_target_"]).parameters:
        # The config keeps the number, because a checkpoint has only the names of classes.
        if (given := model.get("num_targets")) not in (None, size):
            raise ValueError(f"model.num_targets={given}: must be {size}, the targets of the data")
        model = model | {"num_targets": size}
    # Only our networks, which have the key embedding_dim, read symbols.
    if splits.vocabulary is not None and architecture_of(model) is not None:
        model = {
            k: _EMBEDDING if k == "embedding_dim" and v is None else v for k, v in model.items()
        }
    return config | {"data": data, "model": model}


def sizes_from_data(
    model: Config,
    input_size: int | None,
    num_classes: int | None,
    vocabulary: Sized | None = None,
) -> dict[str, int]:
    """Returns the sizes that the network takes from the data; refuses other sizes."""
    _check_default_type()
    known = signature_of(model["_target_"]).parameters
    known_sizes = {"input_size": input_size, "num_classes": num_classes}
    sizes = {name: size for name, size in known_sizes.items() if size is not None}
    if vocabulary is not None:
        sizes["num_embeddings"] = len(vocabulary)
    for name, size in sizes.items():
        given = model.get(name)
        if given is not None and given != size:
            raise ValueError(
                f"model.{name}={given}, but the data have {size} {_SIZES[name]}; "
                f"leave model.{name} out to take it from the data"
            )
    for name in ("input_size", "num_classes", "num_targets"):
        is_known = name in sizes or model.get(name) is not None
        if name in known and known[name].required and not is_known:
            what = "module has no attribute " + name
            if input_size is not None:
                what = f"have no {name.removeprefix('num_')}"
            raise ValueError(f"model.{name} is missing: the data {what}")
    return {name: size for name, size in sizes.items() if name in known}


def _check_default_type() -> None:
    """Refuses a default type of torch other than float32, in which networks train."""
    torch: Any = sys.modules.get("torch")  # until torch is imported, nothing has changed the type
    if torch is not None and torch.get_default_dtype() != torch.float32:
        raise ValueError(
            f"torch.get_default_dtype()={torch.get_default_dtype()}: must be torch.float32; call "
            "torch.set_default_dtype(torch.float32) before"
        )


def check_symbols(config: Config, splits: Splits | OwnData) -> None:
    """Refuses targets, an embedding for other data than symbols, and symbols without it.

    Symbols are data with a vocabulary, or whole numbers. A user's own network is not checked.
    """
    model = config["model"]
    train = splits.train if isinstance(splits, Splits) and not is_own_module(config) else None
    if train is not None and train.targets is not None:
        names = ", ".join(train.target_names)
        raise ValueError(
            f"model._target_={model['_target_']}: classifies whole sequences, but the data have"
            f" {f'targets ({names})' if names else 'a label for each step'}; a LightningModule of"
            " your own reads them: docs/extend.md, Numbers to predict"
        )
    if architecture_of(model) is None:
        return
    if model.get("embedding_dim") is None:
        if splits.vocabulary is not None:
            raise ValueError(
                f"model._target_={model['_target_']}: cannot read symbols; give model=rnn "
                "model.embedding_dim=16"
            )
        return
    if splits.input_size != 1:
        raise ValueError(
            f"model.embedding_dim={model['embedding_dim']}: expected data with the index of a "
            f"symbol at each step, got {splits.input_size} channels; set it to null"
        )
    count = model.get("num_embeddings")
    if splits.vocabulary is None and count is None:
        raise ValueError(
            f"model.embedding_dim={model['embedding_dim']}: the data have no vocabulary; give "
            "model.num_embeddings=NUMBER, one more than the largest index"
        )
    if isinstance(splits, Splits) and splits.vocabulary is None and count is not None:
        _check_range(splits, count)


@functools.lru_cache(maxsize=64)
def _check_range(splits: Splits, count: int) -> None:
    """Refuses values that are not indices of symbols."""
    for name, part in splits.parts.items():
        x = part.x[part.valid]
        is_wrong = (x != np.floor(x)) | (x < 0) | (x >= count)
        if is_wrong.any():
            value = float(x[is_wrong][0])
            scaled = "; set data.standardize=false" if value != int(value) else ""
            raise ValueError(
                f"model.num_embeddings={count}: must be above every value of the data, which must"
                f" be whole numbers from 0; {name} has {value:g}{scaled}"
            )


def check_network_size(config: Config, splits: Splits, memory: Callable[[], int] = _memory) -> None:
    """Refuses a network that cannot train in the free memory.

    Only a network that is far too large is refused, because the estimate is low: it counts only the
    recurrent layers, and sequences of mean length. A user's own network is not checked.
    """
    network = architecture_of(config["model"])
    if network is None:
        return
    hidden, layers = network.hidden_size, network.num_layers
    # Without this check, too many layers would be reported as a too large hidden_size.
    if layers > _MOST_LAYERS:
        raise ValueError(f"model.num_layers={layers}: must be at most {_MOST_LAYERS}")
    width = hidden * (2 if network.bidirectional else 1)
    inputs = splits.input_size + (layers - 1) * width  # the sum over all layers
    program = network.cell_program
    gates, squares, kept = (
        (program.gates, program.squares, kept_numbers(program)) if program else (1, 0, 1)
    )
    weights = width * (gates * inputs + squares * layers * hidden)
    batch, steps = config["data"]["batch_size"], float(splits.train.lengths.mean())
    states = batch * steps * layers * width * kept
    needed, available = weights * _COPIES * 4, memory()
    what = f"model.hidden_size={hidden}: {weights:,} weights with their gradients and moments"
    if needed <= available:
        needed = states * 4
        what = f"data.batch_size={batch}: the states of {batch} sequences of {steps:,.0f} steps"
    if needed > available:
        sizes = f"{needed / 2**30:,.0f} GiB, and {available / 2**30:,.0f} GiB are free"
        raise ValueError(f"{what} take {sizes}")


def check_network(config: Config, splits: Splits) -> None:
    """Refuses a network that does not fit data, memory or cell."""
    check_symbols(config, splits)
    model, channels = config["model"], splits.input_size
    sizes = sizes_from_data(model, channels, splits.num_classes or None, splits.vocabulary)
    check_network_size(config, splits)
    network = architecture_of(model)
    if network is not None and is_class_path(network.cell):
        import torch  # which the user's class has imported already

        from seqsweep.seeding import drawing_from

        with drawing_from(torch.Generator()):
            build(model, "model", **sizes)


def plateau_monitor(config: Config) -> str:
    """Returns the metric for a plateau scheduler, by default the run's monitor."""
    return (config["scheduler"] or {}).get("monitor", config["monitor"])


def check_monitors(config: Config, splits: Splits | OwnData) -> None:
    """Refuses callbacks and schedulers whose metric is never logged.

    The user's own callbacks may monitor the user's own metrics. What a LightningModule of the user
    logs is not known before it trains.
    """
    if not knows_metrics(config):
        return
    why_not = _why_no_validation(config["trainer"], splits)
    known = [name for name in get_args(Monitor) if not (why_not and name.startswith("val/"))]
    for key, section in _sections_with_monitor(config):
        monitor = str(section["monitor"])
        is_ours = section["_target_"] in _OF_OUR_METRICS
        if monitor not in known and (is_ours or (why_not and monitor.startswith("val/"))):
            lacks = f" ({why_not})" if why_not else ""
            raise ValueError(f"{key}.monitor={monitor!r}: must be one of {', '.join(known)}{lacks}")
    scheduler = config["scheduler"]
    if scheduler is not None and scheduler["_target_"] == _PLATEAU:
        # torch's class does not know the metric; a wrong mode would lower lr at each improvement.
        right = as_metric(config["monitor"]).direction
        if scheduler["mode"] != right:
            raise ValueError(
                f"scheduler.mode={scheduler['mode']}: must be {right} for monitor="
                f"{config['monitor']}"
            )


def _sections_with_monitor(config: Config) -> Iterator[tuple[str, Config]]:
    """Yields scheduler and callbacks that monitor a metric, with their keys."""
    scheduler = config["scheduler"] or {}
    if scheduler.get("_target_") == _PLATEAU:
        scheduler = scheduler | {"monitor": config["monitor"]}
    sections = {"scheduler": scheduler}
    sections |= {f"callbacks.{name}": node for name, node in (config["callbacks"] or {}).items()}
    for key, section in sections.items():
        # Checkpoints may monitor a missing metric (see `BestEpoch`).
        if section and section.get("monitor") is not None and section["_target_"] != CHECKPOINT:
            yield key, section


def _why_no_validation(trainer: Config, splits: Splits | OwnData) -> str | None:
    """Returns the reason why a run never validates, or None."""
    every, epochs = trainer.get("check_val_every_n_epoch", 1), trainer["max_epochs"]
    if "val" not in splits.names:
        return "there is no validation split"
    if trainer.get("limit_val_batches") == 0:
        return "trainer.limit_val_batches=0"
    if isinstance(every, int) and every > epochs:
        return f"trainer.check_val_every_n_epoch={every} and trainer.max_epochs={epochs}"
    return None
