"""The policy of `hydra/sweeper=optuna`: Optuna chooses trials (configs) from earlier results.

A trial has a run for each seed. At any time at most `parallel` trials have no result yet; these
trials are called the window.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from omegaconf import OmegaConf
from rich.console import Console

from seqsweep.console import place, print_lines, print_notes
from seqsweep.extras.search.planning import TrialPlanner, check_searchable
from seqsweep.extras.search.searchfile import Trial
from seqsweep.extras.search.session import Policy, Search
from seqsweep.extras.search.settings import Settings
from seqsweep.extras.search.space import overrides_of
from seqsweep.extras.search.study import choose, sampler_of
from seqsweep.sweeping.estimates import engine_notes
from seqsweep.sweeping.launchers import RunLauncher
from seqsweep.sweeping.queue import SweepMember
from seqsweep.text import count
from seqsweep.training.limits import Limits


@dataclass(frozen=True)
class Window(Policy):
    """Chooses the next trial by Optuna, while the budget allows one.

    Attributes:
        seeds: the seeds of a trial's runs.
    """

    settings: Settings
    seeds: range

    @classmethod
    def plan(cls, options: Mapping[str, Any], planner: TrialPlanner) -> Self:
        """Plans and checks a search with these keys of `hydra.sweeper`, without `params`."""
        ends = planner.plan_ends()
        config, monitor = ends[0].config, check_searchable(ends[0])
        settings = Settings(monitor, config["trainer"]["max_epochs"], **_plain(options))
        sampler_of(settings, settings.seed)  # refuses wrong options
        seeds = range(config["seed"], config["seed"] + settings.seeds)
        top, fresh = settings.confirm["top"], settings.confirm["seeds"]
        return cls(
            planner=planner,
            planned=ends,
            new=settings.search_file(planner.space),
            top=top,
            fresh=range(seeds.stop, seeds.stop + fresh),
            settings=settings,
            seeds=seeds,
        )

    def runs(self, trial: Trial) -> list[SweepMember]:
        return self.planner.plan(trial.params, self.seeds)

    def choose(self, search: Search) -> Trial | None:
        trials, results = search.trials, search.results()
        if any(number not in results for number in self.settings.needed(len(trials))):
            return None
        known = [results.get(trial.number) for trial in trials]
        if not self.settings.allows(known, search.minutes()):
            return None
        return choose(self.settings, self.planner.space, trials, results)

    def judge(self, search: Search) -> dict[str, Limits]:
        return search.limits  # the thresholds were fixed when the trials were chosen

    def is_over(self, search: Search, trial: Trial) -> bool:
        # Later trials were chosen from the result of such a trial.
        return trial.number < len(search.trials) - self.settings.parallel

    def say(self, search: Search, launcher: RunLauncher, console: Console, is_plan: bool) -> None:
        settings, first = self.settings, self.planned[0]
        limits = ", ".join(f"{limit:,g} {unit}" for unit, limit in settings.budget.items())
        lines = [f"search by {settings.sampler} in {place(search.folder)}: at most {limits}"]
        if is_plan:
            lines += self._plan_lines(search)
        elif search.before.trials:
            lines.append(f"{count(len(search.before.trials), 'trial')} chosen before")
        print_lines(console, *lines)
        print_notes([*engine_notes([first]), *first.notes], console)

    def _plan_lines(self, search: Search) -> list[str]:
        settings, epochs = self.settings, self.settings.max_epochs
        first = search.trials[: settings.parallel]
        lines = [f"first {count(len(first), 'trial')}, chosen before any result:"]
        lines += [f"  {' '.join(overrides_of(self.planner.space, t.params))}" for t in first]
        lines.append(f"a trial: {count(settings.seeds, 'run')} of at most {count(epochs, 'epoch')}")
        if confirmed := self.top * len(self.fresh):
            lines.append(
                f"at the end {count(self.top, 'best config')} again with {len(self.fresh)} fresh"
                f" seeds: at most {count(confirmed, 'run')}, {confirmed * epochs:,} epochs besides"
                " the budget"
            )
        return lines


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns options as plain values; groups such as `budget` lose their null options."""
    plain: Any = OmegaConf.to_container(OmegaConf.create(dict(options)))
    for key, group in plain.items():
        if isinstance(group, dict):
            plain[key] = {name: each for name, each in group.items() if each is not None}
    return plain
