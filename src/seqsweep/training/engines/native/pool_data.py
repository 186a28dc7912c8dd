"""A pool of networks: its data, metrics, threads and time for writing.

N results (training, then validation), C classes.
"""

import functools
import math
import queue
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from seqsweep.console import pause_after
from seqsweep.data.batch import augment_seed
from seqsweep.data.sequences import Splits
from seqsweep.data.transforms import Augmentation
from seqsweep.elementary import macro_f1
from seqsweep.errors import RunDiverged
from seqsweep.native.step import Data, Result, Stop, Work, evaluate, run
from seqsweep.runs.metrics_csv import EpochRow
from seqsweep.training.diagnosis import confusion_of, diagnose, splits_tested
from seqsweep.training.engines.native.member import PoolMember
from seqsweep.training.engines.protocol import Findings

Array = npt.NDArray[np.float64]


def scores(counts: npt.NDArray[Any]) -> dict[str, Array]:
    """Returns accuracy and macro-F1 (N,) from counts (N, C, C).

    The rows of the counts are the true classes.
    """
    hits = np.diagonal(counts, axis1=1, axis2=2)
    f1 = np.array(list(map(macro_f1, hits, counts.sum(1) + counts.sum(2))))
    return {"acc": hits.sum(1) / counts.sum((1, 2)), "f1": f1}


def why_diverged(row: EpochRow, epoch: int) -> RunDiverged | None:
    """Returns the error of a row whose loss or gradient is not finite, or None."""
    # An infinite gradient counts too: it spoils the weights while the losses are still finite.
    for name in ("train/loss", "val/loss", "train/grad_norm"):
        if not math.isfinite(row.get(name, 0.0)):
            return RunDiverged(name, row[name], epoch)
    return None


_AUGMENTED_NUMBERS = 2**24
"""The most numbers in all augmented training splits that are kept in memory (at least one split).

The splits are kept, because members with the same seed share them."""


