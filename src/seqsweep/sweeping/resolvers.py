"""Registers the functions that conf/train.yaml and `train --help` call as `${name:...}`."""

import os
import re
import sys
from pathlib import Path

from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from seqsweep.config.from_overrides import register_resolver
from seqsweep.config.question import sweep_name
from seqsweep.training.run_data import data_fingerprint

_MADE_NAME = "SEQSWEEP_SWEEP_FOLDER"
"""The environment variable that passes a sweep's name to jobs in other processes."""


def folder_name(name: str, key: str) -> str:
    """Returns a name after checking that it names one folder.

    Args:
        key: the key of the name in the config, for the message.

    Raises:
        ValueError: the name could lead to another folder.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", str(name)):
        raise ValueError(
            f"{key}={name!r}: must be letters, digits, '-', '_' and '.', a letter or digit first"
        )
    return str(name)


def absolute_path(path: object) -> str:
    """Returns the absolute path of `output_dir`.

    Raises:
        ValueError: the path is neither text nor a number.
    """
    if not isinstance(path, (str, int, float)):
        raise ValueError(f"output_dir={'null' if path is None else path}: must be text")
    return str(Path(str(path)).expanduser().absolute())


def refuse_ignored(hydra: DictConfig) -> None:
    """Raises a ValueError for values of Hydra's keys that would misplace runs."""
    if hydra.job.chdir:
        raise ValueError("hydra.job.chdir=true: must be false; runs use the command's folder")
    if (subdir := hydra.sweep.subdir) != ".":
        raise ValueError(f"hydra.sweep.subdir={subdir}: must be '.'; a run's folder is its run_id")


def _sweep_folder(*, _root_: DictConfig) -> str:
    """Returns `sweep.name`, or a name made from the swept keys.

    The config of a job does not hold the swept keys. So the sweep, whose config has no `job.num`,
    passes the name to its jobs in an environment variable.

    Raises:
        ValueError: the name could lead to another folder, or is missing and cannot be made.
    """
    refuse_ignored(_root_.hydra)
    name = _root_.sweep.name
    if name is not None:
        return folder_name(name, "sweep.name")
    folder_name(_root_.name, "name")
    if OmegaConf.is_missing(_root_.hydra.job, "num"):
        os.environ[_MADE_NAME] = sweep_name(_root_, data_fingerprint)
    if _MADE_NAME not in os.environ:
        raise ValueError(f"sweep.name: {_root_.hydra.launcher._target_} needs sweep.name=NAME")
    return os.environ[_MADE_NAME]


def _config_groups() -> str:
    """Returns the config groups and their options, for `train --help`.

    Hydra's own list also has files that only other options read, such as data/_loading. Hydra asks
    for the text in every command, but needs it only for `--help`. Making it would take a third of
    a command's time.
    """
    if not {"-h", "--help"} & set(sys.argv):
        return ""
    app = GlobalHydra.instance().hydra
    assert app is not None  # Hydra calls this function
    lines: list[str] = []
    for group in app.list_all_config_groups():
        options = app.config_loader.get_group_options(group)
        shown = sorted(name for name in options if not name.startswith("_"))
        if shown and not group.startswith("hydra"):  # `train --hydra-help` lists these
            lines.append(f"{group}: {', '.join(shown)}")
    return "\n".join(lines)


register_resolver("abspath", absolute_path)
register_resolver("folder_name", folder_name)
register_resolver("sweep_folder", _sweep_folder)
register_resolver("config_groups", _config_groups)
