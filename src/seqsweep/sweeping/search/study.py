"""The study of a search, which chooses and tells trials in a fixed order.

With a window of `parallel` trials, trial n is chosen when exactly the trials 0 to n - parallel have
been told, in the order of their numbers. So the choice depends on the results alone, and not on
which run ends first, nor on where the search was interrupted.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.trial import FrozenTrial, TrialState

from seqsweep.console import place
from seqsweep.runs.files import write_bytes
from seqsweep.runs.searchfile import SearchFile
from seqsweep.sweeping.search.journal import ASKED, IDENTITY, NAME, Journal, identity_in, rewind
from seqsweep.sweeping.search.pruning import Judged, known_values
from seqsweep.sweeping.search.sampler_classes import PointSampler
from seqsweep.sweeping.search.samplers import distributions_of, sampler_of
from seqsweep.sweeping.search.settings import Settings
from seqsweep.sweeping.search.space import Space
from seqsweep.sweeping.search.trials import Result

STUDY_NAME = "seqsweep"

_STATES = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True)
class Chosen:
    """A trial that the sampler has chosen.

    Attributes:
        number: from 0, in the order of the choices.
        params: the value of each searched key; a choice is the text of an override.
        run_ids: its runs, one for each seed.
        thresholds: of its pruner.
        refusal: why its config was refused; None for a config that can be trained.
    """

    number: int
    params: Mapping[str, Any]
    run_ids: Sequence[str] = ()
    thresholds: Mapping[int, float] = field(default_factory=dict[int, float])
    refusal: str | None = None


class SearchStudy:
    """An Optuna study whose trials are chosen and told in a fixed order.

    Args:
        settings: of the search.
        space: of the search.
        storage: of the study.
    """

    def __init__(self, settings: Settings, space: Space, storage: BaseStorage) -> None:
        self.settings = settings
        self.space = space
        self.storage = storage
        self._put_back: Callable[[], object] = lambda: None
        self.study = optuna.create_study(
            storage=storage,
            study_name=STUDY_NAME,
            directions=list(settings.directions),
            load_if_exists=True,
        )
        if IDENTITY not in self.study.user_attrs:
            self.study.set_user_attr(IDENTITY, _identity(settings, space))
        trials = self.study.get_trials(deepcopy=False)
        self.chosen = [_chosen(trial) for trial in trials]
        self.results = [_result(trial) for trial in trials if trial.state.is_finished()]
        self._judged = [
            _judge(number, result)
            for number, result in enumerate(self.results)
            if result.state != "failed"
        ]

    @classmethod
    def in_folder(cls, settings: Settings, space: Space, folder: Path) -> "SearchStudy":
        """Returns the study of a folder, as its last choice has left it.

        Raises:
            ValueError: the folder holds another search.
        """
        theirs, ours = identity_in(folder / NAME), _identity(settings, space)
        if theirs is not None and theirs != ours:
            differing = [key for key in ours if theirs.get(key) != ours[key]]
            raise ValueError(
                f"{place(folder)}: holds a search with another "
                f"{' and another '.join(differing) or 'version'}; give another sweep.name"
            )
        written = SearchFile.read(folder)
        # Also where a power failure has emptied the journal, the same search continues.
        if written is not None and (
            written.method != settings.sampler or not (folder / NAME).exists()
        ):
            raise ValueError(
                f"{place(folder)}: holds a search by {written.method} and no journal of this "
                "one; give another sweep.name"
            )
        before = rewind(folder / NAME)
        study = cls(settings, space, JournalStorage(Journal(str(folder / NAME))))
        study._put_back = lambda: write_bytes(folder / NAME, before)
        return study

    @classmethod
    def in_memory(cls, settings: Settings, space: Space) -> "SearchStudy":
        """Returns a new study that is written nowhere."""
        return cls(settings, space, InMemoryStorage())

    def put_back(self) -> None:
        """Writes the journal as it was before; for a search that does not continue."""
        self._put_back()

    def sample(self) -> Chosen:
        """Returns the params and thresholds of the next trial; `accept` completes the choice."""
        number = len(self.chosen)
        sampler = sampler_of(self.settings, self.space, self.study, number)
        self.study.sampler = sampler
        trial = self.study.ask(distributions_of(self.space))
        if isinstance(sampler, PointSampler):
            for key, value in sampler.notes.items():
                trial.set_user_attr(key, value)
        pruner = self.settings.pruner
        thresholds = {} if pruner is None else pruner.thresholds(number, self._judged)
        return Chosen(number, trial.params, thresholds=thresholds)

    def accept(self, chosen: Chosen) -> None:
        """Writes the runs of the trial that `sample` has returned."""
        content = {
            "run_ids": list(chosen.run_ids),
            "thresholds": {str(epoch): value for epoch, value in chosen.thresholds.items()},
            "refusal": chosen.refusal,
        }
        self.storage.set_trial_user_attr(self._id(chosen.number), ASKED, content)
        self.chosen.append(chosen)

    def tell(self, result: Result) -> None:
        """Writes the result of the first trial without one."""
        number = len(self.results)
        trial_id = self._id(number)
        if len(self.settings.objectives) == 1:
            for epoch, value in known_values(result.curve).items():
                self.storage.set_trial_intermediate_value(trial_id, epoch, value)
        self.storage.set_trial_user_attr(trial_id, "epochs", result.epochs)
        self.storage.set_trial_user_attr(trial_id, "seconds", result.seconds)
        values = list(result.values or ()) if result.state == "complete" else None
        self.study.tell(number, values, _STATES[result.state])
        self.results.append(result)
        if result.state != "failed":
            self._judged.append(_judge(number, result))

    def _id(self, number: int) -> int:
        study_id = self.storage.get_study_id_from_name(STUDY_NAME)
        return self.storage.get_trial_id_from_study_id_trial_number(study_id, number)


def _identity(settings: Settings, space: Space) -> dict[str, Any]:
    """Returns what decides the choices of a search, as JSON holds it."""
    values = {key: repr(space[key]) for key in sorted(space)}
    identity: dict[str, Any] = json.loads(json.dumps(settings.identity() | {"space": values}))
    return identity


def _chosen(trial: FrozenTrial) -> Chosen:
    content = trial.user_attrs[ASKED]
    thresholds = {int(epoch): value for epoch, value in content["thresholds"].items()}
    return Chosen(trial.number, trial.params, content["run_ids"], thresholds, content["refusal"])


def _result(trial: FrozenTrial) -> Result:
    state = next(name for name, state in _STATES.items() if state == trial.state)
    values = trial.intermediate_values
    curve = [values.get(epoch, math.nan) for epoch in range(1, max(values, default=0) + 1)]
    attrs = trial.user_attrs
    return Result(state, trial.values, attrs["epochs"], attrs["seconds"], curve)  # pyright: ignore[reportArgumentType]


def _judge(number: int, result: Result) -> Judged:
    return Judged(number, result.state == "complete", result.curve)
