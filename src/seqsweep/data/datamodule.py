"""The LightningDataModule: prepared splits on ordinary DataLoaders."""

import os
import signal
from typing import Any, Literal

import lightning as L
import torch
from torch.utils.data import DataLoader

from seqsweep.data.batch import Batch, EpochBatches, SequenceDataset, as_is
from seqsweep.data.prepare import check_batch_size, prepare
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.signals import ENDING

_WORKERS = 64
"""The number of workers that any machine may use, so that a small one can reproduce a run."""


class SequenceDataModule(L.LightningDataModule):
    """Sequences from any source, split, filled, standardised and batched.

    Args:
        source: the data, with given splits or as one set (everything in `train`).
        batch_size: sequences of a training step, 1 <= B <= number of training sequences.
        eval_batch_size: sequences of a validation or test batch; changes no result.
        num_workers: processes that fetch batches; changes no result. 0 is right for data in memory;
            the stacked engine takes its batches from there by itself.
        val_fraction: part of train, in [0, 1), that becomes the validation split where the source
            gives none; never taken from test.
        test_fraction: likewise for the test split.
        split_seed: of these two splits; the data's own, so that runs of other seeds share them.
        standardize: each channel to mean 0 and standard deviation 1, fitted on train.
        missing: what to do about NaN: refuse it, or fill in zero, the channel's mean of train, or
            the last value seen.
        shuffle: a new order each epoch, a function of (seed, epoch).
        seed: the run's.

    Raises:
        ValueError: what `prepare` and `check_batch_size` refuse.
    """

    def __init__(
        self,
        source: Splits,
        batch_size: int,
        eval_batch_size: int = 512,
        num_workers: int = 0,
        val_fraction: float = 0.2,
        test_fraction: float = 0.2,
        split_seed: int = 0,
        standardize: bool = True,
        missing: Literal["error", "zero", "mean", "forward"] = "error",
        shuffle: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.splits = prepare(
            source,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            split_seed=split_seed,
            standardize=standardize,
            missing=missing,
        )
        check_batch_size(batch_size, self.splits)
        if eval_batch_size < 1:
            raise ValueError(f"data.eval_batch_size={eval_batch_size}: must be at least 1")
        cores = os.cpu_count() or 1
        most = max(_WORKERS, 4 * cores)
        if not 0 <= num_workers <= most:
            raise ValueError(
                f"data.num_workers={num_workers}: must be 0 to {most} on a machine of {cores} cores"
            )
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.num_workers = num_workers
        self.shuffle_seed = seed if shuffle else None

    def train_dataloader(self) -> DataLoader[Batch]:
        return self._loader(self.splits.train, self.batch_size, self.shuffle_seed)

    def val_dataloader(self) -> DataLoader[Batch] | list[Any]:
        return self._evaluation_loader(self.splits.val)

    def test_dataloader(self) -> DataLoader[Batch] | list[Any]:
        return self._evaluation_loader(self.splits.test)

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Lengths stay on the CPU, where `pack_padded_sequence` wants them."""
        if device.type == "cpu":
            return batch
        return Batch(
            batch.x.to(device, non_blocking=True),
            batch.lengths,
            batch.labels.to(device, non_blocking=True),
        )

    def _evaluation_loader(self, split: Sequences | None) -> DataLoader[Batch] | list[Any]:
        if split is None:
            return []
        return self._loader(split, self.eval_batch_size, None, fills_up=False)

    def _loader(
        self, split: Sequences, batch_size: int, seed: int | None, fills_up: bool = True
    ) -> DataLoader[Batch]:
        trainer = self.trainer
        rank, world_size = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        batches = EpochBatches(len(split), batch_size, seed, rank, world_size, fills_up)
        # On a resume Lightning asks loaders with workers for batches before it sets the epoch.
        if trainer:
            current: Any = trainer.fit_loop.epoch_progress.current
            batches.set_epoch(current.processed)
        return DataLoader(
            SequenceDataset(split),
            batch_sampler=batches,
            num_workers=self.num_workers,
            worker_init_fn=_leave_signals_to_the_trainer,
            collate_fn=as_is,  # pyright: ignore[reportArgumentType]
            persistent_workers=self.num_workers > 0,
            # Its own generator: a loader draws a base seed, which must not come from global state.
            generator=torch.Generator().manual_seed(0),
        )


def _leave_signals_to_the_trainer(worker: int) -> None:
    """A signal to the whole process group must not end the workers before their trainer stops."""
    for signum in ENDING:
        signal.signal(signum, signal.SIG_IGN)
