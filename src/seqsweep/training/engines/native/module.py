"""The LightningModule that trains a pool, a round in each epoch."""

from collections.abc import Iterator
from typing import Any

import lightning as L
import torch

from seqsweep.training.callbacks import StopOnSignal
from seqsweep.training.engines.native.pool import POLL_SECONDS, Pool
from seqsweep.training.engines.native.pool_data import metrics_of
from seqsweep.training.progress_bar import RunProgressBar
from seqsweep.training.trainer import count_steps


class PoolModule(L.LightningModule):
    """Trains a pool by manual optimisation.

    In a round every member that still trains finishes at least one epoch; fast members finish
    several meanwhile. A round is one batch for Lightning. The members have optimizers of their own,
    so Lightning gets none, but it still counts their steps.

    Args:
        pool: its members have epochs left.
        stop: takes the signals.
        bar: a progress bar, drawn while a round goes on.
    """

    def __init__(self, pool: Pool, stop: StopOnSignal, bar: RunProgressBar | None) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.pool = pool
        self.stop = stop
        self.bar = bar

    def configure_optimizers(self) -> list[Any]:
        return []

    def train_dataloader(self) -> "OneRound":
        return OneRound()

    def training_step(self, batch: int, batch_idx: int) -> None:
        pool, steps = self.pool, self.pool.steps
        # Results come in any order, so a round ends when no member is behind. If all others wait
        # for the judge, it ends when the judge has resumed some of them.
        behind = set(pool.training)
        while behind or pool.is_judging:
            behind.difference_update(pool.advance(POLL_SECONDS))
            # Members that ended or failed in this round have no further epoch to wait for.
            behind.intersection_update(pool.training)
            self.stop.check()
            if self.bar is not None:
                part = max((member.part for member in pool.training), default=1.0)
                self.bar.draw(self.trainer, part)
        count_steps(self.trainer, pool.steps - steps)
        self.trainer.callback_metrics.update(
            {name: torch.tensor(value) for name, value in metrics_of(pool.row).items()}
        )

    def on_train_epoch_end(self) -> None:
        if not self.pool.training:
            self.trainer.should_stop = True


class OneRound:
    """The batches of an epoch for Lightning: a single one, without content."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[int]:
        yield 0
