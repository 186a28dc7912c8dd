"""The policy of `hydra/sweeper=optuna`: Optuna chooses trials (configs) from earlier results.

Optuna's study (its list of trials with results) is rebuilt from search.json and the records of the
runs. With a window of `parallel` trials, trial n is chosen when the study has exactly the results
of the trials 0 to n - parallel, in the order of their numbers. Each trial has a new sampler, whose
seed follows from the seed of the search and the number of the trial. So a choice depends only on
the results, and not on which run ends first, where the search was interrupted, or what a process
has in memory.
"""

import functools
import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import optuna
from optuna import distributions
from optuna.exceptions import ExperimentalWarning
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import InMemoryStorage
from optuna.trial import create_trial
from rich.console import Console

from seqsweep.console import place, print_lines, print_notes
from seqsweep.extras.search.planning import TrialPlanner, check_searchable
from seqsweep.extras.search.searchfile import NAME, Choice, Numbers, SearchFile, Space, Trial
from seqsweep.extras.search.session import Policy, Search
from seqsweep.extras.search.settings import allows, needed, optuna_search, rule_of
from seqsweep.extras.search.space import overrides_of, rounded
from seqsweep.extras.search.trials import Result, TrialState, read_trials
from seqsweep.sweeping.estimates import engine_notes
from seqsweep.sweeping.launchers import RunLauncher
from seqsweep.text import count
from seqsweep.training.limits import Limits

optuna.logging.set_verbosity(optuna.logging.WARNING)

_STATES: Mapping[TrialState, optuna.trial.TrialState] = {
    "running": optuna.trial.TrialState.RUNNING,
    "complete": optuna.trial.TrialState.COMPLETE,
    "pruned": optuna.trial.TrialState.PRUNED,
    "failed": optuna.trial.TrialState.FAIL,
}


@dataclass(frozen=True, kw_only=True)
class Window(Policy):
    """Chooses the next trial by Optuna, while the budget allows one.

    A trial has a run for each seed. At any time at most `parallel` trials have no result yet; these
    trials are called the window.
    """

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

    @functools.cached_property
    def _study(self) -> "SearchStudy":
        return SearchStudy(self.new)

    def choose(self, search: Search) -> Trial | None:
        trials, results = search.trials, search.results()
        if any(number not in results for number in needed(self.new, len(trials))):
            return None
        known = [results.get(trial.number) for trial in trials]
        if not allows(self.new, known, search.minutes()):
            return None
        return self._study.choose(trials, results)

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


def read_study(folder: Path | str) -> optuna.Study:
    """Returns the search of a folder as an Optuna study in memory, with all trials.

    Raises:
        FileNotFoundError: the folder holds no search.
    """
    folder = Path(folder)
    search = SearchFile.read(folder)
    if search is None:
        raise FileNotFoundError(f"{place(folder / NAME)}: no such file: the folder holds no search")
    study = MemoryStudy(search.space, search.sign)
    for trial in read_trials(search, folder):
        study.add(trial)
        study.tell(trial.number, trial.result)
    return study.study


class MemoryStudy:
    """An Optuna study in memory, filled with known trials in their order.

    Args:
        sign: -1 to maximize, 1 to minimize.
    """

    def __init__(self, space: Space, sign: int) -> None:
        self.distributions = {key: distribution(values) for key, values in space.items()}
        self.storage = InMemoryStorage()
        direction = "maximize" if sign < 0 else "minimize"
        self.study = optuna.create_study(storage=self.storage, direction=direction)
        self._id = self.storage.get_study_id_from_name(self.study.study_name)

    def add(self, trial: Trial) -> None:
        """Adds the next trial, which counts as running until `tell`."""
        state, params = _STATES["running"], dict(trial.params)
        added = create_trial(state=state, params=params, distributions=self.distributions)
        self.study.add_trial(added)

    def tell(self, number: int, result: Result) -> None:
        """Adds the result of a trial; a running trial stays as it is."""
        if result.state == "running":
            return
        for epoch, value in enumerate(result.curve, start=1):
            if value is not None:
                self.storage.set_trial_intermediate_value(self.trial_id(number), epoch, value)
        value = result.value if result.state == "complete" else None
        self.study.tell(number, value, _STATES[result.state])

    def trial_id(self, number: int) -> int:
        """Returns the id that the storage gives to a trial."""
        return self.storage.get_trial_id_from_study_id_trial_number(self._id, number)


