"""Which engine trains a run, and which runs can train together. Imports no torch.

`stacked` is the own engine of seqsweep/stacked: a run on the CPU is a stack of one. `autograd` is
any network under Lightning and autograd: a user's own, one on a GPU where cuDNN is faster, and the
reference that the stacked engine is tested against.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from seqsweep.config.schema import Config

_MODELS = "seqsweep.models.classifier."
_DATA = "seqsweep.data.datamodule.SequenceDataModule"
_TRAINER = "seqsweep.training.trainer.build_trainer"
_OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop")
_CHECKPOINT = "seqsweep.training.checkpoints.BestAndLast"
_EARLY_STOP = "seqsweep.training.callbacks.EarlyStop"
_LOGGERS = ("RunTensorBoardLogger", "EpochCSVLogger", "PrintLoss")

# What Lightning does for these is made for a network of its own: they go by autograd.
_PLAIN_TRAINER: dict[str, tuple[Any, ...]] = {
    "devices": (1, "auto"),
    "strategy": ("auto",),
    "precision": ("32", "bf16-mixed"),
    "limit_train_batches": (None,),
    "limit_val_batches": (None,),
    "limit_test_batches": (None,),
    "overfit_batches": (0,),
    "fast_dev_run": (False,),
    "detect_anomaly": (False,),
    "profiler": (None,),
    "accumulate_grad_batches": (1,),
    "gradient_clip_algorithm": ("norm",),
}
_OF_A_MEMBER = ("gradient_clip_val", "progress_bar")
_OF_A_STACK = ("_target_", "accelerator", "max_epochs", "check_val_every_n_epoch", "deterministic")

LSTM_WIDTH, LSTM_MEMBERS = 32, 4
"""From here on oneDNN's fused lstm, which autograd runs, is quicker than ours: a wider one, or a
stack of fewer (docs/benchmarks.md)."""


class Network(NamedTuple):
    """What a config's model is, whichever of our classes it names."""

    cell: str
    nonlinearity: str
    num_layers: int
    bidirectional: bool
    pooling: str
    hidden_size: int
    dropout: float


def network_of(model: Config) -> Network | None:
    """None for a network that is not ours."""
    kind = str(model.get("_target_", "")).removeprefix(_MODELS)
    hidden, layers = model.get("hidden_size"), model.get("num_layers", 1)
    if kind == "RNNClassifier":
        return Network(**{name: model[name] for name in Network._fields})
    if kind in ("SimpleRNN", "MultiLayerRNN", "BiDirectionalRNN"):
        both = kind == "BiDirectionalRNN"
        return Network("rnn", "tanh", layers, both, "last", int(hidden or 0), 0.0)
    return None


def why_not_stacked(config: Config) -> str | None:
    """What of a config only the autograd engine can do; None where the stacked one can."""
    if network_of(config["model"]) is None:
        return f"model={config['model']['_target_']} is a network of your own"
    for section, target in (("data", _DATA), ("trainer", _TRAINER)):
        if config[section]["_target_"] != target:
            return f"{section}={config[section]['_target_']} is your own"
    if config["optimizer"]["_target_"] not in _ours("training.optimizers", _OPTIMIZERS):
        return f"optimizer={config['optimizer']['_target_']} is your own"
    for name, allowed in _PLAIN_TRAINER.items():
        value = config["trainer"].get(name, allowed[0])
        if value not in allowed:
            return f"trainer.{name}={value}"
    for name, value in config["trainer"].items():
        if name not in (*_PLAIN_TRAINER, *_OF_A_MEMBER, *_OF_A_STACK):
            return f"trainer.{name}={value}"
    return _why_not_called_back(config)


def _why_not_called_back(config: Config) -> str | None:
    callbacks = [node["_target_"] for node in (config["callbacks"] or {}).values() if node]
    if callbacks.count(_CHECKPOINT) != 1:
        return "callbacks without one BestAndLast"
    for target in callbacks:
        if target not in (_CHECKPOINT, _EARLY_STOP):
            return f"the callback {target}"
    if callbacks.count(_EARLY_STOP) > 1:
        return "more than one EarlyStop"
    for node in (config["logger"] or {}).values():
        if node and node["_target_"] not in _ours("training.loggers", _LOGGERS):
            return f"the logger {node['_target_']}"
    return None


def _ours(module: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"seqsweep.{module}.{name}" for name in names)


def engine_of(config: Config, members: int, takes_gpu: Callable[[str], bool]) -> str:
    """`stacked` or `autograd` for a run that trains together with `members` - 1 others.

    Args:
        config: checked.
        takes_gpu: whether an accelerator is a GPU here; asked where it matters (it needs torch).

    Raises:
        ValueError: engine=stacked for a config that the stacked engine cannot train.
    """
    wanted = config["engine"]
    if wanted == "autograd":
        return wanted
    reason = why_not_stacked(config)
    if wanted == "stacked":
        if reason is not None:
            raise ValueError(
                f"engine=stacked cannot train {reason}; give engine=autograd, or auto to choose "
                "by itself"
            )
        return wanted
    trainer = config["trainer"]
    if reason is not None or trainer["precision"] != "32" or takes_gpu(trainer["accelerator"]):
        return "autograd"
    network = network_of(config["model"])
    assert network is not None
    is_small = network.hidden_size <= LSTM_WIDTH and members >= LSTM_MEMBERS
    return "autograd" if network.cell == "lstm" and not is_small else "stacked"


def stack_key(config: Config, data_fingerprint: str | None) -> str:
    """Configs of one key can train together: equal data, cell, depth, directions, batches, epochs.

    Seed, hidden size, dropout, lr and all else of the optimizer, scheduler, clipping, loss, early
    stopping and monitor may differ.
    """
    network = network_of(config["model"])
    assert network is not None
    trainer = {key: v for key, v in config["trainer"].items() if key not in _OF_A_MEMBER}
    data = {key: v for key, v in config["data"].items() if key not in ("seed", "num_workers")}
    shared = (
        data_fingerprint,
        network._replace(hidden_size=0, dropout=0.0),
        data,
        trainer,
        config["optimizer"]["_target_"],
        config["threads"],
    )
    return json.dumps(shared, sort_keys=True)
