"""The logs and checkpoints of a pool's members, and the budget of their writes."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from seqsweep.pacing import pause_after
from seqsweep.runs.files import link, sync_folder
from seqsweep.runs.files import sync as sync_files
from seqsweep.training.checkpoints import check_written, publish, save_in_run
from seqsweep.training.engines.native.member import PoolMember


class MemberFiles:
    """Writes the files of a member and knows which epochs are on disk.

    Args:
        member: restored from the checkpoint that it resumes from, if any.
        now: the time in seconds.

    Attributes:
        saved: the time at which the last checkpoint was written.
    """

    def __init__(self, member: PoolMember, now: float) -> None:
        self.member = member
        self.saved = now
        self._epochs = member.epochs
        self._best = member.best.best_epoch

    def save(self, now: float, sync: bool = True) -> None:
        """Writes logs and checkpoints in the middle of a run.

        The checkpoint that was the last one becomes `previous.ckpt`.

        Raises:
            OSError: a file cannot be written.
        """
        member, folder = self.member, self.member.folder.path / "checkpoints"
        self.saved = now
        member.log.flush()
        member.log.write_lines()
        if member.epochs == self._epochs:
            return
        # A power failure must not keep only the checkpoints.
        if sync and not self._epochs:
            sync_files([folder.parent / "config.yaml", folder.parent / "provenance.json"])
            sync_folder(folder.parent)
        last, best = member.checkpoints()
        is_better = best["epoch"] == last["epoch"]
        # The best one comes first: `resume_point` accepts one of an epoch that is trained again.
        if not is_better and best["epoch"] != self._best:
            save_in_run(best, folder / "best.ckpt", sync)
        save_in_run(last, folder / "next.ckpt", sync)
        publish(folder, is_better)
        self._epochs, self._best = member.epochs, best["epoch"]

    def save_at_end(self, sync: bool) -> None:
        """Writes logs and checkpoints of a run that has ended.

        Raises:
            OSError: a file cannot be written.
        """
        member, folder = self.member, self.member.folder.path / "checkpoints"
        member.log.flush()
        if member.epochs != self._epochs:
            self._save_last(member, folder, sync)
        if member.epochs:
            check_written(member.folder.path, member.log.files)

    def _save_last(self, member: PoolMember, folder: Path, sync: bool) -> None:
        last, best = member.checkpoints()
        # The two files have the same content, so one file with two names saves a write.
        if best["epoch"] == last["epoch"]:
            save_in_run(last, folder / "best.ckpt", sync)
            link(folder / "best.ckpt", folder / "last.ckpt")
        else:
            if best["epoch"] != self._best:
                save_in_run(best, folder / "best.ckpt", sync)
            save_in_run(last, folder / "last.ckpt", sync)
        self._epochs = member.epochs


_LONGEST_SECONDS = 60.0
_FIRST_GUESS = 0.005
"""The assumed duration of the first write, in seconds."""


class Budget:
    """Allows writes for 5 % of the time, or once a minute for each writer.

    Args:
        clock: returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self._seconds = _FIRST_GUESS

    def is_due(self, since: float, writers: int = 1) -> bool:
        """Returns whether a writer may write again.

        Args:
            since: the time at which its last write ended.
            writers: the number of writers that share the budget.
        """
        wait = min(_LONGEST_SECONDS, writers * pause_after(self._seconds))
        return self.clock() - since >= wait

    @contextmanager
    def measuring(self) -> Generator[None]:
        """Measures the write in the block."""
        start = self.clock()
        yield
        # The running mean follows a disk that becomes slower, but one slow write does not decide.
        self._seconds += (self.clock() - start - self._seconds) / 4
