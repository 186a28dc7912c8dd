"""Runs a search until its budget is spent."""

import functools
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from seqsweep.console import place, print_notes
from seqsweep.results.folder_tables import print_folder
from seqsweep.results.formatting import count
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.searchfile import SearchFile
from seqsweep.runs.sweep_lock import is_sweep_running, sweep_lock
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.sweeping.forming import gpu_available
from seqsweep.sweeping.hydra_jobs import RunLauncher
from seqsweep.sweeping.members import SweepMember, build_each, not_done
from seqsweep.sweeping.planned_sweep import begin_sweep, new_sweep_file
from seqsweep.sweeping.queue import QueuedRun
from seqsweep.sweeping.search.clock import Clock
from seqsweep.sweeping.search.ending import best_trials, describe_search
from seqsweep.sweeping.search.planning import Planned, TrialPlanner, members_of
from seqsweep.sweeping.search.settings import Settings
from seqsweep.sweeping.search.window import Window
from seqsweep.sweeping.sweep import end_sweep, launch_all, train_queue
from seqsweep.sweeping.sweep_end import read_begun, summarise, where_to_look
from seqsweep.training.engine import missing_library, slower_options
from seqsweep.training.outcome import STOP_FILE


class SearchRun:
    """A search in the folder of a sweep, which may have been interrupted.

    Args:
        settings: of the search.
        planner: plans the runs of the trials.
        ends: runs with the ends of the space, which are checked before the first trial.
        launcher: trains the runs.
        folder: the sweep's folder, which this process alone searches.
        console: prints the progress and the results.

    Raises:
        ValueError: the folder holds another search, or the data have changed.
    """

    def __init__(
        self,
        settings: Settings,
        planner: TrialPlanner,
        ends: Planned,
        launcher: RunLauncher,
        folder: Path,
        console: Console,
    ) -> None:
        self.settings = settings
        self.planner = planner
        self.ends = ends
        self.first = next(run for _, run in ends.values())
        self.launcher = launcher
        self.folder = folder
        self.console = console
        self.clock = Clock(folder)
        self.window = Window(settings, planner, self.first.config, folder)
        before = SearchFile.read(folder)
        self.confirmed = {} if before is None else dict(before.confirmed)
        self._trained: dict[str, SweepMember] = {}
        self._is_alone = not is_sweep_running(folder)
        self._has_begun = False
        self._confirming: dict[str, QueuedRun] = {}

    def run(self) -> int:
        """Trains until the budget is spent, and prints the result; returns the exit code."""
        self._say_start()
        if not self.window.chosen:
            # A network that cannot be built is refused now, and not after hours of others.
            build_each(members_of(self.ends, {}, self.folder), self.planner.compose)
        code = 0
        try:
            with sweep_lock(self.folder):
                # Not removed at the end: workers may still have to see the file of a failure.
                (self.folder / STOP_FILE).unlink(missing_ok=True)
                try:
                    code = self._search() or self._confirm()
                finally:
                    self._save()
                    self._close()
        finally:
            swept = SweepFile.read(self.folder)
            if swept is not None:
                ended = end_sweep(swept, self.folder, self.console)
                code = code or ended
        print_folder(self.console, self.folder, read_begun(self.folder))
        if self.first.config["sweep"]["report"] and code == 0:
            code = summarise(self._members_for_summary(), self.folder, self.console)
        file = self._file()
        lines = where_to_look(self.folder, bool(best_trials(file)))
        for line in (*lines, *describe_search(file, self.folder)):
            self.console.print(line, soft_wrap=True, highlight=False)
        return code or self._say_failures()

    def _search(self) -> int:
        """Chooses, trains and tells trials until none is left; returns the exit code."""
        while True:
            self.window.advance(self.clock.minutes)
            self._save()
            pending = self.window.pending()
            if not pending:
                break
            known = len(self.window.results)
            code = self._train(pending)
            self.window.look()
            # Without any result, another round would end in the same way.
            if code or len(self.window.results) == known or self.window.is_stopped():
                return code or 1
        self.window.tell_all()
        # A run that fails just before the last look may also end the search.
        return int(self.window.is_stopped())

    def _train(self, pending: Sequence[SweepMember]) -> int:
        """Trains runs, with workers until the next result is there; returns the exit code."""
        self._trained |= {member.folder.run_id: member for member in pending}
        with SweepFile.changing(self.folder):
            file = new_sweep_file(list(self._trained.values()), pending, self.folder)
            assert file is not None, "there are runs to train"
            # The file also lists the runs of earlier rounds and commands, which are over.
            left = {member.folder.run_id for member in pending}
            done = frozenset(file.configs.keys() - left)
            file = replace(file, done_before=done, open=not self._confirming)
            # Only the first round may find what a killed search has left.
            begin_sweep(file, self.folder, self.console, self._is_alone and not self._has_begun)
        self._has_begun = True
        if self.launcher.workers is None:
            train = functools.partial(
                launch_all, pending, self.launcher, self.folder, self.console, self._is_alone
            )
            return train_queue(pending, self.folder, self.console, train)
        runs = [member.queued() for member in pending]
        self.launcher.workers.train(runs, self.folder, is_one_enough=True)
        return 0

    def _confirm(self) -> int:
        """Trains the best trials with fresh seeds; returns the exit code."""
        best = best_trials(self._file())[: self.settings.confirm_top]
        first = self.planner.seed + self.settings.seeds
        seeds = range(first, first + self.settings.confirm_seeds)
        planned = Planned()
        for trial in best:
            runs = self.planner.plan(self.window.chosen[trial.number].params, seeds)
            self.confirmed[trial.number] = list(runs)
            planned |= runs
        pending = not_done(members_of(planned, {}, self.folder))
        if pending:
            self._say(
                f"{count(len(best), 'best trial')} again with {count(len(seeds), 'fresh seed')}: "
                f"{count(len(pending), 'run')} to train"
            )
        queued = self._confirming = {m.folder.run_id: m.queued() for m in pending}
        while pending:
            code = self._train(pending)
            left = [member for member in pending if not queued[member.folder.run_id].is_over()]
            is_stopped = any(run.ends_sweep() for run in queued.values())
            if code or len(left) == len(pending) or is_stopped:
                return code or 1
            pending = left
        return 0

    def _members_for_summary(self) -> list[SweepMember]:
        """Returns runs of the search, whose data the baselines are computed from."""
        if self._trained:
            return list(self._trained.values())
        return members_of({self.first.run_id: ((), self.first)}, {}, self.folder)

    def _file(self) -> SearchFile:
        """Returns the search as search.json has it."""
        pruner = self.settings.pruner
        return SearchFile(
            self.settings.sampler,
            "none" if pruner is None else pruner.described()["name"],
            {key: values.described() for key, values in self.planner.space.items()},
            self.settings.objectives,
            self.settings.directions,
            self.settings.budget.described(),
            self.window.trials(),
            confirmed=self.confirmed,
            minutes=self.clock.minutes,
        )

    def _save(self) -> None:
        self._file().write(self.folder)

    def _close(self) -> None:
        """Tells workers that no further run comes: those that wait keep the sweep from ending."""
        swept = SweepFile.read(self.folder)
        if swept is not None and swept.open:
            replace(swept, open=False).write(self.folder)

    def _say_start(self) -> None:
        limits = ", ".join(
            f"{limit:,g} {unit}" for unit, limit in self.settings.budget.described().items()
        )
        chosen = len(self.window.chosen)
        before = f"; {count(chosen, 'trial')} chosen before" if chosen else ""
        self._say(
            f"search by {self.settings.sampler} in {place(self.folder)}: at most {limits}{before}"
        )
        configs = [self.first.config]
        notes = missing_library(configs, gpu_available) + slower_options(configs, gpu_available)
        print_notes([*notes, *self.first.notes], self.console)

    def _say_failures(self) -> int:
        """Prints how many trials and confirmations have failed; returns the exit code.

        A run that diverged is done.
        """
        failed = [
            trial
            for trial in self.window.trials()
            if trial.state == "failed"
            and not all(RunFolder(self.folder / run_id).record() for run_id in trial.run_ids)
        ]
        runs = [run for run in self._confirming.values() if not run.is_done()]
        counts = {"trial": len(failed), "confirmation": len(runs)}
        texts = [count(number, name) for name, number in counts.items() if number]
        if texts:
            quoted = escape(shlex.quote(place(self.folder)))
            text = f"[red]{' and '.join(texts)} failed[/]; why:\n  seqsweep status {quoted}"
            self.console.print(text, soft_wrap=True, highlight=False)
        return int(bool(texts))

    def _say(self, text: str) -> None:
        self.console.print(text, soft_wrap=True, highlight=False, markup=False)
