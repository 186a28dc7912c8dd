"""Builds a run's data, network and Trainer from its config. Writes nothing.

F features (channels), C classes.
"""

import copy
import functools
from pathlib import Path
from typing import Any, NamedTuple

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, LambdaCallback, ProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.model_helpers import is_overridden
from torch import nn

from seqsweep.config.instantiate import build
from seqsweep.config.own_cell import our_cells
from seqsweep.config.schema import Config
from seqsweep.config.signatures import signature_of
from seqsweep.data.datamodule import SequenceDataModule
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.models.layers import logits_of, takes_lengths
from seqsweep.models.metrics import class_weights
from seqsweep.models.module import SequenceClassifier
from seqsweep.models.own_programs import program_of
from seqsweep.runs.files import say_once
from seqsweep.runs.identity import DATA_MODULE, MODULE_DATA, is_own_module
from seqsweep.runs.metrics import monitor_of_config, proposed_direction
from seqsweep.seeding import global_stream, restored_generators
from seqsweep.training.checks import check_monitors, check_symbols, plateau_monitor, sizes_from_data
from seqsweep.training.description import description
from seqsweep.training.engine import architecture_of
from seqsweep.training.exact_resume import ExactResume
from seqsweep.training.fed_loggers import build_loggers, open_arguments
from seqsweep.training.findings import findings_of
from seqsweep.training.logged import LoggedMetrics, check_logs
from seqsweep.training.loggers import MemberLog, RowLogger, RunTensorBoardLogger, TrainerLogger
from seqsweep.training.run_data import OwnData, build_data, outline, translate_memory_errors


class Parts(NamedTuple):
    """The objects that Lightning needs, and a run's log and splits."""

    log: MemberLog
    trainer: L.Trainer
    module: L.LightningModule
    data: L.LightningDataModule | None
    splits: Splits | OwnData


@translate_memory_errors()
def build_run(config: Config, folder: Path, callbacks: list[Callback] | None = None) -> Parts:
    """Builds all parts of a run, whose files will be in `folder`, with further callbacks.

    Raises:
        ValueError, TypeError, OSError: a part of the config is refused.
    """
    data = build_data(config)
    splits = outline(data, config["data"]["_target_"], config["model"])
    check_monitors(config, splits)
    if config["data"]["_target_"] == MODULE_DATA:
        data = None  # Lightning then asks the module
    further, is_own = callbacks or [], is_own_module(config)
    module: Any = _built(config, splits) if is_own else build_module(config, splits)
    if not is_overridden("training_step", module):
        raise TypeError(f"model._target_={config['model']['_target_']}: has no training_step")
    check_logs(module, config)
    if config["optimizer"] is not None and not is_overridden("configure_optimizers", module):
        _give_optimizer(module, config)
    if not is_own:
        # The optimizer and the scheduler check their arguments when they are made.
        module.configure_optimizers()
        module.findings = functools.partial(findings_of, config, module)
    form_batches(data, module)
    if data is not None:
        for hook in ("setup", "configure_model"):  # they may make layers
            stream = global_stream(config["seed"], hook)
            setattr(module, hook, stream(getattr(module, hook)))
    rows, loggers = _build_loggers(config, folder)
    log = MemberLog(folder, rows)
    logged = LoggedMetrics(config, description(config, splits), log)
    # What other callbacks log at the start of an epoch belongs to this epoch.
    first = LambdaCallback(on_train_epoch_start=logged.begin_epoch)
    further = [first, *further, logged]
    trainer = _build_trainer(config, splits, folder, further, loggers, optimizes=is_own)
    # A process without sequences would block the other processes.
    parts = splits.parts.values() if isinstance(splits, Splits) and not is_own else ()
    most = min(map(len, parts), default=1)
    if trainer.world_size > most:
        raise ValueError(
            f"trainer.devices={trainer.world_size}: must be at most {most}, the number of "
            "sequences in the smallest split (1 for a data module without Splits, or a "
            "LightningModule of your own; see hydra.launcher.processes=auto)"
        )
    return Parts(log, trainer, module, data, splits)


