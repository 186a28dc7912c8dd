"""Starts, plans or continues the search of `hydra/sweeper=optuna`.

A trial is one config, with a run for each seed. At any time at most `parallel` trials have no
result yet; these trials are called the window.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from omegaconf import OmegaConf
from rich.console import Console

from seqsweep.config.compose import MemberComposer
from seqsweep.console import PlainConsole, place, print_lines, print_notes, say_error
from seqsweep.extras.clusters.workers import Workers
from seqsweep.extras.search.planning import TrialPlanner, check_searchable
from seqsweep.extras.search.searchfile import SearchFile, Trial
from seqsweep.extras.search.session import Search, begin, searching
from seqsweep.extras.search.settings import Settings
from seqsweep.extras.search.space import overrides_of
from seqsweep.extras.search.study import SearchStudy, first_params
from seqsweep.extras.search.trials import Result, owners_of, result_of
from seqsweep.sweeping.estimates import engine_notes
from seqsweep.sweeping.launchers import RunLauncher
from seqsweep.sweeping.members import build_each, labelled
from seqsweep.sweeping.planned_sweep import write_sweep
from seqsweep.sweeping.queue import SweepMember
from seqsweep.sweeping.sweep import Rounds, shown
from seqsweep.text import count
from seqsweep.training.limits import Limits
from seqsweep.training.outcome import interruptible


@interruptible()
def search(
    options: Mapping[str, Any],
    overrides: Sequence[str],
    compose: MemberComposer,
    launcher: RunLauncher,
    folder: Path,
) -> int:
    """Searches a space; returns the exit code. The same command continues the search.

    Args:
        options: the keys of `hydra.sweeper`, without `params`.
        overrides: the space (values by key), and the values that all trials share.

    Raises:
        HydraException, ValueError, TypeError, OSError: the settings, a value of the space or the
            data are refused; nothing was trained.
        RunLocked: another process searches here, and the config says `when_locked=skip`.
    """
    started = time.monotonic()
    is_plan = begin(compose, launcher, prunes=options["pruner"] != "none")
    planner = TrialPlanner.of(overrides, compose, folder)
    ends = planner.plan_ends()
    first = ends[0]
    monitor = check_searchable(first)
    config = first.config
    settings = Settings(monitor, config["trainer"]["max_epochs"], **_plain(options))
    # This also refuses wrong options of the sampler.
    params = first_params(settings, planner.space)
    console = PlainConsole()
    limits = ", ".join(f"{limit:,g} {unit}" for unit, limit in settings.budget.items())
    print_lines(console, f"search by {settings.sampler} in {place(folder)}: at most {limits}")
    if is_plan:
        for line in _plan_lines(settings, [overrides_of(planner.space, each) for each in params]):
            print_lines(console, line)
        print_notes(first.notes, console)
        return 0
    if SearchFile.read(folder) is None:
        # A network that cannot be built is refused now, and not after hours of training.
        build_each(ends, compose)
    with searching(folder, first, console):
        window = Window(settings, planner, config["seed"])
        if window.trials:
            print_lines(console, f"{count(len(window.trials), 'trial')} chosen before")
        print_notes([*engine_notes([first]), *first.notes], console)
        return window.run(launcher, console, started)


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns options as plain values; groups such as `budget` lose their null options."""
    plain: Any = OmegaConf.to_container(OmegaConf.create(dict(options)))
    for key, group in plain.items():
        if isinstance(group, dict):
            plain[key] = {name: each for name, each in group.items() if each is not None}
    return plain


def _plan_lines(settings: Settings, first: Sequence[Sequence[str]]) -> list[str]:
    """Returns the plan's lines without the budget; `first` has the first trials' overrides."""
    lines = [f"first {count(len(first), 'trial')}, chosen before any result:"]
    lines += [f"  {' '.join(trial)}" for trial in first]
    epochs = settings.max_epochs
    lines.append(f"a trial: {count(settings.seeds, 'run')} of at most {count(epochs, 'epoch')}")
    top, seeds = settings.confirm["top"], settings.confirm["seeds"]
    if top * seeds:
        lines.append(
            f"at the end {count(top, 'best config')} again with {seeds} fresh seeds: at most"
            f" {count(top * seeds, 'run')}, {top * seeds * epochs:,} epochs besides the budget"
        )
    return lines


