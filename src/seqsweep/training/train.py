"""One run, from its config to its record."""

import logging
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from seqsweep.config.build import build
from seqsweep.config.schema import Config
from seqsweep.config.signatures import signature_of
from seqsweep.data.datamodule import SequenceDataModule
from seqsweep.models.module import SequenceClassifier
from seqsweep.runs.identity import flatten
from seqsweep.runs.provenance import provenance
from seqsweep.runs.record import RunFolder
from seqsweep.seeding import global_stream
from seqsweep.training.callbacks import BestAndLast
from seqsweep.training.loggers import TextLogger
from seqsweep.training.planning import Member, Outcome, RunFailed, load_source
from seqsweep.training.trainer import build_trainer

log = logging.getLogger(__name__)


def train(member: Member, root: Path, progress: Callback | None = None) -> Outcome:
    """Trains one run in `root`/run_id, from the start.

    Args:
        member: a checked and identified config.
        root: the folder of the runs.
        progress: a progress bar for a terminal.

    Raises:
        ValueError, TypeError, OSError: the config cannot be built; nothing has been written.
        RunFailed: training failed; failure.json holds the traceback.
    """
    folder = RunFolder(root / member.run_id)
    torch.set_num_threads(member.config["threads"])
    trainer, module, data = build_run(member.config, folder, progress)
    if trainer.is_global_zero:
        folder.start(member.config, provenance(member.config["threads"], member.data_fingerprint))
    with _log_file(folder.path / "train.log", trainer.is_global_zero), _own_random_state():
        log.info("run %s: %s", member.run_id, dict(flatten(member.config)))
        try:
            record = _fit_and_test(trainer, module, data, folder.path)
        except SystemExit as error:  # what Lightning makes of Ctrl-C
            raise KeyboardInterrupt from error
        except Exception as error:
            log.exception("failed")
            if trainer.is_global_zero:
                folder.fail(error)
            raise RunFailed(folder.path, error) from error
        record = {"run_id": member.run_id, **record, "config": dict(flatten(member.config))}
        log.info("done: %s", record["metrics"])
        if trainer.is_global_zero:
            folder.finish(record)
    return Outcome(folder, record, trained=True)


def build_run(
    config: Config, folder: RunFolder, progress: Callback | None = None
) -> tuple[L.Trainer, SequenceClassifier, SequenceDataModule]:
    """All parts of a run; writes nothing.

    Raises:
        ValueError, TypeError, OSError: something of the config is refused.
    """
    data = build_data(config)
    module = build_module(config, data)
    module.configure_optimizers()  # refuses what the optimizer and the scheduler do not take
    return _build_trainer(config, data, folder, progress), module, data


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
        network = build(config["model"], "model", **_sizes_from_data(config["model"], sizes))
    weights = _class_weights(
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
        monitor=config["monitor"],
        seed=config["seed"],
    )


def _sizes_from_data(model: Config, sizes: dict[str, int]) -> dict[str, int]:
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


def _class_weights(setting: Any, labels: Any, num_classes: int) -> Tensor | None:
    """None, the weights as given, or N / (C * count): each class with the same total weight."""
    if setting is None:
        return None
    if setting == "balanced":
        counts = torch.bincount(torch.from_numpy(labels), minlength=num_classes)
        return len(labels) / (num_classes * counts.float())
    if len(setting) != num_classes or min(setting) < 0:
        raise ValueError(
            f"loss.class_weights={setting}: must be balanced, or {num_classes} numbers of at least "
            "0, one for each class of the data"
        )
    return torch.tensor(setting)


def _build_trainer(
    config: Config, data: SequenceDataModule, folder: RunFolder, progress: Callback | None
) -> L.Trainer:
    loggers = [
        build(section, f"logger.{name}", **_save_dir(section, folder.path))
        for name, section in (config["logger"] or {}).items()
        if section is not None
    ]
    callbacks = [
        build(section, f"callbacks.{name}")
        for name, section in (config["callbacks"] or {}).items()
        if section is not None
    ]
    section = {name: value for name, value in config["trainer"].items() if name != "_target_"}
    if data.splits.val is None:
        section["limit_val_batches"] = 0
    return build_trainer(
        **section,
        folder=folder.path,
        logger=[TextLogger(), *loggers],
        callbacks=callbacks,
        progress=progress,
    )


def _save_dir(section: Config, folder: Path) -> dict[str, str]:
    takes = "save_dir" in signature_of(section["_target_"]).parameters
    return {"save_dir": str(folder)} if takes else {}


def _fit_and_test(
    trainer: L.Trainer, module: SequenceClassifier, data: SequenceDataModule, folder: Path
) -> dict[str, Any]:
    start = time.perf_counter()
    trainer.fit(module, datamodule=data)
    seconds = time.perf_counter() - start
    metrics, best_epoch = _best(trainer, module)
    if data.splits.test is not None:
        trainer.strategy.barrier()  # the first process has written the checkpoint by now
        _load_weights(module, folder / "checkpoints" / "best.ckpt")
        trainer.test(module, datamodule=data, verbose=False)
        metrics |= module.test_metrics
    epochs = trainer.current_epoch
    return {
        "metrics": metrics,
        "best_epoch": best_epoch,
        "epochs": epochs,
        "steps": trainer.global_step,
        "params": sum(p.numel() for p in module.network.parameters() if p.requires_grad),
        "train_seconds": round(seconds, 3),
        "samples_per_s": round(epochs * len(data.splits.train) / seconds, 1),
        "num_train": len(data.splits.train),
    }


def _best(trainer: L.Trainer, module: SequenceClassifier) -> tuple[dict[str, float], int]:
    """The metrics of the best epoch, or of the last one where no checkpoints are kept."""
    for callback in trainer.checkpoint_callbacks:
        if isinstance(callback, BestAndLast) and callback.best_epoch is not None:
            return dict(callback.best_metrics), callback.best_epoch
    return dict(module.epoch_metrics), trainer.current_epoch - 1


def _load_weights(module: SequenceClassifier, checkpoint: Path) -> None:
    if checkpoint.is_file():
        module.load_state_dict(torch.load(checkpoint, weights_only=True)["state_dict"])


@contextmanager
def _own_random_state() -> Generator[None]:
    """Leaves torch's global generators and its deterministic mode as they were."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng():
        yield
    torch.use_deterministic_algorithms(deterministic)


@contextmanager
def _log_file(path: Path, is_global_zero: bool) -> Generator[None]:
    """What seqsweep and Lightning log while the run goes on, in its train.log.

    Of a distributed run, what its first process logs.
    """
    if not is_global_zero:
        yield
        return
    handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    loggers = [logging.getLogger(name) for name in ("seqsweep", "lightning.pytorch")]
    level = loggers[0].level
    loggers[0].setLevel(logging.INFO)
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
        loggers[0].setLevel(level)
        handler.close()
