"""Runs a search by Optuna's samplers until its budget is spent."""

import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from rich.console import Console
from rich.markup import escape

from seqsweep.console import place, print_notes
from seqsweep.results.folder_tables import print_folder
from seqsweep.results.formatting import count
from seqsweep.results.search.trials import ranked
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.searchfile import SearchFile
from seqsweep.runs.sweep_lock import is_sweep_running
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.sweeping.forming import gpu_available
from seqsweep.sweeping.hydra_jobs import RunLauncher
from seqsweep.sweeping.members import SweepMember, build_each
from seqsweep.sweeping.planned_sweep import begin_sweep, new_sweep_file
from seqsweep.sweeping.search.planning import TrialPlanner
from seqsweep.sweeping.search.session import minutes_before, train_fresh_seeds
from seqsweep.sweeping.search.settings import Settings
from seqsweep.sweeping.search.window import Window
from seqsweep.sweeping.sweep import launch_all, train_pending
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
        console: prints the progress and the results.

    Raises:
        ValueError: the folder holds another search, or the data have changed.
    """

    def __init__(
        self,
        settings: Settings,
        planner: TrialPlanner,
        ends: list[SweepMember],
        launcher: RunLauncher,
        console: Console,
    ) -> None:
        self.settings = settings
        self.planner = planner
        self.folder = planner.folder
        self.ends = ends
        self.launcher = launcher
        self.console = console
        before = SearchFile.read(self.folder)
        self._confirmed = {} if before is None else before.confirmed
        self._minutes_before = minutes_before(self.folder)
        # Monotonic, because the clock of the machine may be set while a search trains for hours.
        self._started = time.monotonic()
        self._is_alone = not is_sweep_running(self.folder)
        self._trained: dict[str, SweepMember] = {}
        self.window = Window(settings, planner)

    def run(self) -> int:
        """Trains until the budget is spent, and prints the result; returns the exit code."""
        self._say_start()
        if not self.window.trials:
            # A network that cannot be built is refused now, and not after hours of others.
            build_each(self.ends, self.planner.compose)
        code, confirming = self._search(), list[SweepMember]()
        if code == 0:
            confirming, code = self._confirm()
        print_folder(self.console, self.folder, read_begun(self.folder))
        if self.ends[0].planned.config["sweep"]["report"] and code == 0:
            code = summarise([*self._trained.values()] or self.ends[:1], self.folder, self.console)
        lines = where_to_look(self.folder, bool(ranked(self.window.tried(), 1)))
        for line in (*lines, self._spent()):
            self.console.print(line, soft_wrap=True, highlight=False)
        return code or self._say_failures(confirming)

    def _search(self) -> int:
        """Chooses and trains trials until none is left; returns the exit code."""
        self.window.advance(self._minutes())
        # Written before the first run starts, so that no choice is lost.
        self._save()
        pending = self.window.pending()
        code = 0
        if pending:
            self._trained |= {member.folder.run_id: member for member in pending}
            (self.folder / STOP_FILE).unlink(missing_ok=True)
            try:
                code = train_pending(
                    pending, pending, self.folder, self.console, self._lead, is_open=True
                )
            finally:
                self._save()
        # Without a new result, another round would have ended in the same way.
        return code or int(self.window.is_stopped() or bool(self.window.pending()))

    def _confirm(self) -> tuple[list[SweepMember], int]:
        """Trains the best trials with fresh seeds; returns their runs and the exit code."""
        settings, first = self.settings, self.window.seeds.stop
        best = ranked(self.window.tried(), self._file().sign)[: settings.confirm["top"]]
        return train_fresh_seeds(
            [tried.trial for tried in best],
            range(first, first + settings.confirm["seeds"]),
            self.planner,
            [*self._trained.values()],
            self._note_confirmed,
            self.launcher,
            self.console,
        )

    def _lead(self) -> None:
        """Trains trials, and chooses others from their results."""
        while pending := self.window.pending():
            known = len(self.window.results)
            if self.launcher.workers is None:
                launch_all(pending, self.launcher, self.folder, self.console, self._is_alone)
            else:
                runs = [member.queued() for member in pending]
                self.launcher.workers.train(runs, self.folder, is_one_enough=True)
            self.window.look()
            if len(self.window.results) == known or self.window.is_stopped():
                return
            self.window.advance(self._minutes())
            self._save()
            self._plan_next()

    def _plan_next(self) -> None:
        """Adds the runs of the trials that were chosen to sweep.json, for workers and tables."""
        pending = self.window.pending()
        if not pending:
            return
        self._trained |= {member.folder.run_id: member for member in pending}
        with SweepFile.changing(self.folder):
            file = new_sweep_file(list(self._trained.values()), pending, self.folder)
            assert file is not None, "there are runs to train"
            # The file also lists the runs of earlier rounds, which are over.
            done = frozenset(file.configs.keys() - {m.folder.run_id for m in pending})
            file = replace(file, done_before=done, open=True)
            begin_sweep(file, self.folder, self.console, is_alone=False)

    def _note_confirmed(self, run_ids: Mapping[int, Sequence[str]]) -> None:
        if run_ids:
            self._confirmed = {**self._confirmed, **run_ids}
            self._save()

    def _minutes(self) -> float:
        return self._minutes_before + (time.monotonic() - self._started) / 60

    def _file(self) -> SearchFile:
        """Returns the search as search.json has it."""
        return replace(
            self.settings.search_file(self.planner.space),
            trials=self.window.trials,
            confirmed=self._confirmed,
            minutes=self._minutes(),
        )

    def _save(self) -> None:
        self._file().write(self.folder)

    def _say_start(self) -> None:
        limits = ", ".join(f"{v:,g} {unit}" for unit, v in self.settings.limits.items())
        chosen = len(self.window.trials)
        before = f"; {count(chosen, 'trial')} chosen before" if chosen else ""
        self.console.print(
            f"search by {self.settings.sampler} in {place(self.folder)}: at most {limits}{before}",
            soft_wrap=True,
            highlight=False,
            markup=False,
        )
        first = self.ends[0].planned
        notes = missing_library([first.config], gpu_available)
        notes += slower_options([first.config], gpu_available)
        print_notes([*notes, *first.notes], self.console)

    def _spent(self) -> str:
        """Returns the part of the budget that was used."""
        results = self.window.results.values()
        used = {
            "trials": len(self.window.trials),
            "epochs": sum(result.epochs for result in results),
            "minutes": self._minutes(),
        }
        limits = {"trials": None, "epochs": None, **self.settings.limits}
        parts = [
            f"{used[unit]:,.4g}{'' if limit is None else f' of {limit:,g}'} {unit}"
            for unit, limit in limits.items()
        ]
        return f"search by {self.settings.sampler}: {', '.join(parts)}"

    def _say_failures(self, confirming: list[SweepMember]) -> int:
        """Prints how many trials and confirmations have failed; returns the exit code.

        A run that diverged is done.
        """
        failed = [tried.run_ids for tried in self.window.tried() if tried.state == "failed"]
        done = [all(RunFolder(self.folder / name).record() for name in ids) for ids in failed]
        left = [member for member in confirming if not member.is_done()]
        counts = {"trial": done.count(False), "confirmation": len(left)}
        texts = [count(number, name) for name, number in counts.items() if number]
        if texts:
            quoted = escape(shlex.quote(place(self.folder)))
            text = f"[red]{' and '.join(texts)} failed[/]; why:\n  seqsweep status {quoted}"
            self.console.print(text, soft_wrap=True, highlight=False)
        return int(bool(texts))