def _built(config: Config, splits: Splits | OwnData) -> Any:
    """Returns what the section `model` makes; its weights come from the random stream `init`."""
    model = config["model"]
    sizes = sizes_from_data(model, splits.input_size, splits.num_classes or None, splits.vocabulary)
    with global_stream(config["seed"], "init"):
        return build(model, "model", **sizes)


def _give_optimizer(module: Any, config: Config) -> None:
    """Gives a module without `configure_optimizers` the optimizer and scheduler of the config."""
    monitor = monitor_of_config(config)
    # Our plateau scheduler follows the direction of the run's monitor.
    given = {"monitor": monitor} if "monitor" in (config["scheduler"] or {}) else {}
    make_optimizer = build(config["optimizer"], "optimizer")
    make_scheduler = build(config["scheduler"], "scheduler", **given)

    def configure_optimizers() -> Any:
        optimizer = make_optimizer(module.parameters())
        plan = make_scheduler and {"scheduler": make_scheduler(optimizer), "monitor": monitor}
        return {"optimizer": optimizer, "lr_scheduler": plan} if plan else optimizer

    module.configure_optimizers = configure_optimizers


def build_module(config: Config, splits: Splits | OwnData) -> SequenceClassifier:
    """Builds a network, and the LightningModule that trains it."""
    check_symbols(config, splits)
    model = config["model"]
    network = _built(config, splits)
    # A `_target_` may be any function, so what it returned is checked.
    _check_is_network(network, model["_target_"], splits)
    if isinstance(splits, Splits):
        _check_independence(network, model, splits.train)
    num_classes = splits.num_classes
    if num_classes is None:  # the constructor may have a default
        known = signature_of(model["_target_"]).parameters.get("num_classes")
        num_classes = known and known.default
    if not isinstance(num_classes, int):
        raise ValueError(
            f"model.num_classes is missing: data._target_={config['data']['_target_']} has no "
            "attribute num_classes, and a network needs one of them"
        )
    labels = splits.train.labels if isinstance(splits, Splits) else None
    weights = class_weights(config["loss"]["class_weights"], labels, num_classes)
    return SequenceClassifier(
        network,
        num_classes,
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


def _check_is_network(network: Any, target: str, splits: Splits | OwnData) -> None:
    """Refuses what is not a network, or cannot read sequences of several lengths."""
    where = f"model._target_={target}"
    if isinstance(network, L.LightningModule):
        raise TypeError(
            f"{where}: must be a network or the class of a LightningModule, not a function that "
            "makes a LightningModule; a config is checked before anything is built"
        )
    if not isinstance(network, nn.Module):
        raise TypeError(f"{where}: must make a torch.nn.Module, got {type(network).__name__}")
    if isinstance(splits, Splits) and not (has_one_length(splits) or takes_lengths(type(network))):
        raise TypeError(
            f"{where}: forward(x) would read the padding as data, because the sequences have "
            "several lengths; it must be forward(x, lengths)"
        )


def _check_independence(network: nn.Module, model: Config, train: Sequences) -> None:
    """Refuses a cell that mixes sequences, and warns of such a network.

    Random numbers show too. A traced program needs no such check.
    """
    ours = architecture_of(model)
    if ours and (ours.cell in our_cells() or not isinstance(program_of(model), str)):
        return
    pair = train.select(np.argsort(train.lengths, kind="stable")[[-1, 0]])
    x, ends, both = torch.from_numpy(pair.x), torch.from_numpy(pair.lengths), [0, 1]
    if ours:  # many steps take a cell long, many sequences do not
        ends, both = torch.minimum(ends, torch.tensor([16, 8])), both * 32
    try:
        with restored_generators(), torch.no_grad():
            still = copy.deepcopy(network).eval()
            # Each alone stands beside itself, because some layers refuse a single sequence.
            together, again, first, second = (
                logits_of(still, x[rows, : int(ends[rows].max())], ends[rows])[[0, -1]]
                for rows in (both, both, [0, 0, 0], [1, 1, 1])
            )
    except Exception:  # the training shows the error of the user's code
        return
    least, alone = 1e-4 * together.abs().max(), torch.stack((first[0], second[1]))
    for other, cause in ((again, "each call"), (alone, "the other sequences of a batch")):
        if not (other - together).abs().max() > least:
            continue
        if ours:
            raise ValueError(
                f"model.cell={ours.cell}: the logits of a sequence change with {cause}; project, "
                "step and output must compute each row by itself, and draw no numbers"
            )
        say_once(f"model._target_={model['_target_']}: predictions change with {cause}")
        return


def form_batches(data: Any, module: nn.Module) -> None:
    """Lets data of ours give `(x, y)` to a LightningModule that reads no lengths."""
    if isinstance(data, SequenceDataModule):
        is_plain = data.splits.train.targets is None and has_one_length(data.splits)
        data.yields_pairs = is_plain and not takes_lengths(type(module))


def has_one_length(splits: Splits) -> bool:
    """Returns whether all sequences have the same length."""
    lengths = {int(n) for part in splits.parts.values() for n in set(part.lengths.tolist())}
    return len(lengths) == 1


def _build_loggers(config: Config, folder: Path) -> tuple[list[RowLogger], list[Any]]:
    """Returns the loggers that get rows, and those of the Trainer."""
    loggers = build_loggers(config, folder)
    TensorBoardLogger.register(RunTensorBoardLogger)  # modules look for the logger of pictures
    # `trainer.logger` is the first logger: the user's own, else that of TensorBoard.
    kept = [each for each in loggers if not isinstance(each, RowLogger)]
    kept += [each for each in loggers if isinstance(each, TrainerLogger)]
    rows = [x for x in loggers if isinstance(x, RowLogger) and not isinstance(x, TrainerLogger)]
    return rows, kept or [TrainerLogger(str(folder))]


def _build_trainer(
    config: Config,
    splits: Splits | OwnData,
    folder: Path,
    callbacks: list[Callback],
    loggers: list[Any],
    optimizes: bool,
) -> L.Trainer:
    chosen = {name: each for name, each in (config["callbacks"] or {}).items() if each is not None}
    configured = [
        build(section, f"callbacks.{name}", **_arguments(config, section, folder, name))
        for name, section in chosen.items()
    ]
    for name, callback in zip(chosen, configured, strict=True):
        if not isinstance(callback, Callback):
            must = f"must make a Callback of Lightning, got {type(callback).__name__}"
            raise TypeError(f"callbacks.{name}._target_={chosen[name]['_target_']}: {must}")
    # The user's own progress bar replaces ours, because Lightning allows only one bar.
    if any(isinstance(callback, ProgressBar) for callback in configured):
        callbacks = [callback for callback in callbacks if not isinstance(callback, ProgressBar)]
    is_own = config["data"]["_target_"] != DATA_MODULE
    # Our own data draw nothing from the global generators, so nothing is to be said of them.
    resume = ExactResume(config["seed"], say_once if is_own else bool)
    resume.seeds_loaders = False  # the stream of `setup` goes on
    callbacks = [resume, *callbacks]
    section = dict(config["trainer"])
    every = section.get("reload_dataloaders_every_n_epochs", 0)
    if is_own and every > 1:
        raise ValueError(
            f"trainer.reload_dataloaders_every_n_epochs={every}: must be 0 or 1 for a data module "
            "of your own, because a resumed run would load at other epochs"
        )
    # Without a validation split, Lightning must not request validation batches.
    if "val" not in splits.names:
        section["limit_val_batches"] = 0
    return build(
        section,
        "trainer",
        folder=folder,
        optimizes=optimizes,
        logger=loggers,
        callbacks=[*callbacks, *configured, *(x for x in loggers if isinstance(x, Callback))],
    )


def _arguments(config: Config, section: Config, folder: Path, name: str) -> dict[str, Any]:
    """Returns the arguments that a run gives a callback."""
    # The user's own checkpoint callbacks get subfolders, apart from the project's checkpoints.
    given = open_arguments(section, dirpath=str(folder / "checkpoints" / name))
    monitor, target = section.get("monitor"), section["_target_"]
    if monitor is not None and target.startswith("seqsweep."):
        if monitor == (chosen := monitor_of_config(config)):
            given["monitor"] = chosen  # with its direction
        elif proposed_direction(monitor) is None:
            why = "the name does not tell what is better; give the monitor of the run"
            raise ValueError(f"callbacks.{name}.monitor={monitor}: {why}")
    return given
