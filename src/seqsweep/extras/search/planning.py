"""Plans the runs of trials (chosen configs); refuses runs that a search cannot compare."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from seqsweep.config.compose import MemberComposer
from seqsweep.config.messages import explain
from seqsweep.extras.search.searchfile import Choice, Space
from seqsweep.extras.search.space import overrides_of, parse, value_at
from seqsweep.results.data_sets import Sets, sets_of, why_apart
from seqsweep.runs.identity import REPLICATE_KEYS
from seqsweep.runs.ledger import Entry
from seqsweep.runs.metrics import Metric, monitor_of_config
from seqsweep.runs.record import Record
from seqsweep.runs.run_folder import RunFolder
from seqsweep.sweeping.members import plan_members
from seqsweep.sweeping.queue import SweepMember
from seqsweep.training.fed_loggers import writes_rows
from seqsweep.training.planned_run import PlannedRun

_OWN_SEARCH = "give each value a search with a sweep.name of its own"

_NEEDS_ONE_VALUE = (
    "monitor", "monitor_mode", "trainer.max_epochs", "output_dir", *REPLICATE_KEYS
)  # fmt: skip
"""Keys that a search must not vary: they change the ranking or the folder, or let luck decide."""

_INSIDE = 0.2361
"""A position in an interval where a whole number is unlikely."""


@dataclass(frozen=True)
class TrialPlanner:
    """Plans the runs of trials from the values chosen for each key (`params`)."""

    compose: MemberComposer
    fixed: Sequence[str]
    space: Space
    folder: Path

    @classmethod
    def of(cls, overrides: Sequence[str], compose: MemberComposer, folder: Path) -> "TrialPlanner":
        """Returns the planner of a search; refuses overrides that give no usable space."""
        parser = OverridesParser.create(config_loader=compose.loader)
        fixed, space = parse(overrides, parser)
        if not space:
            raise HydraException(
                "a search needs a space: several values for at least one key, such as"
                " 'optimizer.lr=tag(log,interval(0.001,0.1))'"
            )
        for key in space:
            if key.lstrip("+") in _NEEDS_ONE_VALUE:
                raise ValueError(
                    f"{key}: must have one value in a search, which ranks its trials together;"
                    f" {_OWN_SEARCH}"
                )
        return cls(compose, fixed, space, folder)

    def plan(
        self, params: Mapping[str, Any], seeds: Sequence[int] | None = None
    ) -> list[SweepMember]:
        """Plans a trial's run for each seed, or one run with the config's seed."""
        # If a key has two values, the last value counts.
        job = (*self.fixed, *overrides_of(self.space, params))
        jobs = (job,) if seeds is None else tuple((*job, f"seed={seed}") for seed in seeds)
        if jobs not in self._planned:
            self._planned[jobs] = plan_members(jobs, self.compose, self.folder)
        return self._planned[jobs]

    @functools.cached_property
    def _planned(self) -> dict[Sequence[Sequence[str]], list[SweepMember]]:
        """The planned runs by their overrides, since planning takes a millisecond."""
        return {}

    def plan_ends(self) -> list[SweepMember]:
        """Plans runs with all choices and both ends of intervals, as a check.

        The first of these runs has the first value of every key.

        Raises:
            HydraException, ValueError, TypeError, OSError: a value is refused, or the trials cannot
                be compared.
        """
        first = {key: value_at(values, 0.0) for key, values in self.space.items()}
        planned = [*self.plan(first)]
        for key, values in self.space.items():
            is_choice = isinstance(values, Choice)
            for value in values.choices[1:] if is_choice else [value_at(values, 1.0)]:
                planned += self.plan({**first, key: value})
            if is_choice or values.integer:
                continue
            try:
                # A key may need whole numbers, although both ends of its interval are accepted.
                self.plan({**first, key: value_at(values, _INSIDE)})
            except ValueError as error:
                whole = f"{key}=int(interval({values.low:g},{values.high:g}))"
                raise ValueError(f"{explain(error)}; or give '{whole}'") from None
        check_comparable(planned)
        return planned


def check_comparable(members: Sequence[SweepMember]) -> None:
    """Refuses runs that would be evaluated on different sequences."""
    first, *others = members
    sets = _sets_of(first)
    for other in others:
        if reason := why_apart(sets, _sets_of(other)):
            raise ValueError(
                f"{_differing(other.overrides, first.overrides)}: {reason} than"
                f" {_differing(first.overrides, other.overrides)}: a search ranks its trials"
                f" together, so all must have the same validation and test sequences; {_OWN_SEARCH}"
            )


def check_searchable(run: PlannedRun, first_rung: int | None = None) -> Metric:
    """Returns a run's monitor; refuses runs that a search cannot judge.

    Args:
        first_rung: the first number of epochs after which runs are judged; None for their end.
    """
    if run.config["rerun"]:
        raise ValueError("rerun=true: must be false in a search; give another sweep.name")
    monitor = monitor_of_config(run.config)
    if monitor is None:
        raise ValueError("monitor=null: must be a metric in a search, which ranks its runs by it")
    needs_validation = monitor.split_name == "val"
    if needs_validation and run.splits is not None and "val" not in run.splits:
        raise ValueError(
            f"monitor={monitor}: there is no validation split, by which a search ranks its runs;"
            " give data.val_fraction=0.2"
        )
    every = run.config["trainer"].get("check_val_every_n_epoch", 1)
    if first_rung is not None and needs_validation and every > first_rung:
        raise ValueError(
            f"hydra.sweeper.rungs: the first must be at least {every}, since"
            f" trainer.check_val_every_n_epoch={every} leaves earlier epochs without {monitor}"
        )
    if not writes_rows(run.config):
        raise ValueError(
            "logger: must be csv or both for a search, which reads the metrics.csv of its runs"
        )
    return monitor


def _sets_of(run: PlannedRun) -> Sets:
    record = Record.of(run.record("complete", {}))
    return sets_of(Entry(RunFolder(Path(run.run_id)), "complete", run.flat, record, None))


def _differing(overrides: Sequence[str], others: Sequence[str]) -> str:
    """Returns the overrides that `others` lacks: only those of `data`, if there are any."""
    differing = [text for text in overrides if text not in others]
    return " ".join([text for text in differing if text.startswith("data")] or differing)
