"""Chooses the engine that trains a run. Imports no torch (which is slow).

`native` trains our networks in float32 on the CPU, with the C++ step of seqsweep/native. `autograd`
trains any network with Lightning and autograd, on a CPU or a GPU.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

from seqsweep.config.convert import BUILD_TRAINER
from seqsweep.config.own_cell import our_cells
from seqsweep.config.schema import Config
from seqsweep.config.signatures import signature_of
from seqsweep.data.transforms import shaping_options
from seqsweep.native.library import is_switched_off, library, why_missing
from seqsweep.native.structs import Shape
from seqsweep.runs.identity import DATA_MODULE
from seqsweep.training.fed_loggers import why_in_trainer

_MODELS = "seqsweep.models.classifier."
_OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop")
CHECKPOINT = "seqsweep.training.checkpoints.BestAndLast"
EARLY_STOP = "seqsweep.training.callbacks.EarlyStop"

_FREE_TRAINER = (
    "_target_", "accelerator", "max_epochs", "check_val_every_n_epoch", "deterministic",
    "gradient_clip_val", "progress_bar",
)  # fmt: skip
"""The Trainer arguments that native accepts with any value, but for accelerator=gpu."""

ON_GPU = "trainer.accelerator=gpu"
"""The reason that `why_not_native` returns for a typed GPU."""

PROGRAM = "program"
"""The key of provenance.json with the digest of the program."""

_OF_ONE_RUN = ("seed", "num_workers", "batch_size")
"""The data arguments that may differ in a pool, whose runs train together."""


def architecture_of(model: Config) -> Shape | None:
    """Returns the layers of a model; None for a user's own model."""
    kind = str(model.get("_target_", "")).removeprefix(_MODELS)
    if kind not in ("RNNClassifier", "SimpleRNN", "MultiLayerRNN", "BiDirectionalRNN"):
        return None
    layers = {name: model[name] for name in Shape._field_defaults if name in model}
    if kind == "BiDirectionalRNN":
        layers["bidirectional"] = True
    return Shape(0, int(model.get("hidden_size") or 0), 0, **layers)


def network_of(model: Config) -> Shape | None:
    """Returns the layers of a model if native can train it, else None."""
    network = architecture_of(model)
    if network is None or option_of_autograd(model):
        return None
    is_own = network.cell not in our_cells()
    return network._replace(program=_own_program(model)) if is_own else network


def option_of_autograd(model: Config) -> str | None:
    """Returns the option of our network that needs autograd, or None."""
    network = architecture_of(model)
    if network is None:
        return None
    # The normalisation is between layers, so it has no effect with one layer.
    if model.get("layer_norm") and network.num_layers > 1:
        return "model.layer_norm=true"
    if network.pooling == "attention":
        return "model.pooling=attention"
    if model.get("embedding_dim") is not None:
        return "model.embedding_dim"
    if network.cell not in our_cells() and isinstance(reason := _own_program(model), str):
        return f"model.cell={network.cell} ({reason})"
    return None


def program_digest(config: Config, engine: str) -> str | None:
    """Returns the digest of the program that trains a config, for provenance.json.

    It is None where no program runs: the cell is a kernel, or autograd trains.
    """
    network = network_of(config["model"]) if engine == "native" else None
    program = network.cell_program if network is not None and network.kernel is None else None
    return None if program is None else program.digest[:16]


def _own_program(model: Config) -> Any:
    """Returns the program of a user's cell, or why it has none."""
    from seqsweep.models.own_programs import program_of  # needs torch

    return program_of(model)


def why_not_native(config: Config) -> str | None:
    """Returns the part of a config that only autograd can train, or None."""
    if architecture_of(config["model"]) is None:
        return f"model={config['model']['_target_']}, which is your own"
    if option := option_of_autograd(config["model"]):
        return option
    for section, target in (("data", DATA_MODULE), ("trainer", BUILD_TRAINER)):
        if config[section]["_target_"] != target:
            return f"{section}={config[section]['_target_']}, which is your own"
    optimizer = config["optimizer"]["_target_"]
    if optimizer.removeprefix("seqsweep.training.optimizers.") not in _OPTIMIZERS:
        return f"optimizer={optimizer}, which is your own"
    # A checked config has Lightning's defaults left out, and those of our function written out.
    defaults = {name: each.default for name, each in signature_of(BUILD_TRAINER).parameters.items()}
    for name, value in config["trainer"].items():
        is_plain = name in defaults and value == defaults[name]
        if name not in _FREE_TRAINER and not is_plain and (name, value) != ("devices", "auto"):
            return f"trainer.{name}={value}"
    if reason := _why_not_called_back(config):
        return reason
    return ON_GPU if config["trainer"]["accelerator"] == "gpu" else None


def _why_not_called_back(config: Config) -> str | None:
    callbacks = [node["_target_"] for node in (config["callbacks"] or {}).values() if node]
    # A pool writes the checkpoints itself; it needs one BestAndLast, which knows the best epoch.
    if callbacks.count(CHECKPOINT) != 1:
        return "callbacks without one BestAndLast"
    for target in callbacks:
        if target not in (CHECKPOINT, EARLY_STOP):
            return f"the callback {target}"
    if callbacks.count(EARLY_STOP) > 1:
        return "more than one EarlyStop"
    for name, node in (config["logger"] or {}).items():
        if node and (why := why_in_trainer(node["_target_"])):
            return f"logger.{name}={node['_target_']}, which {why}"
    return None


def engine_of(config: Config) -> str:
    """Returns the engine that trains a config here: `native` or `autograd`.

    A GPU of this machine decides nothing, so that all machines choose the same engine.

    Raises:
        ValueError: the engine `native` is wanted, but cannot train the config or is not built; or
            SEQSWEEP_NATIVE or the target of a logger is wrong.
    """
    wanted = config["engine"]
    if wanted == "autograd":
        return wanted
    reason = why_not_native(config)
    if wanted == "auto":
        return "autograd" if reason is not None or library() is None else "native"
    if reason is not None:
        raise ValueError(
            f"engine=native: cannot train {reason}; give engine=auto, which chooses by itself"
        )
    if library() is None:
        raise ValueError(f"engine=native: must be auto on this machine; {why_missing()}")
    return wanted


def missing_library(
    configs: Iterable[Config], why: Callable[[], str | None] = why_missing
) -> list[str]:
    """Returns at most one line: how to build the native library, if needed."""
    reason = why()
    if reason is None or is_switched_off():
        return []
    wanted = (config for config in configs if config["engine"] == "auto")
    return [reason for config in wanted if why_not_native(config) is None][:1]


def pool_key(config: Config, data_fingerprint: str | None) -> str:
    """Returns a text for a config's prepared data, equal for all runs of a pool."""
    data = {key: v for key, v in config["data"].items() if key not in _OF_ONE_RUN}
    data["transform"] = shaping_options(data.get("transform"))  # members may augment differently
    return json.dumps((data_fingerprint, data), sort_keys=True)
