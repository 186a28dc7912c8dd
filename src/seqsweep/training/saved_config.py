"""Plans runs from the configs in their folders. Imports no torch (which is slow).

A config file may come from another person, and each `_target_` in it names code to be run. So only
targets of an allow-list are built.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from seqsweep.config import CONF_DIR
from seqsweep.config.schema import check
from seqsweep.runs.files import read_object
from seqsweep.runs.identity import CODE, START, Config, flatten, targets
from seqsweep.runs.record import NO_RECORD
from seqsweep.runs.run_folder import RunFolder
from seqsweep.text import did_you_mean
from seqsweep.training.planned_run import PlannedRun, plan
from seqsweep.training.run_data import data_fingerprint


def saved_member(
    run: RunFolder, allowed: Sequence[str] = (), start_from: str | None = None
) -> PlannedRun:
    """Plans the run that a folder's config.yaml describes.

    Args:
        start_from: another folder of the run from whose weights it started.

    Raises:
        ValueError, TypeError, OSError: the file is missing, or `member_of` refuses its config.
    """
    config = _config(run)
    if start_from is not None:
        if START not in config:
            raise ValueError(f"--start-from={start_from}: {run.path} did not start from a run")
        config["start_from"] = start_from
    # Trackers such as W&B have this run already, so only the project's loggers are kept.
    if isinstance(loggers := config.get("logger"), dict):
        config["logger"] = {k: node for k, node in loggers.items() if "seqsweep." in str(node)}
    return member_of(config, allowed, run.path / "config.yaml")


def member_of(config: Config, allowed: Sequence[str], where: Path) -> PlannedRun:
    """Plans the run of a config that was read from a file.

    Args:
        allowed: targets that the config may build besides the project's own.

    Raises:
        ValueError, TypeError, OSError: a target is not allowed, or `check` or `plan` refuses the
            config.
    """
    # This comes before `check`, which may already import a target to read its signature.
    refuse_foreign_targets(config, [*own_targets(), *allowed], str(where))
    # `plan` adds these keys; it adds the code anew, and checks the first weights.
    given = {key: value for key, value in config.items() if key not in (CODE, START)}
    start = {START: config[START]} if START in config else {}
    return plan(check(OmegaConf.create(given)) | start)


def saved_data(run: RunFolder, allowed: Sequence[str] = ()) -> PlannedRun:
    """Returns a planned run that has only the `data` section of a folder's config.

    Raises:
        ValueError, TypeError, OSError: the file is missing, a target of the data is not allowed, or
            the data cannot be read or have changed since the run was trained.
    """
    config = _config(run)
    data = {"data": config["data"]}
    # Only the data are built here, so the other targets of the config need no permission.
    refuse_foreign_targets(data, [*own_targets(), *allowed], str(run.path / "config.yaml"))
    fingerprint = data_fingerprint(config)
    if fingerprint != (run.record() or NO_RECORD).data_fingerprint:
        raise ValueError(f"the data of {run.path} have changed since the run was trained")
    return PlannedRun(data, run.run_id, fingerprint)


def _config(run: RunFolder) -> Config:
    config = run.config()
    if config is None:
        raise ValueError(f"{run.path}: not the folder of a complete run (no config.yaml)")
    data = config.get("data")
    if not isinstance(data, dict):
        where = run.path / "config.yaml"
        raise ValueError(f"{where}: the section data is missing, or is not a group of keys")
    # The path of a data file may be relative to a folder other than the current folder. A path that
    # leads to a file from the current folder is the user's choice and is kept.
    source = data.get("source")
    recorded = read_object(run.path / "provenance.json").get("data_files")
    if isinstance(source, dict) and isinstance(recorded, dict):
        for key, path in recorded.items():
            given = source.get(key)
            if isinstance(given, str) and not Path(given).expanduser().exists():
                source[key] = path
    return config


@functools.cache
def own_targets() -> frozenset[str]:
    """Returns the `_target_` values of the packaged configs that seqsweep defines.

    Trackers are left out, because a saved config could send the user's API keys to any host.
    """
    contents = (
        yaml.safe_load(path.read_text(encoding="utf-8")) for path in CONF_DIR.rglob("*.yaml")
    )
    names = (target for content in contents for _, target in targets(content))
    return frozenset(name for name in names if name.startswith("seqsweep."))


def refuse_foreign_targets(
    config: Any, allowed: Sequence[str], where: str, further: Any = None
) -> None:
    """Refuses a config that would build anything but the allowed targets.

    Args:
        further: other sections of the config, whose targets the message asks for too.

    Raises:
        ValueError: a target is not allowed, or an interpolation could make a target.
    """
    for key, value in flatten(config):
        if "${" in str(value):  # a resolver could return a target that is not allowed
            raise ValueError(f"{where}: {key}={value}: must not contain ${{}}")
    foreign = [(key, str(target)) for key, target in targets(config) if target not in allowed]
    if foreign:
        (key, target), *_ = foreign
        known = {*allowed, *own_targets()}
        others = [str(other) for _, other in targets(further or {}) if other not in known]
        names = dict.fromkeys([*(name for _, name in foreign), *others])
        it_is = "it is" if len(names) == 1 else "they are"
        raise ValueError(
            f"{where}: {key}={target} is not a target of seqsweep's own configs"
            f"{did_you_mean(target, allowed)}; if {it_is} yours, give"
            f" {' '.join(f'--allow {name}' for name in names)}"
        )
