"""The Lightning Trainer of a run, with settings for small networks."""

import logging
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import lightning as L
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, Checkpoint, ProgressBar
from lightning.pytorch.profilers import SimpleProfiler
from lightning.pytorch.utilities import disable_possible_user_warnings, rank_zero_only

from seqsweep.runs.run_folder import OWN
from seqsweep.training.checkpoints import SealedCheckpointIO
from seqsweep.training.devices import check_trainer, takes_gpu
from seqsweep.training.logged import LoggedMetrics

_LEAST = {
    "max_steps": 1, "min_steps": 0, "min_epochs": 0, "log_every_n_steps": 0,
    "num_sanity_val_steps": -1,
}  # fmt: skip
"""The least values of arguments that Lightning does not check itself; -1 means all."""


def build_trainer(
    max_epochs: int,
    accelerator: Literal["auto", "cpu", "gpu"] = "auto",
    devices: int | Literal["auto"] = 1,
    strategy: Literal["auto", "ddp"] = "auto",
    precision: Literal["32", "bf16-mixed", "16-mixed"] = "32",
    accumulate_grad_batches: int = 1,
    gradient_clip_val: float | None = None,
    gradient_clip_algorithm: Literal["norm", "value"] = "norm",
    check_val_every_n_epoch: int = 1,
    limit_train_batches: int | float | None = None,
    limit_val_batches: int | float | None = None,
    limit_test_batches: int | float | None = None,
    overfit_batches: int | float = 0,
    fast_dev_run: bool = False,
    deterministic: bool = True,
    detect_anomaly: bool = False,
    profiler: Literal["simple"] | None = None,
    progress_bar: bool = True,
    *,
    folder: Path,
    optimizes: bool = False,
    logger: Iterable[Any],
    callbacks: list[Callback],
    **others: Any,
) -> L.Trainer:
    """Builds a `lightning.Trainer`; most arguments are arguments of Lightning.

    `accumulate_grad_batches`, `gradient_clip_val` and `gradient_clip_algorithm` are read by our
    module, which optimises manually; Lightning gets them if it `optimizes` a module of the user.
    `deterministic` requests deterministic kernels on a GPU; CPU kernels are always deterministic.
    `folder` is the run's folder. `others` go to Lightning unchanged; `config.convert` has checked
    them.

    Raises:
        ValueError: a GPU is needed but missing, a number is out of range, or Lightning refuses an
            argument.
    """
    check_trainer(max_epochs, accelerator, devices, check_val_every_n_epoch)
    # Lightning accepts 0 and then trains nothing, which would leave a run without an epoch.
    if not limit_train_batches and limit_train_batches is not None:
        raise ValueError(f"trainer.limit_train_batches={limit_train_batches}: must be above 0")
    for name, least in _LEAST.items():
        if others.get(name, least) < least:
            raise ValueError(f"trainer.{name}={others[name]}: must be at least {least}")
    quiet()
    kept = [c for c in callbacks if progress_bar or not isinstance(c, ProgressBar)]
    # A fast_dev_run leaves no checkpoints, and Lightning refuses callbacks that would write one.
    if fast_dev_run:
        kept = [c for c in kept if isinstance(c, LoggedMetrics) or not isinstance(c, Checkpoint)]
    on_gpu = takes_gpu(accelerator)
    if precision == "16-mixed" and not on_gpu:
        raise ValueError("trainer.precision=16-mixed: needs a GPU; use bf16-mixed or 32")
    plugins: list[Any] = [SealedCheckpointIO()]
    several = strategy != "auto" or (on_gpu and torch.cuda.device_count() > 1)
    if devices == 1 or (devices == "auto" and not several):
        # Lightning would take the variables of Slurm, torchrun or LSF for settings of this run. If
        # their rank is not 0, it would conclude that another process writes the logs.
        plugins.append(LightningEnvironment())
        rank_zero_only.rank = 0  # pyright: ignore[reportFunctionMemberAccess]
    # The sanity check is off, because its validation would belong to no epoch.
    options: dict[str, Any] = {"num_sanity_val_steps": 0, "enable_model_summary": False} | others
    if optimizes:
        options |= {
            "accumulate_grad_batches": accumulate_grad_batches,
            "gradient_clip_val": gradient_clip_val,
            "gradient_clip_algorithm": gradient_clip_algorithm,
        }
    try:
        return L.Trainer(
            accelerator=accelerator,
            devices=devices,
            strategy=strategy,
            precision=precision if precision != "32" else "32-true",
            logger=logger,
            callbacks=kept,
            fast_dev_run=fast_dev_run,
            max_epochs=max_epochs,
            limit_train_batches=limit_train_batches,
            limit_val_batches=limit_val_batches,
            limit_test_batches=limit_test_batches,
            overfit_batches=overfit_batches,
            check_val_every_n_epoch=check_val_every_n_epoch,
            enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in kept),
            enable_progress_bar=any(isinstance(callback, ProgressBar) for callback in kept),
            deterministic=deterministic and on_gpu,
            use_distributed_sampler=False,  # EpochBatches shares the order among the processes
            profiler=None if profiler is None else SimpleProfiler(folder, "profile"),
            detect_anomaly=detect_anomaly,
            default_root_dir=folder / OWN,
            plugins=plugins,
            **options,
        )
    except (MisconfigurationException, RuntimeError) as error:  # an argument is refused
        raise ValueError(" ".join(str(error).split())) from error


def quiet() -> None:
    """Silences Lightning's notices, but not its warnings."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # The disabled warnings advise more workers, which data in memory do not need.
    disable_possible_user_warnings()
    warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated.*")
