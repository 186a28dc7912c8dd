"""The parts of a run, built from its config: data, network, Trainer. Nothing is written here.

C classes.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, ProgressBar
from torch import Tensor, nn

from seqsweep.config.instantiate import build
from seqsweep.config.schema import Config, Monitor
from seqsweep.config.signatures import signature_of
from seqsweep.data.datamodule import SequenceDataModule
from seqsweep.data.sequences import Splits
from seqsweep.models.module import SequenceClassifier
from seqsweep.native.library import describe
from seqsweep.runs.metric_names import lower_is_better
from seqsweep.seeding import global_stream
from seqsweep.training.data_cache import load_source, translate_memory_errors
from seqsweep.training.loggers import RowLogger, TextLogger

_CHECKPOINT = "seqsweep.training.checkpoints.BestAndLast"
_OF_OUR_METRICS = (
    "seqsweep.training.callbacks.EarlyStop",
    "seqsweep.training.schedulers.plateau",
)
_PLATEAU = "torch.optim.lr_scheduler.ReduceLROnPlateau"


class Parts(NamedTuple):
    """What Lightning needs for a run."""

    trainer: L.Trainer
    module: SequenceClassifier
    data: SequenceDataModule


@translate_memory_errors()
def build_run(config: Config, folder: Path, callbacks: list[Callback] | None = None) -> Parts:
    """All parts of a run in `folder`, with callbacks beside those of the config.

    Raises:
        ValueError, TypeError, OSError: something of the config is refused.
    """
    data = build_data(config)
    check_monitors(config, data.splits)
    module = build_module(config, data)
    module.configure_optimizers()  # refuses what the optimizer and the scheduler do not take
    trainer = _build_trainer(config, data, folder, callbacks or [])
    _check_processes(trainer.world_size, data.splits)
    return Parts(trainer, module, data)


def _check_processes(count: int, splits: Splits) -> None:
    """Refuses more processes than a split has sequences: one without a share would block them."""
    for name, part in splits.parts.items():
        if name != "train" and len(part) < count:  # a small train split is filled up
            raise ValueError(
                f"trainer.devices={count}: must be at most {len(part)}, the sequences in {name}"
            )


def check_monitors(config: Config, splits: Splits) -> None:
    """Refuses a callback or a scheduler that looks at a metric which the run never logs.

    The checkpoints do without: a run without validation keeps its last epoch as its best. Callbacks
    other than ours may look at metrics of the user's own.
    """
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
        right = "min" if lower_is_better(config["monitor"]) else "max"
        if scheduler["mode"] != right:
            raise ValueError(
                f"scheduler.mode={scheduler['mode']}: must be {right} for monitor="
                f"{config['monitor']}"
            )


def _sections_with_monitor(config: Config) -> Iterator[tuple[str, Config]]:
    """The scheduler and the callbacks that look at a metric, with their keys."""
    scheduler = config["scheduler"]
    if scheduler is not None and scheduler["_target_"] == _PLATEAU:
        yield "scheduler", scheduler | {"monitor": config["monitor"]}
    elif scheduler is not None and "monitor" in scheduler:
        yield "scheduler", scheduler
    for name, section in (config["callbacks"] or {}).items():
        if section and section["_target_"] != _CHECKPOINT and section.get("monitor") is not None:
            yield f"callbacks.{name}", section


def _why_no_validation(trainer: Config, splits: Splits) -> str | None:
    """The reason why a run never validates, or None."""
    every, epochs = trainer.get("check_val_every_n_epoch", 1), trainer["max_epochs"]
    if splits.val is None:
        return "there is no validation split"
    if trainer.get("limit_val_batches") == 0:
        return "trainer.limit_val_batches=0"
    if isinstance(every, int) and every > epochs:
        return f"trainer.check_val_every_n_epoch={every} and trainer.max_epochs={epochs}"
    return None


def build_data(config: Config) -> Any:
    """The DataModule; its source is shared with the runs of the same process."""
    section = config["data"]
    injected: dict[str, Any] = {}
    if "source" in section:
        injected["source"] = load_source(section["source"])
    if "seed" in signature_of(section["_target_"]).parameters and section.get("seed") is None:
        injected["seed"] = config["seed"]
    return build(section, "data", **injected)


def build_module(config: Config, data: SequenceDataModule) -> SequenceClassifier:
    """The network, with weights from the stream `init`, in its LightningModule."""
    splits = data.splits
    sizes = {"input_size": splits.input_size, "num_classes": splits.num_classes}
    with global_stream(config["seed"], "init"):
        network = build(config["model"], "model", **sizes_from_data(config["model"], sizes))
    if not isinstance(network, nn.Module):
        target, kind = config["model"]["_target_"], type(network).__name__
        raise TypeError(f"model._target_={target}: must make a torch.nn.Module, got {kind}")
    weights = class_weights(
        config["loss"]["class_weights"], splits.train.labels, splits.num_classes
    )
    return SequenceClassifier(
        network,
        splits.num_classes,
        optimizer=build(config["optimizer"], "optimizer"),
        scheduler=build(config["scheduler"], "scheduler"),
        class_weights=weights,
        label_smoothing=config["loss"]["label_smoothing"],
        gradient_clip_val=config["trainer"].get("gradient_clip_val"),
        gradient_clip_algorithm=config["trainer"].get("gradient_clip_algorithm", "norm"),
        accumulate_grad_batches=config["trainer"].get("accumulate_grad_batches", 1),
        monitor=plateau_monitor(config),
        seed=config["seed"],
    )


def plateau_monitor(config: Config) -> str:
    """What a plateau scheduler looks at: its own choice, or the run's."""
    return (config["scheduler"] or {}).get("monitor", config["monitor"])


