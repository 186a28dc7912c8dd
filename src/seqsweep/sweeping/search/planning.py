"""Plans the runs of trials: their configs, and their checks before the first run."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from seqsweep.config.compose import MemberComposer
from seqsweep.config.where_set import with_place
from seqsweep.sweeping.members import SweepMember, labelled
from seqsweep.sweeping.search.comparable import check_comparable
from seqsweep.sweeping.search.space import Choice, Space
from seqsweep.sweeping.search.unit_cube import value_at
from seqsweep.training.limits import Limits
from seqsweep.training.planned_run import PlannedRun, plan

Planned = dict[str, tuple[Sequence[str], PlannedRun]]
"""The overrides and the planned run by run_id."""

_SEED = "seed"

_SEARCH_NEEDS_ONE_VALUE = {
    "monitor": "the search judges all trials by one metric",
    "trainer.max_epochs": "the budget and the pruner count the epochs of a trial",
    "output_dir": "a search has one folder",
    _SEED: "hydra.sweeper.seeds=5 trains each trial with five seeds",
}


@dataclass(frozen=True)
class TrialPlanner:
    """Turns the params of trials into planned runs.

    Attributes:
        compose: composes the config of a run.
        fixed: the overrides that all trials share.
        space: of the search.
    """

    compose: MemberComposer
    fixed: Sequence[str]
    space: Space

    @functools.cached_property
    def seed(self) -> int:
        """The first seed of a trial: the seed of the config."""
        # The overrides of `plan` set a seed, which would hide that of the config.
        run = self._plan_run([*self.fixed, *self.overrides(self._first_params())])
        return run.config[_SEED]

    def plan(self, params: Mapping[str, Any], seeds: Sequence[int]) -> Planned:
        """Plans the runs of a trial, one for each seed.

        Raises:
            HydraException, ValueError, TypeError, OSError: the config or its data are refused.
        """
        planned: Planned = {}
        for seed in seeds:
            job = [*self.fixed, *self.overrides(params), f"{_SEED}={seed}"]
            member = self._plan_run(job)
            planned[member.run_id] = job, member
        return planned

    def _plan_run(self, job: Sequence[str]) -> PlannedRun:
        try:
            return plan(self.compose.checked(job))
        except (ValueError, TypeError, OSError) as error:
            raise with_place(error, self.compose.full(job).hydra) from error

    def overrides(self, params: Mapping[str, Any]) -> list[str]:
        """Returns the params of a trial as overrides."""
        return [
            # A choice is the text of an override already.
            f"{key}={params[key] if isinstance(values, Choice) else repr(params[key])}"
            for key, values in self.space.items()
        ]

    def values(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the params as plain values: the choice `16` as a number."""
        parser = OverridesParser.create()
        values: dict[str, Any] = {}
        for key, value in params.items():
            if isinstance(self.space[key], Choice):
                parsed = parser.parse_override(f"{key}={value}").value()
                is_plain = parsed is None or isinstance(parsed, (bool, int, float))
                values[key] = parsed if is_plain else value
            else:
                values[key] = value
        return values

    def plan_ends(self) -> Planned:
        """Plans a run for each choice and both ends of each interval.

        The first of these runs has the first value of every key.

        Raises:
            HydraException, ValueError, TypeError, OSError: a value is refused, or the
                trials would not have the same validation and test sequences.
        """
        for key, reason in _SEARCH_NEEDS_ONE_VALUE.items():
            if key in self.space:
                raise HydraException(f"{key}: must have one value in a search: {reason}")
        first = self._first_params()
        planned = self.plan(first, [self.seed])
        for key, values in self.space.items():
            if isinstance(values, Choice):
                ends = list(values.values)[1:]
            else:
                ends = [value_at(values, 1.0)]
            for value in ends:
                planned |= self.plan({**first, key: value}, [self.seed])
        check_comparable(self.space, planned.values())
        return planned

    def _first_params(self) -> dict[str, Any]:
        """Returns the first value of every key."""
        return {key: value_at(values, 0.0) for key, values in self.space.items()}


def members_of(
    planned: Planned, thresholds: Mapping[str, Mapping[int, float]], folder: Path
) -> list[SweepMember]:
    """Returns the members of a sweep with the thresholds of their runs.

    Args:
        planned: the runs.
        thresholds: by run_id, for the runs of a search that prunes.
        folder: the sweep's folder.
    """
    limited: Planned = {}
    for run_id, (overrides, run) in planned.items():
        if run_id in thresholds:
            run = replace(run, limits=Limits(thresholds[run_id]))
        limited[run_id] = overrides, run
    return labelled(limited, folder)
