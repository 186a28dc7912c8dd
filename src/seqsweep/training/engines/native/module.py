"""The LightningModule that trains a pool: an epoch of the Trainer is a round of its members."""

from collections.abc import Callable, Iterator
from typing import Any

import lightning as L
import torch

from seqsweep.training.engines.joint.scores import metrics_of
from seqsweep.training.engines.native.pool import Pool
from seqsweep.training.trainer import count_steps

_POLL_SECONDS = 0.1
"""How long a signal may go unnoticed, and how often a progress bar is drawn."""


class PoolModule(L.LightningModule):
    """Trains a pool by manual optimisation.

    In a round every member that still trains finishes at least one epoch: quick members finish
    several while a slow one trains its own. A round is one batch for Lightning. The members have
    optimizers of their own, so Lightning is given none; it counts their steps all the same.

    Args:
        pool: of members that have not ended.
        check: called again and again; raises what ends the training.
        wait: called where a result is waited for.
    """

    def __init__(self, pool: Pool, check: Callable[[], None], wait: Callable[[], None]) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.pool = pool
        self.check = check
        self.wait = wait

    def configure_optimizers(self) -> list[Any]:
        return []

    def train_dataloader(self) -> "OneRound":
        return OneRound()

    def training_step(self, batch: int, batch_idx: int) -> None:
        pool, steps = self.pool, self.pool.steps
        behind = set(pool.training)
        while behind or (pool.left and not pool.training):
            behind.difference_update(pool.advance(_POLL_SECONDS))
            behind.intersection_update(pool.training)
            self.check()
            self.wait()
        count_steps(self.trainer, pool.steps - steps)
        self.trainer.callback_metrics.update(
            {name: torch.tensor(value) for name, value in metrics_of(pool.row).items()}
        )

    def on_train_epoch_end(self) -> None:
        if not self.pool.left:
            self.trainer.should_stop = True


class OneRound:
    """What Lightning iterates over: one batch an epoch, without content."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[int]:
        yield 0
