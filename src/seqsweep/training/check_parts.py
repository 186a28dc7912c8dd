"""The check that everything a config names can be built, before anything starts."""

import functools
import json
from pathlib import Path
from typing import Any

from seqsweep.training.build_run import build_run
from seqsweep.training.engine import engine_of
from seqsweep.training.engines.native.member import PoolMember
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.run_data import build_data, data_of
from seqsweep.training.trainer import build_trainer, takes_gpu


def check_parts(run: PlannedRun, root: Path) -> None:
    """Builds the parts of a run, shared ones once, and drops them.

    Raises:
        ValueError, TypeError, OSError: what a constructor refuses, before anything has started.
    """
    folder = root / run.run_id
    if engine_of(run.config, takes_gpu) == "autograd":
        build_run(run.config, folder)
        return
    _check_trainer(json.dumps(run.config["trainer"], sort_keys=True))
    # The seed is left out, because it would make the section of each member another one.
    _check_data(json.dumps(run.config["data"] | {"seed": 0}, sort_keys=True))
    # Building is the check, so that no rule of a constructor stands twice.
    PoolMember(run, folder, data_of(run.config["data"]).prepared, {})


@functools.lru_cache(maxsize=64)
def _check_data(section: str) -> None:
    build_data({"data": json.loads(section)})


@functools.lru_cache(maxsize=64)
def _check_trainer(section: str) -> None:
    options: dict[str, Any] = json.loads(section)
    options.pop("_target_", None)
    build_trainer(**options, folder=Path(), logger=[], callbacks=[])
