"""The engine `native`: runs that train as one pool."""

import contextlib
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from seqsweep.training.build_run import numerics
from seqsweep.training.engines.joint.run import JointEngine, start_at_epoch
from seqsweep.training.engines.native.budget import Budget
from seqsweep.training.engines.native.member import PoolMember
from seqsweep.training.engines.native.module import PoolModule
from seqsweep.training.engines.native.pool import POLL_SECONDS, Pool
from seqsweep.training.engines.native.pool_data import PoolData
from seqsweep.training.engines.protocol import Begun, Ended
from seqsweep.training.limits import Judge
from seqsweep.training.outcome import Interrupted
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.progress_bar import RunProgressBar


class PoolEngine(JointEngine[PoolMember]):
    """Trains members side by side, each at its own pace.

    Args:
        runs, root, progress: see `Engine`.
        threads: the number of threads that train members, at least 1. torch itself uses one.
        judge: see `Pool`.
    """

    kind = PoolMember
    is_equal_alone = True

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

    def make_trainer(self, **options: Any) -> L.Trainer:
        epochs = max(run.config["trainer"]["max_epochs"] for run in self.runs)
        return super().make_trainer(max_epochs=epochs, accelerator="cpu", **options)

    def prepare(self, members: Sequence[PoolMember]) -> dict[str, Any]:
        return numerics(self.trainer, "native")

    def groups(self, begun: Sequence[Begun[PoolMember]]) -> list[Sequence[Begun[PoolMember]]]:
        """Gives each member its network; one whose checkpoint cannot be restored fails."""
        for member, saved in self.load(begun):
            try:
                member.start()
                if saved is not None:
                    member.restore(saved.last, saved.best)
            except (KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
                self.fail(member, error)
        started = [each for each in begun if each.member.run_id not in self.outcomes]
        return [started] if started else []

    @contextlib.contextmanager
    def running(self, group: Sequence[Begun[PoolMember]]) -> Generator[None]:
        members = [begun.member for begun in group]
        data = PoolData(self.data.splits)
        self.pool = Pool(
            members, data, self.threads, self.is_single, Budget(), self.outcomes, self.judge
        )
        # The threads use the members' memory, so they must end before anything is released.
        with contextlib.closing(self.pool):
            try:
                yield
            except (Interrupted, SystemExit):
                # After a signal the finished epochs are saved, so that nothing is trained twice.
                if self.stop.received is not None:
                    self.pool.settle()
                raise

    def fit(self, group: Sequence[Begun[PoolMember]]) -> None:
        # All members may have been killed while they waited for the judge.
        while self.pool.is_judging:
            self.pool.advance(POLL_SECONDS)
            self.stop.check()
        rounds = [member.max_epochs - member.epochs for member in self.pool.training]
        if rounds:
            # The Trainer's last epoch is the last round of the member with most epochs left.
            start_at_epoch(self.trainer, (self.trainer.max_epochs or 0) - max(rounds))
            bar = self.progress if isinstance(self.progress, RunProgressBar) else None
            self.trainer.fit(PoolModule(self.pool, self.stop, bar))

    def test(self) -> list[Ended[PoolMember]]:
        return self.pool.test(self.stop)

    def record(self, ended: Sequence[Ended[PoolMember]]) -> None:
        self.pool.record(ended)

    def alone(self, run: PlannedRun) -> "PoolEngine":
        return PoolEngine([run], self.root, self.threads, None)
