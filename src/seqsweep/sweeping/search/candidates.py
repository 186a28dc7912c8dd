"""Plans the population of a successive halving, and refuses what it cannot judge.

The module imports no torch.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from seqsweep.config.compose import MemberComposer
from seqsweep.results.formatting import count
from seqsweep.runs.searchfile import NAME, SearchFile
from seqsweep.sweeping.members import plan_members
from seqsweep.sweeping.search.comparable import check_comparable
from seqsweep.sweeping.search.halving import Halving
from seqsweep.sweeping.search.judging import Candidate
from seqsweep.training.limits import Limits
from seqsweep.training.planned_run import PlannedRun

_CSV_LOGGER = "EpochCSVLogger"


def plan_candidates(halving: Halving, compose: MemberComposer, folder: Path) -> list[Candidate]:
    """Draws and plans the population; equal configs are one candidate.

    Raises:
        ValueError, TypeError, OSError: a config or its data are refused.
    """
    drawn = halving.drawn()
    jobs = [tuple(halving.overrides(values)) for values in drawn]
    # Of equal draws, the first one counts.
    numbers = {job: number for number, job in reversed(list(enumerate(jobs)))}
    candidates: list[Candidate] = []
    for member in plan_members(jobs, compose, folder):
        number = numbers[tuple(member.overrides)]
        limited = replace(member, planned=replace(member.planned, limits=Limits()))
        candidates.append(Candidate(number, drawn[number], limited, limited.queued()))
    return candidates


def check_candidates(halving: Halving, candidates: Sequence[Candidate], folder: Path) -> None:
    """Refuses runs that cannot be judged, and the folder of another search.

    Raises:
        ValueError: the runs lack what the rungs compare, or the folder holds another search.
    """
    for candidate in candidates:
        _check(candidate.member.planned, halving)
    members = [candidate.member for candidate in candidates]
    check_comparable(halving.space, [(member.overrides, member.planned) for member in members])
    monitors = sorted({c.member.planned.config["monitor"] for c in candidates})
    if len(monitors) > 1:
        raise ValueError(f"monitor={','.join(monitors)}: must be one metric, which ranks the runs")
    before = SearchFile.read(folder)
    if before is None:
        return
    ours = [[candidate.run_id] for candidate in candidates]
    theirs = [list(trial.run_ids) for trial in before.trials]
    if before.method != "halving":
        described = f"a search by {before.method}"
    elif list(before.rungs) != list(halving.rungs):
        described = f"a search with the rungs [{','.join(map(str, before.rungs))}]"
    elif theirs != ours:
        described = f"a search of {count(len(theirs), 'other config')}"
        if theirs == ours[: len(theirs)] or ours == theirs[: len(ours)]:
            described = f"this search with a population of {int(before.budget['trials'])}"
    else:
        return
    # The rungs were judged among those runs, so their decisions are not those of this search.
    raise ValueError(f"{folder / NAME}: is {described}; give this one a sweep.name of its own")


def _check(run: PlannedRun, halving: Halving) -> None:
    """Refuses a run that cannot be judged at the first rung."""
    config, first = run.config, halving.rungs[0]
    if config["rerun"]:
        raise ValueError("rerun=true: must be false for a search, which judges finished epochs")
    every = config["trainer"].get("check_val_every_n_epoch", 1)
    validates = str(config["monitor"]).startswith("val/")
    if validates and every > first:
        raise ValueError(
            f"hydra.sweeper.rungs: the first must be at least {every}, since"
            f" trainer.check_val_every_n_epoch={every} leaves earlier epochs without"
            f" {config['monitor']}"
        )
    if validates and run.splits is not None and "val" not in run.splits:
        raise ValueError(
            f"monitor={config['monitor']}: there is no validation split, by which a search ranks"
            " its runs; give data.val_fraction=0.2"
        )
    targets = [node["_target_"] for node in (config["logger"] or {}).values() if node]
    if not any(target.endswith(_CSV_LOGGER) for target in targets):
        raise ValueError(
            "logger: must be csv or both for a search, which reads the metrics.csv of its runs"
        )
