"""Predicts and tests with a LightningModule of the user, by Lightning's own Trainer.

N sequences, B of them in a batch, K numbers of each.
"""

import argparse
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MethodType
from typing import Any

import lightning as L
import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.utilities.model_helpers import is_overridden
from torch.utils.data import DataLoader, TensorDataset

from seqsweep.config.messages import named
from seqsweep.models.layers import takes_lengths
from seqsweep.runs.identity import MODULE_DATA
from seqsweep.runs.run_folder import RunFolder
from seqsweep.seeding import restored_generators, seed_globals
from seqsweep.text import did_you_mean, listed
from seqsweep.training.build_run import form_batches
from seqsweep.training.run_data import DATA_STREAM, build_data, outline
from seqsweep.training.saved_config import saved_data
from seqsweep.training.trainer import quiet
from seqsweep.using.load import Inputs, LoadedRun, read_content
from seqsweep.using.prediction_files import Table


def own_data(run: LoadedRun, options: argparse.Namespace) -> tuple[Any, str]:
    """Returns the owner of a run's dataloaders, and the name of a split.

    Raises:
        ValueError, TypeError, OSError: the run has no folder or no such split, or its data cannot
            be read or have changed since training.
    """
    if run.folder is None:
        raise ValueError(
            f"{run.checkpoint}: DATA is missing; only the folder of a run knows its own data"
        )
    config = run.config | saved_data(RunFolder(run.folder), options.allow).config
    data, target = build_data(config), config["data"]["_target_"]
    form_batches(data, run.module)
    splits = outline(data, target, config["model"])
    name = options.split or "test"
    if name not in splits.names:
        hint = did_you_mean(name, splits.names)
        raise ValueError(f"--split={name}: the run's data have only {listed(splits.names)}{hint}")
    return run.module if target == MODULE_DATA else data, name


def batches_of(run: LoadedRun, inputs: Inputs, batch_size: int) -> DataLoader[Any]:
    """Returns sequences in batches as in training, with -1 for each label or target."""
    x, lengths = inputs
    has_targets = not run.class_names or run.config["data"].get("per_step", False)
    takes = has_targets or takes_lengths(type(run.module))
    if not takes and len(lengths.unique()) > 1:
        raise ValueError("sequences of different lengths: forward takes x alone")
    parts = [x, *([lengths] if takes else []), torch.full((len(x),), -1)]
    return DataLoader(TensorDataset(*parts), batch_size)


def outputs_of(run: LoadedRun, batches: Iterable[Any]) -> Table:
    """Returns what `predict_step`, or else `forward`, returns for all batches, as columns (N,)."""
    module: Any = run.module
    name = "predict_step" if is_overridden("predict_step", module) else "forward"
    if name == "forward":
        module.predict_step = MethodType(_forward, module)
    with _trainer(run) as trainer:
        outputs: Any = trainer.predict(module, batches, ckpt_path=str(run.checkpoint))
        parts = [each if isinstance(each, dict) else {"output": each} for each in outputs]
        columns: Table = {}
        for key, first in parts[0].items():
            if not isinstance(first, torch.Tensor) or first.ndim not in (1, 2):
                kind, shape = type(first).__name__, tuple(getattr(first, "shape", ()))
                must = "must return a tensor (N, K) or (N,), or a dict of such tensors"
                raise TypeError(f"{name} {must}; got {kind} {shape or ''} as {key}")
            values = torch.cat([part[key] for part in parts]).cpu()
            # NumPy has no bfloat16; and a truth value is 0 or 1.
            values = values.float() if values.is_floating_point() else values.long()
            rows = values.reshape(len(values), -1).numpy().T
            names = [key] if values.ndim == 1 else [f"{key}_{k}" for k in range(len(rows))]
            columns = {**columns, **dict(zip(names, rows, strict=True))}
    return columns


def _forward(module: Any, batch: Any, batch_idx: int) -> Any:
    """Calls `forward` with a training batch without its last part, the target."""
    has_target = isinstance(batch, (list, tuple)) and len(batch) > 1
    return module(*batch[:-1]) if has_target else module(batch)


def tested(run: LoadedRun, options: argparse.Namespace) -> dict[str, float]:
    """Returns what `test_step` logs on the test split, or `validation_step` with `--split val`."""
    data, split = own_data(run, options)
    with _trainer(run) as trainer:
        seed_globals(*DATA_STREAM)  # `setup` must split as it did before the training
        given = {} if data is run.module else {"datamodule": data}
        loop: Any = {"test": trainer.test, "val": trainer.validate}.get(split)
        if loop is None:
            raise ValueError(f"--split={split}: must be test or val")
        results = loop(run.module, ckpt_path=str(run.checkpoint), verbose=False, **given)
        if not any(results):
            raise ValueError(f"logs nothing in the {split} step")
    return {name: float(value) for result in results for name, value in result.items()}


class _Content(TorchCheckpointIO):
    """Reads checkpoints and bundles, without the states of callbacks of the training."""

    def load_checkpoint(self, path: Any, *args: Any, **options: Any) -> dict[str, Any]:
        content = read_content(Path(path), "best")[1]
        return {"pytorch-lightning_version": L.__version__, **content, "callbacks": {}}


@contextmanager
def _trainer(run: LoadedRun) -> Generator[L.Trainer]:
    """Yields a Trainer that keeps no file; an error of the block names the module."""
    quiet()
    off = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    options: dict[str, Any] = dict.fromkeys(off, False) | {"accelerator": "cpu"}
    try:
        with TemporaryDirectory() as folder, restored_generators():
            yield L.Trainer(default_root_dir=folder, plugins=[_Content()], **options)
    except Exception as error:
        where = f"{run.checkpoint}: {type(run.module).__name__}"
        raise ValueError(f"{where}: {named(error)}") from error
