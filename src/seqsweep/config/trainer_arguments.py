"""Checks arguments of `lightning.Trainer` in the section `trainer`. Imports no Lightning."""

import re
from typing import Any

from seqsweep.config.convert import convert
from seqsweep.config.signatures import signature_of
from seqsweep.suggest import nearest_or_all

BUILD_TRAINER = "seqsweep.training.trainer.build_trainer"
_TRAINER = "lightning.pytorch.trainer.trainer.Trainer"
_NAMES = re.compile(r"(lightning(\.pytorch)?|pytorch_lightning)(\.trainer)*\.Trainer")

_REFUSED = {
    "folder": "a run names its own folder; set output_dir",
    "default_root_dir": "a run names its own folder; set output_dir",
    "logger": "choose loggers by the group logger",
    "callbacks": "choose callbacks by the group callbacks",
    "enable_checkpointing": "keep or leave out callbacks.checkpoint",
    "enable_progress_bar": "use trainer.progress_bar",
    "plugins": "a run brings its own plugins",
    "use_distributed_sampler": "a run shares its batches among its processes itself",
    "num_nodes": "a run trains on one machine",
    "limit_predict_batches": "a run predicts nothing",
    "barebones": "a run needs its logs and checkpoints",
    "model_registry": "a run uploads nothing",
}
"""The arguments that a run sets itself, with what to do instead."""


def with_our_target(section: Any) -> Any:
    """Returns the section `trainer` with Lightning's class replaced by `build_trainer`."""
    if isinstance(section, dict) and _NAMES.fullmatch(str(section.get("_target_"))):
        return section | {"_target_": BUILD_TRAINER}
    return section


def check_trainer_arguments(section: dict[str, Any]) -> dict[str, Any]:
    """Returns the section without the arguments that have Lightning's own defaults.

    So a config that names them has the same run_id as one that does not.

    Raises:
        ValueError: a name is unknown, a run sets it itself, or its value has the wrong type.
    """
    if section["_target_"] != BUILD_TRAINER:
        return section
    ours, lightnings = signature_of(BUILD_TRAINER).parameters, signature_of(_TRAINER).parameters
    checked: dict[str, Any] = {}
    for name, value in section.items():
        if name in _REFUSED:
            raise ValueError(f"trainer.{name}={value}: cannot be set; {_REFUSED[name]}")
        if name in ("_target_", *ours):
            checked[name] = value
        elif name in lightnings:
            parameter = lightnings[name]
            # Null means Lightning's default, so it is dropped too.
            if value is not None and value != parameter.default:
                checked[name] = convert(value, parameter.annotation, f"trainer.{name}")
        else:
            known = (ours.keys() | lightnings.keys()) - _REFUSED.keys()
            raise ValueError(f"trainer.{name}: no such key in trainer{nearest_or_all(name, known)}")
    return checked