def distribution(values: Numbers | Choice) -> distributions.BaseDistribution:
    """Returns the Optuna distribution of a key's values."""
    if isinstance(values, Choice):
        return distributions.CategoricalDistribution(tuple(values.choices))
    low, high, log, step = values.low, values.high, values.log, values.step
    if values.integer:
        step = round(step or 1)
        return distributions.IntDistribution(round(low), round(high), log=log, step=step)
    return distributions.FloatDistribution(low, high, log=log, step=step)


def importances(
    trials: Sequence[Trial], costs: Mapping[int, float], space: Space
) -> dict[str, float]:
    """Returns each key's importance by PED-ANOVA, largest first, with sum 1.

    All importances are 0 if the best trials cannot be distinguished from all trials.

    Args:
        costs: the values of the compared trials by number; lower is better.
    """
    study = MemoryStudy(space, sign=1)
    for number, trial in enumerate(trial for trial in trials if trial.number in costs):
        study.add(trial)
        study.tell(number, Result("complete", costs[trial.number]))
    # Optuna warns if all keys are equally important, and because `normalize` is experimental.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluator = PedAnovaImportanceEvaluator()
        found = get_param_importances(study.study, evaluator=evaluator, normalize=False)
    total = sum(found.values())
    ordered = sorted(found.items(), key=lambda item: -item[1])
    return {key: value / total if total > 0 else 0.0 for key, value in ordered}


def sampler_of(search: SearchFile, seed: int) -> BaseSampler:
    """Returns a new sampler.

    Raises:
        ValueError, TypeError: the sampler refuses its options.
    """
    if search.method == "random":
        return RandomSampler(seed)
    # Bergstra et al. 2011, NeurIPS. A trial without a result counts as bad, so that new trials do
    # not cluster around it. Each key is chosen by itself; Optuna 5 would choose all keys together.
    options: dict[str, Any] = {"constant_liar": True, "multivariate": False}
    options |= search.settings["sampler_options"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return TPESampler(seed=seed, **options)


class SearchStudy(MemoryStudy):
    """A study that chooses trials; a new one makes the same choices."""

    def __init__(self, search: SearchFile) -> None:
        super().__init__(search.space, search.sign)
        self.search = search
        self._added = self._told = 0

    def choose(self, trials: Sequence[Trial], results: Mapping[int, Result]) -> Trial:
        """Returns the next trial of the search, without its runs.

        Args:
            trials: all trials that were chosen before.
            results: the results by number, at least for the trials in `needed`.
        """
        number, told = len(trials), needed(self.search, len(trials))
        for trial in trials[self._added :]:
            self.add(trial)
        for each in told[self._told :]:
            self.tell(each, results[each])
        self._added, self._told = number + 1, len(told)
        params, rule = self._ask(number), rule_of(self.search)
        known = {each: results[each] for each in told}
        return Trial(number, params, thresholds=rule.thresholds(number, known) if rule else {})

    def _ask(self, number: int) -> dict[str, Any]:
        """Adds a trial whose params the sampler chooses; returns the params."""
        digest = hashlib.sha256(f"{self.search.settings['seed']}/{number}".encode()).digest()
        self.study.sampler = sampler_of(self.search, int.from_bytes(digest[:4]))
        asked = self.study.ask(self.distributions)
        space = self.search.space
        params = {key: rounded(space[key], value) for key, value in asked.params.items()}
        # The study gets the rounded numbers, with which the runs are trained.
        for key, value in params.items():
            drawn = self.distributions[key]
            internal = drawn.to_internal_repr(value)
            self.storage.set_trial_param(self.trial_id(number), key, internal, drawn)
        return params
