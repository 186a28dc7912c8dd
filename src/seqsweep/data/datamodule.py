"""The LightningDataModule, which serves prepared splits in ordinary DataLoaders."""

import signal
from typing import Any, Literal

import lightning as L
import torch
from torch.utils.data import DataLoader, default_convert

from seqsweep.data.batch import Batch, EpochBatches, SequenceDataset, as_pair, augmentation_of
from seqsweep.data.prepare import check_loading, checked_batch_size, prepare
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.data.transforms import TransformOptions
from seqsweep.signals import ENDING


class SequenceDataModule(L.LightningDataModule):
    """Splits, fills in, standardises and batches the sequences of any source.

    Args:
        source: data with splits (`Splits`), or without (`Sequences`, or `Splits` with only train).
        batch_size: sequences of a training step, 1 <= B <= number of training sequences; `auto` is
            32, or the number of training sequences if that is smaller.
        eval_batch_size: sequences of a validation or test batch; the number changes no result.
        num_workers: the number of processes that load batches; it changes no result. 0 is best for
            data in memory. Only engine=autograd uses these processes.
        shuffle: whether each epoch has a new order, a function of (seed, epoch); else the data's.
        seed: the seed of the run, for orders and augmentation; the splits do not depend on it.
        val_fraction, test_fraction, split_seed, standardize, missing, transform, folds, fold,
            split_by, per_step: see `prepare`.

    Attributes:
        yields_pairs: whether batches are (x, y), for a LightningModule of the user; else `Batch`.
    """

    def __init__(
        self,
        source: Splits | Sequences,
        batch_size: int | Literal["auto"] = "auto",
        eval_batch_size: int = 512,
        num_workers: int = 0,
        val_fraction: float = 0.2,
        test_fraction: float = 0.2,
        split_seed: int = 0,
        standardize: bool = True,
        missing: Literal["error", "zero", "mean", "forward"] = "error",
        shuffle: bool = True,
        seed: int = 0,
        transform: TransformOptions | None = None,
        folds: int | None = None,
        fold: int = 0,
        split_by: Literal["time"] | None = None,
        per_step: bool = False,
    ) -> None:
        super().__init__()
        if isinstance(source, Sequences):
            source = Splits(source)
        if not isinstance(source, Splits):  # pyright: ignore[reportUnnecessaryIsInstance]
            kind = type(source).__name__
            raise TypeError(f"source: must be Splits or Sequences (make_sequences), got {kind}")
        self.splits = prepare(
            source,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            split_seed=split_seed,
            standardize=standardize,
            missing=missing,
            transform=transform,
            folds=folds,
            fold=fold,
            split_by=split_by,
            per_step=per_step,
        )
        scaling = self.splits.scaling
        self.augmentation = augmentation_of(transform, scaling and scaling.shaping)
        check_loading(eval_batch_size, num_workers)
        self.batch_size = checked_batch_size(batch_size, self.splits)
        self.eval_batch_size = eval_batch_size
        self.num_workers = num_workers
        self.seed = seed
        self.shuffle_seed = seed if shuffle else None
        self.yields_pairs = False

    def train_dataloader(self) -> DataLoader[Batch]:
        return self._loader(self.splits.train, is_train=True)

    def val_dataloader(self) -> DataLoader[Batch] | list[Any]:
        return self._loader(self.splits.val)

    def test_dataloader(self) -> DataLoader[Batch] | list[Any]:
        return self._loader(self.splits.test)

    def predict_dataloader(self) -> DataLoader[Batch] | list[Any]:
        return self.test_dataloader()

    def transfer_batch_to_device(
        self, batch: Any, device: torch.device, dataloader_idx: int
    ) -> Any:
        """Moves a batch; lengths stay on the CPU, as `pack_padded_sequence` requires."""
        if device.type == "cpu":
            return batch
        x, y = (one.to(device, non_blocking=True) for one in (batch[0], batch[-1]))
        return batch._replace(x=x, labels=y) if isinstance(batch, Batch) else (x, y)

    def _loader(self, split: Sequences | None, is_train: bool = False) -> Any:
        if split is None:  # Lightning expects an empty list for a stage without data
            return []
        data = SequenceDataset(split, self.augmentation if is_train else None, self.seed)
        size, seed = self.eval_batch_size, None
        if is_train:
            size, seed = self.batch_size, self.shuffle_seed
        trainer = self.trainer
        rank, world_size = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        batches = EpochBatches(len(data), size, seed, rank, world_size, is_train, is_train)
        # The epoch is set here: if a run resumes, Lightning loads batches before it sets the epoch.
        if trainer:
            current: Any = trainer.fit_loop.epoch_progress.current
            batches.set_epoch(current.processed)
        return DataLoader(
            data,
            batch_sampler=batches,
            num_workers=self.num_workers,
            worker_init_fn=_ignore_signals,
            # The dataset returns a whole batch, so nothing is left to collate.
            collate_fn=as_pair if self.yields_pairs else default_convert,  # pyright: ignore[reportArgumentType]
            # Starting new workers for each epoch would take longer than an epoch of small data.
            persistent_workers=self.num_workers > 0,
            # A DataLoader draws a seed; without this generator it would use torch's global one.
            generator=torch.Generator().manual_seed(0),
        )


class ModuleData(L.LightningDataModule):
    """Stands for the dataloaders of a run's LightningModule, whose class is `module`."""

    def __init__(self, module: str) -> None:
        super().__init__()


def _ignore_signals(worker: int) -> None:
    """Makes a worker ignore the signals that end a run: its trainer must end first."""
    for signum in ENDING:
        signal.signal(signum, signal.SIG_IGN)
