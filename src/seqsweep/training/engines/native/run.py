"""Runs that train as one pool, from their configs to their records."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from seqsweep.training.build_run import numerics
from seqsweep.training.engines.joint.run import Outcomes, Place, Together
from seqsweep.training.engines.native.budget import Budget
from seqsweep.training.engines.native.member import PoolMember
from seqsweep.training.engines.native.module import PoolModule
from seqsweep.training.engines.native.pool import Pool
from seqsweep.training.engines.native.pool_data import PoolData
from seqsweep.training.outcome import Interrupted, Outcome
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.progress_bar import RunProgressBar

_AT_ONCE = 500
"""Members of a pool: each holds a lock, so an open file, and systems allow about a thousand."""


def train_pool(
    members: Sequence[PlannedRun],
    root: Path,
    threads: int,
    progress: Callback | None = None,
) -> Outcomes:
    """Trains runs of one prepared data set in `root`/run_id, each from where it was left.

    A run's results are a function of its config alone, whatever its company and its threads.

    Args:
        members: checked, identified; their `data` sections are equal but for seed, batch_size and
            num_workers.
        root: the folder of the runs.
        threads: that compute, at least 1.
        progress: a progress bar, for a single run.

    Returns:
        For each member its outcome, or why it has none: Locked, Interrupted, RunFailed, or what
        refused its config (ValueError, TypeError, OSError; nothing has been written then).
    """
    outcomes: Outcomes = []
    count = len(members)
    parts = -(-count // _AT_ONCE)  # of about the same size, so that none is a single run
    for part in range(parts):
        among = members[part * count // parts : (part + 1) * count // parts]
        outcomes += _Training(among, root, threads, progress).run()
        signum = _signal_of(outcomes)
        if signum is not None:
            return outcomes + [Interrupted(signum)] * (count - len(outcomes))
    return outcomes


def _signal_of(outcomes: Outcomes) -> int | None:
    """The signal that has come meanwhile, if any."""
    for outcome in outcomes:
        if isinstance(outcome, Interrupted):
            return outcome.exit_code - 128
        if isinstance(outcome, Outcome) and outcome.signum is not None:
            return outcome.signum
    return None


class _Training(Together[PoolMember]):
    """The story of one pool; see `train_pool`."""

    kind = PoolMember

    def __init__(
        self, members: Sequence[PlannedRun], root: Path, threads: int, progress: Callback | None
    ) -> None:
        super().__init__(members, root, 1, progress)  # torch itself has nothing to share out
        self.workers = threads

    def trainer(self, **options: Any) -> L.Trainer:
        epochs = max(member.config["trainer"]["max_epochs"] for member in self.asked)
        return super().trainer(max_epochs=epochs, accelerator="cpu", **options)

    def train_taken(self, members: Sequence[PoolMember], trainer: L.Trainer) -> None:
        places = self.begin(members, numerics(trainer, "native"))
        started = [place.member for place in places if self._start(place)]
        if not started:
            return
        with self.logging(started[0]), contextlib.ExitStack() as held:
            pool = Pool(started, PoolData(self.data.splits), self.workers, self.is_single, Budget())
            held.callback(pool.close)
            try:
                self._fit(pool, trainer)
            except (Interrupted, SystemExit) as error:
                if self.stop.received is not None:
                    pool.settle()
                self.interrupt(pool.left, error)
            except Exception as error:
                self.fail_as_a_whole(pool.left, error)
            finally:
                self.outcomes = pool.outcomes | self.outcomes

    def train_alone(self, member: PlannedRun) -> Outcome | BaseException:
        return train_pool([member], self.root, self.workers)[0]

    def _start(self, place: Place[PoolMember]) -> bool:
        """Builds a member's network; False where what is in its folder cannot be read."""
        member = place.member
        try:
            member.start()
            if place.last is not None and place.best is not None:
                member.restore(place.last, place.best)
        except (KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
            self.fail(member, error)
            return False
        return True

    def _fit(self, pool: Pool, trainer: L.Trainer) -> None:
        # One round at least, for members that have only their record left to write.
        most = max(1, *(member.max_epochs - member.epochs for member in pool.left))
        counted = trainer.fit_loop.epoch_progress.current
        for stage in ("ready", "started", "processed", "completed"):
            setattr(counted, stage, (trainer.max_epochs or 0) - most)
        bar = self.progress  # of a single run

        def draw() -> None:
            if isinstance(bar, RunProgressBar):
                bar.draw(trainer, max((member.part for member in pool.training), default=1.0))

        trainer.fit(PoolModule(pool, self.stop.check, draw))
