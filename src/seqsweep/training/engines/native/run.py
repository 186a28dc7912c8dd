"""The engine `native`: runs that train as one pool."""

import contextlib
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import lightning as L
from lightning.pytorch.callbacks import Callback

from seqsweep.training.build_run import numerics
from seqsweep.training.checkpoints import load_sealed
from seqsweep.training.engines.native.member import PoolMember
from seqsweep.training.engines.native.member_files import Budget
from seqsweep.training.engines.native.module import PoolModule
from seqsweep.training.engines.native.pool import Pool
from seqsweep.training.engines.native.pool_data import PoolData
from seqsweep.training.engines.native.schedule import Schedule
from seqsweep.training.engines.protocol import Ended, Engine
from seqsweep.training.limits import Judge
from seqsweep.training.loggers import PrintLoss
from seqsweep.training.outcome import Interrupted
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.progress_bar import RunProgressBar
from seqsweep.training.run_data import build_data
from seqsweep.training.trainer import build_trainer


class PoolEngine(Engine[PoolMember]):
    """Trains members of one data set side by side, each at its own pace.

    Args:
        runs, root, progress: see `Engine`.
        threads: the number of threads that train members, at least 1. torch itself uses one.
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

    def build(self) -> list[PoolMember]:
        self.data = build_data(self.runs[0].config)
        self.trainer = self._trainer()
        self.origin = numerics(self.trainer, "native")
        schedules: dict[str, Schedule] = {}
        self.members: list[PoolMember] = []
        for run in self.runs:
            folder = self.root / run.run_id
            try:
                member = PoolMember(run, folder, self.data.splits, schedules)
            except (ValueError, TypeError, OSError) as error:
                self.outcomes[run.run_id] = error
                continue
            if not self.is_single:  # many at once would print into each other
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
        self.pool = Pool(
            self.members, begin, data, self.threads, self.is_single, Budget(), self.outcomes,
            self.judge,
        )  # fmt: skip
        # The threads use the members' memory, so they must end before anything is released.
        with contextlib.closing(self.pool):
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
            if self.is_single:
                _start_at_epoch(self.trainer, self.members[0].epochs)
            bar = self.progress if isinstance(self.progress, RunProgressBar) else None
            self.trainer.fit(PoolModule(self.pool, self.stop, bar))

    def test(self) -> list[Ended[PoolMember]]:
        return self.pool.test(self.stop)

    def record(self, ended: Sequence[Ended[PoolMember]]) -> None:
        self.pool.record(ended)

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
        callbacks: list[Callback] = [self.stop]
        if self.progress is not None:
            callbacks.append(self.progress)
        return build_trainer(
            **section,
            folder=self.root / self.runs[0].run_id if self.is_single else self.root,
            logger=[],
            callbacks=callbacks,
        )


def _start_at_epoch(trainer: L.Trainer, epoch: int) -> None:
    """Makes a Trainer count its epochs from this one."""
    progress = trainer.fit_loop.epoch_progress.current
    # Lightning derives `current_epoch` from `processed`, and the others must agree with it.
    for stage in ("ready", "started", "processed", "completed"):
        setattr(progress, stage, epoch)