class PoolData:
    """The splits of a pool, in the memory layout of the native library."""

    def __init__(self, splits: Splits) -> None:
        self.splits = splits
        self.native = {
            name: Data(part.x, part.lengths, part.labels, part.num_classes)
            for name, part in splits.parts.items()
        }
        kept = min(16, max(1, _AUGMENTED_NUMBERS // splits.train.x.size))
        self._augmented = functools.lru_cache(maxsize=kept)(self._augment)

    def train(
        self, members: Sequence[PoolMember], works: Sequence[Work], stop: Stop
    ) -> list[Result]:
        """Trains members for one epoch; called by a thread; raises Stopped if `stop` is set."""
        val = self.native.get("val")
        if all(member.augmentation is None for member in members):
            return run(works, self.native["train"], val, stop)
        results: list[Result] = []
        for member, work in zip(members, works, strict=True):
            train = self._augmented(member.augmentation, member.shuffle_seed, member.epochs)
            results += run([work], train, val, stop)
        return results

    def _augment(self, augmentation: Augmentation | None, seed: int, epoch: int) -> Data:
        """Returns the training split, augmented for an epoch."""
        if augmentation is None:
            return self.native["train"]
        part = self.splits.train
        rows = range(len(part))
        x = augmentation.apply(part.x, part.lengths, rows, augment_seed(seed, epoch))
        return Data(x, part.lengths, part.labels, part.num_classes)

    def findings(self, member: PoolMember) -> Findings:
        """Evaluates the best weights of a member; called by a thread."""
        sums = {
            name: evaluate(member.native, self.native[name], member.best_weights)
            for name in splits_tested(member.config, self.splits)
        }
        metrics: dict[str, float] = {}
        if "test" in sums:
            metrics["test/loss"] = sums["test"].loss
            tested = scores(sums["test"].confusion[None])
            metrics |= {f"test/{name}": values.item() for name, values in tested.items()}
        diagnosis = None
        if member.config["diagnostics"]:
            diagnosis = diagnose(self.splits, member.native, member.best_weights)
        counts = {name: each.confusion for name, each in sums.items()}
        return Findings(metrics, confusion_of(self.splits, counts), diagnosis)


def rows_of(members: Sequence[PoolMember], results: Sequence[Result]) -> list[EpochRow]:
    """Returns a row of metrics for the epoch that each member has finished."""
    # The training sums come first, then the validation sums of the validated members.
    sums = [result.train for result in results]
    sums += [result.val for result in results if result.val is not None]
    scored = scores(np.stack([each.confusion for each in sums]))  # (N, C, C), all at once
    measured = zip(sums, scored["acc"].tolist(), scored["f1"].tolist(), strict=True)
    rows: list[EpochRow] = []
    for member in members:
        train, acc, f1 = next(measured)
        rows.append(
            {
                "epoch": member.epochs,
                "step": member.native.steps,
                "lr": member.schedule.options(member.epochs)["lr"],
                "train/loss": train.loss,
                "train/acc": acc,
                "train/f1": f1,
                "train/grad_norm": train.grad_norm,
            }
        )
    for row, result in zip(rows, results, strict=True):
        if result.val is not None:
            val, acc, f1 = next(measured)
            row |= {"val/loss": val.loss, "val/acc": acc, "val/f1": f1}
    return rows


Take = Callable[[Sequence[PoolMember], Any], None]
"""A function that processes the result of a task."""


class Workers:
    """Threads that compute tasks until `stop` is set.

    Threads suffice, because the C++ code works without Python's global lock.
    """

    def __init__(self, threads: int) -> None:
        self.stop = Stop()
        self.threads = max(1, threads)
        self._executor = ThreadPoolExecutor(self.threads)
        self._tasks: dict[Future[Any], tuple[Sequence[PoolMember], Take]] = {}
        self._done: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()

    @property
    def pending(self) -> int:
        """The number of tasks whose results have not been taken."""
        return len(self._tasks)

    def submit(
        self, members: Sequence[PoolMember], take: Take, compute: Callable[..., Any], *args: Any
    ) -> None:
        """Lets a thread compute a task; `next` returns it when the task has ended."""
        future = self._executor.submit(compute, *args)
        self._tasks[future] = members, take
        future.add_done_callback(self._done.put)

    def next(self, seconds: float | None) -> tuple[Sequence[PoolMember], Take, Future[Any]] | None:
        """Returns an ended task: its members, `Take` and result; None if none ends in time."""
        try:
            future = self._done.get(timeout=seconds)
        except queue.Empty:
            return None
        # A withdrawn task has been removed from `_tasks`.
        task = self._tasks.pop(future, None)
        return None if task is None else (*task, future)

    def withdraw(self) -> None:
        """Takes back the tasks that no thread has begun."""
        self._tasks = {future: task for future, task in self._tasks.items() if not future.cancel()}

    def close(self) -> None:
        """Ends the threads, each after its current step."""
        self.stop.set()
        self._executor.shutdown(cancel_futures=True)


_LONGEST_SECONDS = 60.0
_FIRST_GUESS = 0.005
"""The assumed duration of the first write, in seconds."""


class Budget:
    """Allows writes for at most 5 % of the time, or once a minute."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self._seconds = _FIRST_GUESS
        self._ended = clock()

    def is_due(self, since: float | None = None, writers: int = 1) -> bool:
        """Returns whether a writer that last wrote at `since` may write again.

        The budget is for `writers` writers. By default `since` is the last write of any of them.
        """
        wait = min(_LONGEST_SECONDS, writers * pause_after(self._seconds))
        return self.clock() - (self._ended if since is None else since) >= wait

    @contextmanager
    def measuring(self) -> Generator[None]:
        """Measures the write in the block."""
        start = self.clock()
        yield
        # The running mean follows a disk that becomes slower; one write counts a quarter.
        self._ended = self.clock()
        self._seconds += (self._ended - start - self._seconds) / 4
