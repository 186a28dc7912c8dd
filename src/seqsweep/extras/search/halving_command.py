"""Runs a successive halving, from drawing its configs to the leaderboard.

All decisions depend only on the files of the runs. The module imports no torch at the top.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hydra.errors import HydraException
from rich.console import Console

from seqsweep.config.compose import MemberComposer
from seqsweep.console import print_lines
from seqsweep.extras.search.halving import Halving, Standing, draw, judge
from seqsweep.extras.search.planning import TrialPlanner, check_comparable, check_searchable
from seqsweep.extras.search.searchfile import Trial
from seqsweep.extras.search.session import Search, begin, searching
from seqsweep.extras.search.space import overrides_of
from seqsweep.live.display import show_progress
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.sweeping.launchers import RunLauncher
from seqsweep.sweeping.members import build_each, plan_members, say_plan
from seqsweep.sweeping.queue import SweepMember
from seqsweep.sweeping.sweep import Rounds
from seqsweep.training.limits import Limits
from seqsweep.training.outcome import interruptible


@interruptible()
def search(
    halving: Halving,
    overrides: Sequence[str],
    compose: MemberComposer,
    launcher: RunLauncher,
    folder: Path,
    console: Console,
) -> int:
    """Searches a space (values by key); returns the exit code.

    All configs are checked before the first run starts. The same command continues an interrupted
    search and trains nothing twice.

    Args:
        overrides: the space, and the values that all configs share.

    Raises:
        ValueError, TypeError, OSError, HydraException: a config, its data, or the search are
            refused; nothing was trained.
        RunLocked: another process searches here, and the config says `when_locked=skip`.
    """
    started = time.monotonic()
    is_plan = begin(compose, launcher, prunes=True)
    planner = to_the_last_rung(TrialPlanner.of(overrides, compose, folder), halving.rungs[-1])
    population = plan_population(halving, planner)
    planned = Searched(halving, planner, *population)
    pending = planned.pending()
    if pending:
        build_each(pending, compose)
    members = planned.members()
    total, sizes = len(members), zip(halving.sizes(len(members)), halving.rungs, strict=True)
    steps = ", ".join(f"{size:,} to epoch {rung}" for size, rung in sizes)
    full = total * halving.rungs[-1]
    print_lines(
        console, f"successive halving: {steps}: {halving.epochs(total):,} of {full:,} epochs"
    )
    say_plan(members, pending, halving.population, folder, console, processes=launcher.processes)
    if is_plan:
        return 0
    with searching(folder, members[0], console):
        # Another command may have searched here since the files were read.
        searched = Searched(halving, planner, *population)
        return searched.run(launcher, console, started)


def to_the_last_rung(planner: TrialPlanner, epochs: int) -> TrialPlanner:
    """Returns a planner whose runs train to the last rung."""
    last = f"trainer.max_epochs={epochs}"
    for text in planner.fixed:
        if text.lstrip("+").startswith("trainer.max_epochs=") and text != last:
            raise HydraException(
                f"{text}: must be {epochs}, the last of hydra.sweeper.rungs, or left out"
            )
    return replace(planner, fixed=[*planner.fixed, last])


def plan_population(
    halving: Halving, planner: TrialPlanner
) -> tuple[list[Trial], list[SweepMember]]:
    """Draws and plans a trial and a run for each distinct config."""
    drawn = [draw(planner.space, halving.seed, n) for n in range(halving.population)]
    jobs = [(*planner.fixed, *overrides_of(planner.space, params)) for params in drawn]
    # If several draws are equal, the first draw counts.
    numbers = {job: number for number, job in reversed(list(enumerate(jobs)))}
    members = plan_members(jobs, planner.compose, planner.folder)
    trials: list[Trial] = []
    for member in members:
        number = numbers[tuple(member.overrides)]
        trials.append(Trial(number, drawn[number], [member.run_id]))
        check_searchable(member, halving.rungs[0])
    check_comparable(members)
    return trials, members


class Searched(Search):
    """A successive halving. Which runs continue depends only on the files of the runs."""

    def __init__(
        self,
        halving: Halving,
        planner: TrialPlanner,
        trials: Sequence[Trial],
        members: Sequence[SweepMember],
    ) -> None:
        config = members[0].config
        fresh = [seed for seed in range(halving.seeds + 1) if seed != config["seed"]]
        new = halving.search_file(planner.space, check_searchable(members[0]))
        super().__init__(planner, new, halving.top, fresh[: halving.seeds])
        self.halving = halving
        self._monitor = new.monitor
        self._trials = trials
        before = self.before.trials
        if before and [t.run_ids for t in before] != [t.run_ids for t in trials]:
            self._refuse()
        self.add(members)
        self.decide()

    @property
    def trials(self) -> list[Trial]:
        ends = [self.limits[trial.run_ids[0]].ends_at for trial in self._trials]
        return [replace(t, ends_at=end) for t, end in zip(self._trials, ends, strict=True)]

    def is_over(self) -> bool:
        self.decide()
        # A run that has paused at a rung is not pending, although the rung is not decided yet.
        is_decided = all(limits.until is None for limits in self.limits.values())
        return is_decided and not self.pending()

    def lost(self) -> list[str]:
        return [run.run_id for run in self._runs() if self._is_lost(run)]

    def next_runs(self) -> list[SweepMember]:
        self.judge()
        return self.pending()

    def rounds(
        self, pending: Sequence[SweepMember], launcher: RunLauncher, console: Console
    ) -> Rounds:
        # Pools (runs that train together) call `judge` themselves. Other runs pause at a rung, and
        # are yielded again when all runs have reached the rung.
        before = None
        with show_progress([run.folder for run in pending], console):
            # A round without progress has a reason: the search was stopped, other processes train
            # the remaining runs, or these runs cannot be trained.
            while pending and (state := (self.limits, [run.run_id for run in pending])) != before:
                before = state
                yield pending
                pending = self.next_runs()

    def decide(self) -> None:
        """Decides the limits from the files of the runs; writes nothing."""
        self.limits = judge(self._runs(), self._monitor, self.halving.rungs)

    def judge(self) -> Mapping[str, Limits]:
        # Both files get the decision: workers read sweep.json, and the report reads search.json.
        self.decide()
        limits = {name: each.plain() for name, each in self.limits.items()}
        with SweepFile.changing(self.folder):
            sweep = SweepFile.read(self.folder)
            if sweep is not None and not limits.items() <= sweep.limits.items():
                replace(sweep, limits={**sweep.limits, **limits}).write(self.folder)
        self.write()
        return self.limits

    def pending(self) -> list[SweepMember]:
        """Returns the runs that have not been trained up to their limits."""
        # A run that failed before the rung at which it ends is not tried again. A run that has
        # reached that rung is launched once more to write its record, even if it failed in an
        # earlier command.
        return [run for run in self._runs() if not self._is_lost(run) and not run.is_over()]

    def _runs(self) -> list[SweepMember]:
        return [self.member(trial.run_ids[0]) for trial in self._trials]

    def _is_lost(self, run: SweepMember) -> bool:
        """Returns whether a run has failed before the rung at which it ends."""
        standing, ends_at = Standing(run), self.limits[run.run_id].ends_at
        if ends_at is None or standing.record is not None or standing.has_reached(ends_at):
            return False
        return run.folder.attempts() > 0
