"""The engine `native`: runs that train as one pool."""

import contextlib
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import torch

from seqsweep.errors import Interrupted
from seqsweep.training.checkpoint_files import load_sealed
from seqsweep.training.devices import numerics
from seqsweep.training.engines.native.member import PoolMember
from seqsweep.training.engines.native.pool import POLL_SECONDS, Pool
from seqsweep.training.engines.native.pool_data import PoolData
from seqsweep.training.engines.protocol import Engine, Progress
from seqsweep.training.fed_loggers import fed_loggers
from seqsweep.training.limits import Judge
from seqsweep.training.loggers import PrintLoss
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.run_data import data_of


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
        progress: Progress | None,
        judge: Judge | None = None,
    ) -> None:
        super().__init__(runs, root, progress)
        self.threads = threads
        self.judge = judge
        self.draws = any(fed_loggers(run.config) for run in runs)

    def build(self) -> list[PoolMember]:
        self.splits = data_of(self.runs[0].config["data"]).prepared
        self.origin = numerics("native", torch.device("cpu"))
        self.members: list[PoolMember] = []
        for run in self.runs:
            try:
                member = PoolMember(run, self.root / run.run_id, self.splits)
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
        data = PoolData(self.splits)
        self.pool = Pool(self.members, begin, data, self.threads, self, self.judge)
        # The threads use the members' memory, so they must end before anything is released.
        with contextlib.closing(self.pool.workers):
            try:
                yield
            except Interrupted:
                # After a signal the finished epochs are saved, so that nothing is trained twice.
                self.pool.settle()
                raise

    def fit(self) -> None:
        self.pool.fill()
        if self.pool.training or self.pool.is_judging:
            if self.progress is not None:
                self.progress.start(self.runs[0].config["trainer"]["max_epochs"])
            try:
                self._train(self.pool)
            finally:
                if self.progress is not None:
                    self.progress.stop()
        self.pool.finish(self.stop)

    def _train(self, pool: Pool) -> None:
        """Trains until every member has ended or paused."""
        while pool.training or pool.is_judging:
            pool.advance(POLL_SECONDS)
            self.stop.check()
            if self.progress is not None and pool.training:
                epochs = max(member.epochs + member.part for member in pool.training)
                self.progress.draw(epochs, pool.row)
