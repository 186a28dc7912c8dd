"""A run as its own folder describes it, to be built again. Imports no torch.

A config out of a file names what is built by it: only targets of an allow-list are let through.
"""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from seqsweep.config import CONF_DIR
from seqsweep.config.schema import check
from seqsweep.runs.files import read_object
from seqsweep.runs.identity import WITHOUT_INFLUENCE, flatten, is_below
from seqsweep.runs.run_folder import RunFolder
from seqsweep.suggest import nearest_or_all
from seqsweep.training.data_cache import fingerprint_of, load_source
from seqsweep.training.planned_run import PlannedRun, plan


def saved_member(run: RunFolder, allowed: Sequence[str] = ()) -> PlannedRun:
    """The run that a folder's config.yaml describes.

    Raises:
        ValueError: there is none, or it would build what is not allowed.
    """
    return member_of(with_later_keys(_config(run)), allowed, run.path / "config.yaml")


def member_of(config: dict[str, Any], allowed: Sequence[str], where: Path) -> PlannedRun:
    """Plans the run of a config that stands in a file.

    Args:
        allowed: targets beside ours that the config may build.
        where: the file, for messages.

    Raises:
        ValueError, TypeError, OSError: the config is refused, or would build what is not allowed.
    """
    refuse_foreign_targets(config, [*own_targets(), *allowed], str(where))
    return plan(check(OmegaConf.create(config)))


def saved_data(run: RunFolder, allowed: Sequence[str] = ()) -> PlannedRun:
    """The same as far as its data go: of its config only that section is built.

    Raises:
        ValueError: as above, or the data are no longer those that the run was trained on.
    """
    config = _config(run)
    data = {"data": config["data"]}
    refuse_foreign_targets(data, [*own_targets(), *allowed], str(run.path / "config.yaml"))
    fingerprint = fingerprint_of(load_source(config["data"]["source"]))
    if fingerprint != (run.record() or {}).get("data_fingerprint"):
        raise ValueError(f"the data of {run.path} are not those that it was trained on")
    return PlannedRun(data, run.run_id, fingerprint)


def _config(run: RunFolder) -> dict[str, Any]:
    config = run.config()
    if config is None:
        raise ValueError(f"{run.path}: not the folder of a complete run (no config.yaml)")
    _find_files(config, run)
    return config


def _find_files(config: dict[str, Any], run: RunFolder) -> None:
    """Takes the recorded absolute path of a data file whose own is relative to another folder."""
    source = (config.get("data") or {}).get("source")
    recorded = read_object(run.path / "provenance.json").get("data_files")
    if not isinstance(source, dict) or not isinstance(recorded, dict):
        return
    for key, path in recorded.items():
        given = source.get(key)
        if isinstance(given, str) and not Path(given).expanduser().is_file():
            source[key] = path


def with_later_keys(config: dict[str, Any]) -> dict[str, Any]:
    """A config with the defaults of keys that are younger than it, as far as they decide nothing.

    (What decides a result stays missing, and is refused: the run was another one then.)
    """
    filled = {
        key: dict(value) if isinstance(value, dict) else value for key, value in config.items()
    }
    base = yaml.safe_load((CONF_DIR / "train.yaml").read_text(encoding="utf-8"))
    for key, value in flatten(base):
        section, _, name = key.rpartition(".")
        place = filled.get(section) if section else filled
        if is_below(key, WITHOUT_INFLUENCE) and isinstance(place, dict) and "${" not in str(value):
            place.setdefault(name, value)
    return filled


@functools.cache
def own_targets() -> frozenset[str]:
    """Every `_target_` of the packaged configs: what a saved config may build."""
    contents = (
        yaml.safe_load(path.read_text(encoding="utf-8")) for path in CONF_DIR.rglob("*.yaml")
    )
    return frozenset(target for content in contents for target in targets(content))


def targets(config: Any) -> list[str]:
    """Returns every `_target_` of a config."""
    return [target for _, target in _targets(config, "")]


def refuse_foreign_targets(config: Any, allowed: Sequence[str], where: str) -> None:
    """A config out of a file may build what is on the list, name by name, and nothing else.

    Raises:
        ValueError: another target, or an interpolation, which could make one.
    """
    for key, value in flatten(config):
        if "${" in str(value):  # a resolver could make what the list does not let through
            raise ValueError(f"{where}: {key}={value}: no place for ${{}}")
    for key, target in _targets(config, ""):
        if target not in allowed:
            raise ValueError(
                f"{where}: {key}={target} is not a target of seqsweep's own configs"
                f"{nearest_or_all(str(target), allowed)}; if it is yours, give --allow {target}"
            )


def _targets(node: Any, key: str) -> Iterator[tuple[str, Any]]:
    items = node.items() if isinstance(node, dict) else ()
    items = enumerate(node) if isinstance(node, list) else items
    for name, value in items:
        place = f"{key}.{name}" if key else str(name)
        if name == "_target_":
            yield place, value
        yield from _targets(value, place)
