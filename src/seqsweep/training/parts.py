"""The parts of a run, built from its config: data, network, Trainer. Nothing is written here.

C classes.
"""

from pathlib import Path
from typing import Any, NamedTuple, get_args

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from seqsweep.config.build import build
from seqsweep.config.schema import Config, Monitor
from seqsweep.config.signatures import signature_of
from seqsweep.data.datamodule import SequenceDataModule
from seqsweep.data.sequences import Splits
from seqsweep.models.module import SequenceClassifier
from seqsweep.seeding import global_stream
from seqsweep.training.loggers import TextLogger
from seqsweep.training.planning import load_source, out_of_memory_is_said
from seqsweep.training.trainer import build_trainer

_WATCHING = (
    "seqsweep.training.callbacks.EarlyStop",
    "seqsweep.training.schedulers.plateau",
)


class Parts(NamedTuple):
    """What Lightning needs for a run."""

    trainer: L.Trainer
    module: SequenceClassifier
    data: SequenceDataModule


@out_of_memory_is_said()
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
    """Whoever stops the run or changes its lr by a metric needs one that the run logs.

    (The checkpoints do without: a run without validation keeps its last epoch as its best.)
    """
    sections = {"scheduler": config["scheduler"]}
    sections |= {f"callbacks.{name}": node for name, node in (config["callbacks"] or {}).items()}
    known = [name for name in get_args(Monitor) if splits.val or not name.startswith("val/")]
    for key, section in sections.items():
        if section is None or section["_target_"] not in _WATCHING:
            continue
        monitor = section.get("monitor")
        if monitor not in known:
            lacks = "" if splits.val else " (there is no validation split)"
            raise ValueError(f"{key}.monitor={monitor!r}: must be one of {', '.join(known)}{lacks}")


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
        build(section, f"callbacks.{name}")
        for name, section in (config["callbacks"] or {}).items()
        if section is not None
    ]
    section = {name: value for name, value in config["trainer"].items() if name != "_target_"}
    if data.splits.val is None:
        section["limit_val_batches"] = 0
    return build_trainer(
        **section,
        folder=folder,
        logger=[TextLogger(), *build_loggers(config, folder)],
        callbacks=[*callbacks, *configured],
    )


def build_loggers(config: Config, folder: Path) -> list[Any]:
    """The loggers of the config, writing into a run's folder."""
    return [
        build(section, f"logger.{name}", **_save_dir(section, folder))
        for name, section in (config["logger"] or {}).items()
        if section is not None
    ]


def _save_dir(section: Config, folder: Path) -> dict[str, str]:
    takes = "save_dir" in signature_of(section["_target_"]).parameters
    return {"save_dir": str(folder)} if takes else {}


def engine(trainer: L.Trainer, kind: str) -> dict[str, Any]:
    """What decides the last bits of a result, for its provenance; `kind`: stacked or autograd."""
    blas = [line.strip(" -") for line in torch.__config__.show().splitlines() if "BLAS" in line]
    cuda = trainer.strategy.root_device.type == "cuda"
    return {
        "engine": kind,
        "device": torch.cuda.get_device_name(trainer.strategy.root_device) if cuda else "cpu",
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "blas": blas[0][:200] if blas else None,
        "mkl": torch.backends.mkl.is_available(),
    }
