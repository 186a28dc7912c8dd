"""One run, from its config to its record, by whichever engine trains it."""

import functools
import json
from pathlib import Path

from lightning.pytorch.callbacks import Callback

from seqsweep.training.build_run import build_data, build_run
from seqsweep.training.data_cache import prepared
from seqsweep.training.engine import engine_of
from seqsweep.training.engines.autograd import train_by_autograd
from seqsweep.training.engines.joint.member import TrainingMember
from seqsweep.training.engines.native.run import train_pool
from seqsweep.training.engines.stacked.company import begun_with
from seqsweep.training.engines.stacked.run import train_stack
from seqsweep.training.outcome import Outcome
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.trainer import build_trainer, takes_gpu


def train(
    member: PlannedRun,
    root: Path,
    progress: Callback | None = None,
    engine: str | None = None,
) -> Outcome:
    """Trains one run in `root`/run_id, from where an earlier attempt was stopped or killed.

    Args:
        member: a checked and identified config.
        root: the folder of the runs.
        progress: a progress bar for a terminal.
        engine: the one that trains it, in place of the config's choice.

    Raises:
        ValueError, TypeError, OSError: the config cannot be built; nothing has been written.
        Locked: another process trains this run.
        Interrupted: a signal came; the run resumes from its last epoch next time.
        RunFailed: training failed; failure.json holds the traceback.
    """
    config = member.config if engine is None else member.config | {"engine": engine}
    engine = engine_of(config, takes_gpu)
    if engine == "autograd":
        return train_by_autograd(member, root, progress)
    if engine == "native":
        (outcome,) = train_pool([member], root, 1, progress)
    else:
        outcome = _train_stacked(member, root, progress)
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def _train_stacked(
    member: PlannedRun, root: Path, progress: Callback | None
) -> Outcome | BaseException:
    """Trains a run alone, or with the stack that it began in as part of a sweep."""
    company, *_ = [*begun_with({member.run_id: member}, root), [member]]
    outcomes = train_stack(company, root, progress)
    return outcomes[[other.run_id for other in company].index(member.run_id)]


def check_parts(member: PlannedRun, root: Path) -> None:
    """Builds the parts of a run and throws them away; parts that runs share are built once.

    Raises:
        ValueError, TypeError, OSError: what a constructor refuses, before anything has started.
    """
    folder = root / member.run_id
    if engine_of(member.config, takes_gpu) == "autograd":
        build_run(member.config, folder)
        return
    _check_trainer(json.dumps(member.config["trainer"], sort_keys=True))
    _check_data(json.dumps(member.config["data"] | {"seed": 0}, sort_keys=True))
    TrainingMember(member, folder, prepared(member.config), {})


@functools.lru_cache(maxsize=64)
def _check_data(section: str) -> None:
    build_data({"data": json.loads(section)})


@functools.lru_cache(maxsize=64)
def _check_trainer(section: str) -> None:
    options = {name: v for name, v in json.loads(section).items() if name != "_target_"}
    build_trainer(**options, folder=Path(), logger=[], callbacks=[])
