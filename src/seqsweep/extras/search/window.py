"""The policy of `hydra/sweeper=optuna`: Optuna chooses trials (configs) from earlier results.

A trial has a run for each seed. At any time at most `parallel` trials have no result yet; these
trials are called the window.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from rich.console import Console

from seqsweep.console import place, print_lines, print_notes
from seqsweep.extras.search.planning import TrialPlanner, check_searchable
from seqsweep.extras.search.searchfile import Trial
from seqsweep.extras.search.session import Policy, Search
from seqsweep.extras.search.settings import allows, needed, optuna_search
from seqsweep.extras.search.space import overrides_of
from seqsweep.extras.search.study import choose, sampler_of
from seqsweep.sweeping.estimates import engine_notes
from seqsweep.sweeping.launchers import RunLauncher
from seqsweep.text import count
from seqsweep.training.limits import Limits


@dataclass(frozen=True, kw_only=True)
class Window(Policy):
    """Chooses the next trial by Optuna, while the budget allows one."""

    @classmethod
    def plan(cls, options: Mapping[str, Any], planner: TrialPlanner) -> Self:
        ends, confirm = planner.plan_ends(), options["confirm"]
        config, monitor = ends[0].config, check_searchable(ends[0])
        new = optuna_search(options, monitor, config["trainer"]["max_epochs"], planner.space)
        sampler_of(new, 0)  # refuses wrong options
        seeds = range(config["seed"], config["seed"] + options["seeds"])
        return cls(
            planner=planner,
            planned=ends,
            new=new,
            seeds=seeds,
            top=confirm["top"],
            fresh=range(seeds.stop, seeds.stop + confirm["seeds"]),
        )

    def choose(self, search: Search) -> Trial | None:
        trials, results = search.trials, search.results()
        if any(number not in results for number in needed(self.new, len(trials))):
            return None
        known = [results.get(trial.number) for trial in trials]
        if not allows(self.new, known, search.minutes()):
            return None
        return choose(self.new, trials, results)

    def judge(self, search: Search) -> dict[str, Limits]:
        return search.limits  # the thresholds were fixed when the trials were chosen

    def is_over(self, search: Search, trial: Trial) -> bool:
        # Later trials were chosen from the result of such a trial.
        return trial.number < len(search.trials) - self.new.settings["parallel"]

    def say(self, search: Search, launcher: RunLauncher, console: Console, is_plan: bool) -> None:
        first = self.planned[0]
        lines = [
            f"search by {self.new.method} in {place(search.folder)}: at most {self.new.limits_text}"
        ]
        if is_plan:
            lines += self._plan_lines(search)
        elif search.before.trials:
            lines.append(f"{count(len(search.before.trials), 'trial')} chosen before")
        print_lines(console, *lines)
        print_notes([*engine_notes([first]), *first.notes], console)

    def _plan_lines(self, search: Search) -> list[str]:
        seeds, epochs = self.new.settings["seeds"], self.new.settings["max_epochs"]
        first = search.trials[: self.new.settings["parallel"]]
        lines = [f"first {count(len(first), 'trial')}, chosen before any result:"]
        lines += [f"  {' '.join(overrides_of(self.planner.space, t.params))}" for t in first]
        lines.append(f"a trial: {count(seeds, 'run')} of at most {count(epochs, 'epoch')}")
        if confirmed := self.top * len(self.fresh):
            lines.append(
                f"at the end {count(self.top, 'best config')} again with {len(self.fresh)} fresh"
                f" seeds: at most {count(confirmed, 'run')}, {confirmed * epochs:,} epochs besides"
                " the budget"
            )
        return lines