class Window(Search):
    """An Optuna search, in which at most `parallel` trials have no result.

    Attributes:
        results: the results of all ended trials, by number.
    """

    def __init__(self, settings: Settings, planner: TrialPlanner, seed: int) -> None:
        self.seeds = range(seed, seed + settings.seeds)
        fresh = range(self.seeds.stop, self.seeds.stop + settings.confirm["seeds"])
        new = settings.search_file(planner.space)
        super().__init__(planner, new, settings.confirm["top"], fresh)
        self.settings = settings
        # The clock is monotonic, because the system clock may be changed during a long search.
        self._started = time.monotonic()
        self.study = SearchStudy(settings, planner.space, self.before.trials)
        for trial in self.before.trials:
            planned = self.planner.plan(trial.params, self.seeds) if trial.refusal is None else []
            if list(trial.run_ids) != [member.run_id for member in planned]:
                self._refuse()
            self._add(trial, planned)
        # Later trials were chosen from these results, so failures of these trials are final. Other
        # failed runs are tried again.
        decided = {t.number: self._result_of(t) for t in self._decided()}
        self.results = {n: each for n, each in decided.items() if each.state != "running"}

    @property
    def trials(self) -> list[Trial]:
        return self.study.trials

    def is_over(self) -> bool:
        return not self.pending() and not self.is_stopped()

    def is_stopped(self) -> bool:
        """Returns whether the failure of a run ends the search."""
        return any(self.member(run_id).ends_sweep() for run_id in self._left())

    def lost(self) -> Collection[str]:
        run_ids = {run_id for trial in self._decided() for run_id in trial.run_ids}
        return [run_id for run_id in run_ids if not self.member(run_id).was_done()]

    def rounds(
        self, pending: Sequence[SweepMember], launcher: RunLauncher, console: Console
    ) -> Rounds:
        budget, confirm = int(self.settings.budget.get("trials", 0)), self.settings.confirm
        total = budget * self.settings.seeds + confirm["top"] * confirm["seeds"]
        before = None
        # If the same runs are left as before, another round would change nothing.
        while pending and (left := {member.run_id for member in pending}) != before:
            before = left
            if not isinstance(launcher, Workers):
                ended = len(self._members) - len(self._left()) - self.done_before
                counted = ended, total - self.done_before if budget else 0
                yield from shown(pending, console, counted)
            else:
                # The workers get new runs as soon as one run has ended.
                launcher.wait(pending, self.folder, until_one_ends=True)
            if pending := self.next_runs():
                # Workers and tables read the list of runs from sweep.json.
                write_sweep(self.members(), pending, self.folder, console, is_open=True)

    def next_runs(self) -> list[SweepMember]:
        for trial in self._running():
            self._look_at(trial)
        if self.is_stopped():
            return []
        while all(number in self.results for number in self.study.needed()):
            results = [self.results.get(trial.number) for trial in self.trials]
            if not self.settings.allows(results, self.minutes()):
                break
            # A trial equal to an earlier one may have its result at once.
            self._look_at(self._choose_one())
        self.write()
        return self.pending()

    def pending(self) -> list[SweepMember]:
        """Returns the runs to train now for the trials without a result."""
        members = [self.member(run_id) for run_id in self._left()]
        # Labels name the keys in which these runs differ.
        return labelled([member for member in members if not member.is_over()])

    def file(self) -> SearchFile:
        return replace(super().file(), minutes=self.minutes())

    def minutes(self) -> float:
        """Returns the minutes that all commands of the search have taken."""
        return self.before.minutes + (time.monotonic() - self._started) / 60

    def _decided(self) -> Sequence[Trial]:
        """Returns the trials from whose results later trials were chosen."""
        return self.trials[: -self.settings.parallel]

    def _running(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.number not in self.results]

    def _left(self) -> dict[str, None]:
        """Returns the run_ids of the trials without a result, each once."""
        return dict.fromkeys(run_id for trial in self._running() for run_id in trial.run_ids)

    def _look_at(self, trial: Trial) -> None:
        """Reads the result of a trial if the trial has ended."""
        runs = [self.member(run_id) for run_id in trial.run_ids]
        # With `on_error=stop` the next command tries a failed trial again.
        if all(run.is_over() and not run.ends_sweep() for run in runs):
            self.results[trial.number] = self._result_of(trial)

    def _choose_one(self) -> Trial:
        """Chooses, plans and adds the next trial, whose config may be refused."""
        chosen = self.study.choose(self.results)
        members, refusal = list[SweepMember](), None
        try:
            members = self.planner.plan(chosen.params, self.seeds)
        except (HydraException, ValueError, TypeError) as error:
            refusal = " ".join(str(error).split())
            say_error(f"trial {chosen.number} is refused: {refusal}")
        run_ids = [member.run_id for member in members]
        trial = replace(chosen, run_ids=run_ids, refusal=refusal)
        self.trials.append(trial)
        self._add(trial, members)
        return trial

    def _add(self, trial: Trial, members: Sequence[SweepMember]) -> None:
        if self.settings.rule is not None:
            # Equal trials share their runs, so the thresholds of the first trial count.
            self.limits = dict.fromkeys(trial.run_ids, Limits(trial.thresholds)) | self.limits
        self.add(members)

    def _result_of(self, trial: Trial) -> Result:
        return result_of(trial, self.folder, self.settings.monitor, owners_of(self.trials))
