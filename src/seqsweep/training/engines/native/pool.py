"""Trains a pool: members (runs) of one data set, side by side in threads."""

import functools
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from seqsweep.errors import LockLost
from seqsweep.native.step import Result, Stopped
from seqsweep.pace import Budget
from seqsweep.runs.metrics_csv import EpochRow
from seqsweep.runs.record import Record
from seqsweep.signals import StopOnSignal
from seqsweep.training.checkpoint_files import check_written
from seqsweep.training.engines.native.member import PoolMember
from seqsweep.training.engines.native.pool_data import PoolData
from seqsweep.training.engines.native.scores import rows_of, why_diverged
from seqsweep.training.engines.native.workers import Workers
from seqsweep.training.engines.protocol import End, Engine, Findings
from seqsweep.training.fed_loggers import fed_loggers, feed, writes_rows
from seqsweep.training.limits import Judge, Paused

POLL_SECONDS = 0.1
"""The longest time until a signal is noticed and a progress bar is drawn again."""

_FLOPS_OF_A_TASK = 2e7
"""The operations of a full task: about a millisecond, so that the overhead of a task is small."""

_LEAST_FLOPS = 1e5
"""The least number of operations that is assumed for an epoch of a member."""

_TASKS_OF_A_THREAD = 2
"""The most tasks per thread: one that the thread computes, and one that waits."""

_MOST_ENDS = 100
"""The most records that are written at once; meanwhile the threads may run out of tasks."""


