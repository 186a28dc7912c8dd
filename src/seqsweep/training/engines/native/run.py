"""The engine `native`: runs that train as one pool."""

import contextlib
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from seqsweep.training.build_run import numerics
from seqsweep.training.callbacks import StopOnSignal
from seqsweep.training.checkpoints import load_sealed
from seqsweep.training.engines.native.member import PoolMember
from seqsweep.training.engines.native.pool import POLL_SECONDS, Pool
from seqsweep.training.engines.native.pool_data import PoolData
from seqsweep.training.engines.protocol import Engine
from seqsweep.training.fed_loggers import fed_loggers
from seqsweep.training.limits import Judge
from seqsweep.training.loggers import PrintLoss
from seqsweep.training.planned_run import Interrupted, PlannedRun
from seqsweep.training.progress_bar import RunProgressBar
from seqsweep.training.run_data import build_data
from seqsweep.training.trainer import build_trainer


class PoolEngine(Engine[PoolMember]):
    """Trains members of one data set side by side.

    Args:
        threads: the number of threads that train members, at least 1. torch itself uses one thread.
        judge: see `Pool`.
    """

    def __init__(
        self,
        runs: Sequence[PlannedRun],
        root: Path,
        threads: int,
        progress: Callback | None,
        judge: Judge | None = None,
    ) -> None:
        super().__init__(runs, root, progress)
        self.threads = threads
        self.judge = judge
        self.draws = any(fed_loggers(run.config) for run in runs)

    def build(self) -> list[PoolMember]:
        self.data = build_data(self.runs[0].config)
        self.trainer = self._trainer()
        self.origin = numerics(self.trainer, "native")
        self.members: list[PoolMember] = []
        for run in self.runs:
            try:
                member = PoolMember(run, self.root / run.run_id, self.data.splits)
            except (ValueError, TypeError, OSError) as error:
                self.outcomes[run.run_id] = error
                continue
            if not self.is_single:  # many members would mix their lines
                loggers = member.log.loggers
                loggers[:] = [logger for logger in loggers if not isinstance(logger, PrintLoss)]
            self.members.append(member)
        return self.members

    def start(self, member: PoolMember, checkpoint: Path | None) -> None:
        member.start()
        if checkpoint is not None:
            best = load_sealed(checkpoint.with_name("best.ckpt"))
            member.restore(load_sealed(checkpoint), best)

    @contextlib.contextmanager
    def running(self, begin: Callable[[PoolMember], bool]) -> Generator[None]:
        data = PoolData(self.data.splits)
        self.pool = Pool(self.members, begin, data, self.threads, self, self.judge)
        # The threads use the members' memory, so they must end before anything is released.
        with contextlib.closing(self.pool.workers):
            try:
                yield
            except (Interrupted, SystemExit):
                # After a signal the finished epochs are saved, so that nothing is trained twice.
                if self.stop.received is not None:
                    self.pool.settle()
                raise

    def fit(self) -> None:
        self.pool.fill()
        if self.pool.training or self.pool.is_judging:
            bar = self.progress if isinstance(self.progress, RunProgressBar) else None
            self.trainer.fit(PoolModule(self.pool, self.stop, bar))
        self.pool.finish(self.stop)

    def _trainer(self) -> L.Trainer:
        """Builds the Trainer that counts the rounds of the pool."""
        config = self.runs[0].config["trainer"]
        section = {name: value for name, value in config.items() if name != "_target_"}
        # The pool validates and computes by itself, not through the Trainer.
        section |= {
            "limit_val_batches": 0,
            "accelerator": "cpu",
            "max_epochs": max(run.config["trainer"]["max_epochs"] for run in self.runs),
        }
        callbacks = [self.stop, *([] if self.progress is None else [self.progress])]
        return build_trainer(**section, folder=self.root, logger=[], callbacks=callbacks)


class PoolModule(L.LightningModule):
    """Lets a Lightning Trainer train a pool, round by round.

    In a round every member that still trains finishes at least one epoch; fast members finish
    several epochs. For Lightning, a round is an epoch of one batch. The members have their own
    optimizers, so Lightning gets no optimizer.
    """

    draws_bar = True  # this module draws the bar itself, because a round is not an epoch

    def __init__(self, pool: Pool, stop: StopOnSignal, bar: RunProgressBar | None) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.pool = pool
        self.stop = stop
        self.bar = bar

    def configure_optimizers(self) -> list[Any]:
        return []

    def train_dataloader(self) -> range:
        return range(1)  # the batches of an epoch: a single one, without content

    def training_step(self, batch: int, batch_idx: int) -> None:
        pool = self.pool
        # Results come in any order, so a round ends when every member has finished an epoch. If all
        # members wait for the judge, the round ends when the judge has resumed or ended them.
        behind = set(pool.training)
        while behind or pool.is_judging:
            behind.difference_update(pool.advance(POLL_SECONDS))
            # Members that ended or failed in this round have no further epoch to wait for.
            behind.intersection_update(pool.training)
            self.stop.check()
            if self.bar is not None and pool.training:
                epochs = max(member.epochs + member.part for member in pool.training)
                self.bar.draw(epochs, pool.row)

    def on_train_epoch_end(self) -> None:
        if not self.pool.training:
            self.trainer.should_stop = True