def sizes_from_data(model: Config, sizes: dict[str, int]) -> dict[str, int]:
    """Sizes that the network takes and the config leaves open.

    Raises:
        ValueError: the config gives another size than the data have.
    """
    known = signature_of(model["_target_"]).parameters
    for name, size in sizes.items():
        given = model.get(name)
        if given is not None and given != size:
            what = "features per step" if name == "input_size" else "classes"
            raise ValueError(
                f"model.{name}={given}, but the data have {size} {what}; "
                f"leave model.{name} out to take it from the data"
            )
    return {name: size for name, size in sizes.items() if name in known}


def class_weights(setting: Any, labels: Any, num_classes: int) -> Tensor | None:
    """None, the weights as given, or N / (C * count): each class with the same total weight."""
    if setting is None:
        return None
    if setting == "balanced":
        counts = torch.bincount(torch.from_numpy(labels), minlength=num_classes)
        return len(labels) / (num_classes * counts.float())
    if len(setting) != num_classes or min(setting) <= 0:
        raise ValueError(
            f"loss.class_weights={setting}: must be balanced, or {num_classes} numbers above 0, "
            "one for each class of the data"
        )
    return torch.tensor(setting)


def _build_trainer(
    config: Config, data: SequenceDataModule, folder: Path, callbacks: list[Callback]
) -> L.Trainer:
    configured = [
        build(section, f"callbacks.{name}", **_dirpath(name, section, folder))
        for name, section in (config["callbacks"] or {}).items()
        if section is not None
    ]
    if any(isinstance(callback, ProgressBar) for callback in configured):
        callbacks = [callback for callback in callbacks if not isinstance(callback, ProgressBar)]
    loggers = build_loggers(config, folder)
    # `trainer.logger` is the first one: of the user's own, where there is one.
    loggers.sort(key=lambda logger: isinstance(logger, RowLogger))
    section = dict(config["trainer"])
    if data.splits.val is None:
        section["limit_val_batches"] = 0
    return build(
        section,
        "trainer",
        folder=folder,
        logger=[*loggers, TextLogger()],
        callbacks=[*callbacks, *configured],
    )


def build_loggers(config: Config, folder: Path) -> list[Any]:
    """The loggers of the config; those that name no folder write into the run's."""
    return [
        build(section, f"logger.{name}", **_save_dir(name, section, folder))
        for name, section in (config["logger"] or {}).items()
        if section is not None
    ]


def _save_dir(name: str, section: Config, folder: Path) -> dict[str, str]:
    given = section.get("save_dir")
    if given is not None and section["_target_"].startswith("seqsweep."):
        raise ValueError(f"logger.{name}.save_dir={given}: cannot be set; it is the run's folder")
    return _if_open("save_dir", section, folder)


def _dirpath(name: str, section: Config, folder: Path) -> dict[str, str]:
    """The folder of Lightning's own checkpoints, beside ours, which a run resumes from."""
    return _if_open("dirpath", section, folder / "checkpoints" / name)


def _if_open(argument: str, section: Config, value: Path) -> dict[str, str]:
    takes = argument in signature_of(section["_target_"]).parameters
    return {argument: str(value)} if takes and section.get(argument) is None else {}


def numerics(trainer: L.Trainer, kind: str) -> dict[str, Any]:
    """What decides the last bits of a result, for its provenance; `kind` is the engine."""
    blas = [line.strip(" -") for line in torch.__config__.show().splitlines() if "BLAS" in line]
    cuda = trainer.strategy.root_device.type == "cuda"
    return {
        "engine": kind,
        "device": torch.cuda.get_device_name(trainer.strategy.root_device) if cuda else "cpu",
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "blas": blas[0][:200] if blas else None,
        "mkl": torch.backends.mkl.is_available(),
        **(describe() if kind == "native" else {}),
    }