class Pool:
    """Trains members until each has ended or paused, and writes their files.

    A task trains some members for one epoch, in one thread. Only as many members train at a time as
    keep all threads busy: these members are in the window. When a member ends, the next member
    enters the window, so that the first results come early. If some members are large, one place in
    the window, the lane, is for the members that train fastest, one after another.

    Args:
        members: the built members; none of them has begun.
        begin: locks a member and prepares it; returns False if it cannot be trained here.
        engine: the engine, which gets the outcome of each ended member.
        judge: returns new limits when every member has ended or waits at its limit (see
            `limits.Judge`). Without a judge, a member pauses at its limit.

    Attributes:
        training: the members that train or have not begun, without those that wait at a limit.
        left: the members that have begun and have no outcome.
        row: the row of the epoch that was finished last.
    """

    def __init__(
        self,
        members: Sequence[PoolMember],
        begin: Callable[[PoolMember], bool],
        data: PoolData,
        threads: int,
        engine: Engine[PoolMember],
        judge: Judge | None = None,
    ) -> None:
        self.begin = begin
        self.data = data
        self.engine = engine
        self.is_single, self.outcomes = engine.is_single, engine.outcomes
        # Budgets limit the time for checkpoints, for records, and for loggers of other packages.
        self.saving, self.ending, self.feeding = Budget(), Budget(), Budget()
        self.workers = Workers(min(threads, len(members)))
        self.left: list[PoolMember] = []
        self.judge = judge
        self.row: EpochRow = {}
        self._unfed: list[tuple[PoolMember, Record]] = []
        self.training = dict.fromkeys(members)
        self._ended: list[tuple[PoolMember, End]] = []
        self._waiting: list[PoolMember] = []
        # `_ready` holds window members that wait for a thread; `_later` holds the next members.
        self._ready: deque[PoolMember] = deque()
        self._later = deque(sorted(members, key=_turn))
        # If a member is large, the lane is for the fastest members, so that results come early.
        self._has_lane = any(member.flops >= _FLOPS_OF_A_TASK for member in members)
        self._in_lane: PoolMember | None = None

    def advance(self, seconds: float) -> None:
        """Trains for at most `seconds`, or until a task has ended."""
        self.fill()
        if self.workers.pending:
            self._take(seconds)
        self._release()
        if self._ended and self.ending.is_due():
            self._record(_MOST_ENDS)
        # The loggers of one member are fed per call, and all others when the threads have ended.
        if self._unfed and self.feeding.is_due():
            member, record = self._unfed.pop(0)
            with self.feeding.measuring():
                feed(member.planned.config, member.folder, record)

    def finish(self, stop: StopOnSignal) -> None:
        """Ends the training: takes all results, and writes all records."""
        # If the last training member has failed, members that wait for the judge pause.
        self._ended += [(m, end) for m in self._waiting if (end := m.at_limit()) is not None]
        self._waiting = []
        while self.workers.pending:
            self.advance(POLL_SECONDS)
            stop.check()
        self._record()

    def settle(self) -> None:
        """Stops all tasks, and saves each member as of its last finished epoch."""
        self.workers.withdraw()
        # The tasks stop after their current step, and `_take` undoes their unfinished epochs.
        self.workers.stop.set()
        while self.workers.pending:
            self._take(None)
        self._record()
        for member in tuple(self.left):
            self._save(member, sync=self.is_single)
        if not self.is_single:
            os.sync()

    def fill(self) -> None:
        """Gives tasks to the threads; members that waited longest come first."""
        # With a lane no task waits in line, so that a task of the lane's member begins at once.
        tasks = 1 if self._has_lane and self._later else _TASKS_OF_A_THREAD
        while self.workers.pending < tasks * self.workers.threads and (chunk := self._chunk()):
            self._train(chunk)

    def _chunk(self) -> list[PoolMember]:
        """Returns the members of a task of about a millisecond; empty if none is ready."""
        # With few members a task takes only some of them, so that every thread gets a task.
        most = max(1, len(self.training) // (_TASKS_OF_A_THREAD * self.workers.threads))
        chunk, cost = list[PoolMember](), 0.0
        while len(chunk) < most and cost < _FLOPS_OF_A_TASK and chunk != [self._in_lane]:
            member = self._next()
            if member is None:
                break
            chunk.append(member)
            cost += max(member.flops, _LEAST_FLOPS)
        return chunk

    def _next(self) -> PoolMember | None:
        """Returns the member to train next, or None."""
        while self._later:
            if self._has_lane and self._in_lane not in self.training:
                member = self._in_lane = self._later.pop()
            elif self._ready:
                break
            else:
                member = self._later.popleft()
            if self._enters(member):
                return member
        return self._ready.popleft() if self._ready else None

    def _enters(self, member: PoolMember) -> bool:
        """Begins a member; returns whether it has an epoch to train."""
        if not self.begin(member):
            del self.training[member]
            return False
        self.left.append(member)
        member.saved = time.perf_counter()
        # If a process was killed after the last epoch or at a limit, there is nothing to train.
        if member.is_at_end:
            self._test(member)
            return False
        return not (member.epochs and self._leaves_at_limit(member))

    def _train(self, members: Sequence[PoolMember]) -> None:
        works, stop = [member.work() for member in members], self.workers.stop
        self.workers.submit(members, self._take_epochs, self.data.train, members, works, stop)

    def _test(self, member: PoolMember) -> None:
        """Lets a thread evaluate a member that has finished its last epoch."""
        del self.training[member]
        self.workers.submit([member], self._take_findings, self.data.findings, member)

    def _take(self, seconds: float | None) -> None:
        """Takes the result of a task, if one ends within `seconds`."""
        done = self.workers.next(seconds)
        if done is None:
            return
        members, take, future = done
        try:
            result = future.result()
        except Exception as error:
            # The error may have come in the middle of an epoch, so the epoch is trained again.
            for member in members:
                if member in self.training:
                    member.undo()
            if isinstance(error, Stopped):
                return
            if len(members) == 1:
                self._fail(members[0], error)
                return
            # One task for each member shows which of them has caused the error.
            for member in members:
                self._train([member])
        else:
            take(members, result)

    def _take_epochs(self, members: Sequence[PoolMember], results: Sequence[Result]) -> None:
        rows = rows_of(members, results)
        for member, result, row in zip(members, results, rows, strict=True):
            why = why_diverged(row, member.epochs)
            if why is not None:
                member.undo()  # its checkpoint stays at the epoch before
                del self.training[member]
                self._ended.append((member, why))
                continue
            if not member.take_in(row, result.seconds):
                self._test(member)
                continue
            in_window = len(self.training) - len(self._later)
            if self.saving.is_due(member.saved, in_window):
                with self.saving.measuring():
                    self._save(member)
            # The member has failed if its folder could not be written.
            if member in self.training and not self._leaves_at_limit(member):
                put = self._ready.appendleft if member is self._in_lane else self._ready.append
                put(member)
        self.row = rows[-1]

    @property
    def is_judging(self) -> bool:
        """Returns whether members wait for the judge while no member trains."""
        return self.judge is not None and bool(self._waiting) and not self.training

    def _release(self) -> None:
        """Resumes or ends the waiting members, once no other member is active."""
        if self.judge is None or not self.is_judging or self.workers.pending:
            return
        # For the judge, a run without a record still trains, so records are written first.
        self._record()
        waiting, self._waiting = self._waiting, []
        # The judge reads the rows of all runs from their files, so that a kill changes no decision.
        for member in waiting:
            self._try(member, member.log.flush)
        limits = self.judge()
        for member in waiting:
            if member.run_id in self.outcomes:  # its folder could not be written
                continue
            member.planned = replace(member.planned, limits=limits.get(member.run_id))
            end = member.at_limit()
            if end is None:
                self.training[member] = None
                self._ready.append(member)
            else:  # pruned, or paused because the judge still waits for runs of other pools
                self._ended.append((member, end))

    def _leaves_at_limit(self, member: PoolMember) -> bool:
        """Makes a member at its limit wait or end; returns whether it did."""
        end = member.at_limit()
        if end is None:
            return False
        del self.training[member]
        if isinstance(end, Paused) and self.judge is not None:
            self._waiting.append(member)
        else:
            self._ended.append((member, end))
        return True

    def _take_findings(self, members: Sequence[PoolMember], findings: Findings) -> None:
        self._ended.append((members[0], findings))

    def _record(self, most: int | None = None) -> None:
        """Saves and records ended members, at most `most` of them."""
        ended = self._ended[:most]
        if not ended:
            return
        del self._ended[:most]
        with self.ending.measuring():
            for member, _ in ended:
                self._save(member, sync=self.is_single)
            if not self.is_single:
                os.sync()  # everything is on disk before the first record can be seen
            for member, end in ended:
                if member.run_id not in self.outcomes:
                    self._try(member, functools.partial(self._record_one, member, end))
        self.left = [member for member in self.left if member.run_id not in self.outcomes]

    def _record_one(self, member: PoolMember, end: End) -> None:
        if member.epochs:
            check_written(member.folder.path, writes_rows(member.config))
        record = self.engine.record(member, end)
        if fed_loggers(member.config):
            self._unfed.append((member, record))

    def _save(self, member: PoolMember, sync: bool = True) -> None:
        self._try(member, lambda: member.save(time.perf_counter(), sync))

    def _try(self, member: PoolMember, action: Callable[[], object]) -> None:
        """Calls an action; the member fails if its folder cannot be written."""
        try:
            action()
        except (OSError, LockLost) as error:
            self._fail(member, error)

    def _fail(self, member: PoolMember, error: Exception) -> None:
        self.engine.fail(member, error)
        self.training.pop(member, None)
        self.left.remove(member)


def _turn(member: PoolMember) -> tuple[bool, float]:
    """Returns the sort key by which members enter the window."""
    # Members with a checkpoint come first, then the longest, so that the threads end together.
    has_checkpoint = os.path.exists(f"{member.folder.path}/checkpoints/last.ckpt")
    return not has_checkpoint, -member.flops * member.max_epochs
