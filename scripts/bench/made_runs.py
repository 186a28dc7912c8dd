"""Configs and files for benchmarks on sweeps whose runs were never trained."""

import math
from typing import Any

from hydra import compose, initialize_config_dir

from seqsweep.config import CONF_DIR
from seqsweep.config.from_overrides import VERSION_BASE
from seqsweep.config.schema import Config, check


def compose_configs(*overrides: list[str]) -> list[Config]:
    """Composes and checks one config for each list of overrides."""
    with initialize_config_dir(str(CONF_DIR), **VERSION_BASE):
        return [check(compose("train", each)) for each in overrides]


def make_diagnosis(classes: int) -> dict[str, Any]:
    """Makes the content of a run's diagnostics.json: gradients through time, trajectories."""
    path = [[math.cos(step), math.sin(step)] for step in range(20)]
    paths = {str(index): {"mean": path, "sequences": [path] * 3} for index in range(classes)}
    gradient = {"layer 1": [math.exp(-step) for step in range(20)]}
    return {"gradient": gradient, "trajectories": {"explained": [0.5, 0.2], "classes": paths}}
