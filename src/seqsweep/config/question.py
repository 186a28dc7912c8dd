"""The name of a sweep's folder where `sweep.name` gives none: made from the sweep's question.

`digits-hidden_size-3fa2c1` says what is trained, which keys are swept, and by a hash everything
else that decides a result. So a value or a seed added later finds the folder of its sweep again,
and two sweeps that ask different questions do not share a folder.
"""

import contextlib
import glob
import hashlib
import json
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from seqsweep.config.schema import Config, check
from seqsweep.runs.identity import decisive, flatten, is_path
from seqsweep.runs.ledger import short_names

_SEED = "seed"
_WITHOUT_NAME = "default"
"""The `name` of conf/train.yaml, which says nothing about the runs."""

_LONGEST = 60
_DIGITS = 6


def sweep_name(master: DictConfig, fingerprint: Callable[[Config], str | None]) -> str:
    """The name of a sweep's folder, from the config that Hydra composes for the whole sweep.

    That config has all values that are not swept, and the defaults of the keys that are: so the
    name does not depend on which values are swept, nor on their order.

    Args:
        master: with its node `hydra`.
        fingerprint: of the content of a config's data; None where there is none.
    """
    swept, fixed = _swept_keys(master.hydra)
    keys = sorted(swept - {_SEED})
    config = _plain(master)
    flat = dict(flatten(config))
    paths = [key for key in flat if is_path(key) and flat[key] is not None and key not in swept]
    data = None
    if paths:
        with contextlib.suppress(ValueError, TypeError, OSError):  # said when members are planned
            data = fingerprint(config)
    identity = {**decisive(config, data, {_SEED, *swept}), "fixed": fixed, "swept": keys}
    text = json.dumps(identity, sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
    files = [Path(str(flat[key])).stem for key in paths]
    parts = [*_subject(master, swept, files), *(short_names(keys).values() or [_SEED])]
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", "-".join(parts)).strip("_-")
    stem = stem if stem[:1].isalpha() else f"sweep-{stem}"
    return f"{stem[: _LONGEST - _DIGITS - 1].rstrip('_-')}-{digest}"


def namesakes(folder: Path) -> list[Path]:
    """The other folders whose made names differ in the hash alone.

    A sweep of more epochs asks another question than a shorter one, with the same words.
    """
    made = re.fullmatch(rf"(.+-)[0-9a-f]{{{_DIGITS}}}", folder.name)
    if made is None:
        return []
    others = sorted(folder.parent.glob(f"{glob.escape(made[1])}{'[0-9a-f]' * _DIGITS}"))
    return [other for other in others if other.name != folder.name]


def _subject(master: DictConfig, swept: Collection[str], files: list[str]) -> list[str]:
    """Returns what is trained: `name`, or the data file or option, unless it is swept."""
    if master.name != _WITHOUT_NAME:
        return [str(master.name)]
    if {"data", "experiment"} & set(swept):
        return []
    return files[:1] or [str(master.hydra.runtime.choices.get("data"))]


def _swept_keys(hydra: DictConfig) -> tuple[set[str], dict[str, str]]:
    """The keys with several values, and the sweeper's keys with one value.

    Hydra has applied the single values of the command line to the config, those of the sweeper's
    `params` it has not.
    """
    parser = OverridesParser.create()
    params = OmegaConf.to_container(hydra.sweeper, resolve=False)
    params = (params.get("params") if isinstance(params, dict) else None) or {}
    swept: set[str] = set()
    fixed: dict[str, str] = {}
    for key, value in params.items():
        try:
            is_swept = parser.parse_override(f"{key}={value}").is_sweep_override()
        except HydraException:  # a distribution in another sweeper's own words
            is_swept = True
        if is_swept:
            swept.add(str(key))
        else:
            fixed[str(key)] = str(value)
    for text in OmegaConf.to_container(hydra.overrides.task, resolve=False) or ():
        override = parser.parse_override(str(text))
        swept.discard(override.key_or_group)  # the command line wins over the sweeper's params
        fixed.pop(override.key_or_group, None)
        if override.is_sweep_override():
            swept.add(override.key_or_group)
    return swept, dict(sorted(fixed.items()))


def _plain(master: DictConfig) -> Config:
    """The config as plain values, checked where that is possible: 1, 1.0 and 1e0 are then one."""
    # The node `hydra` holds the folder, which would ask for this name again.
    config = OmegaConf.masked_copy(master, [str(key) for key in master if key != "hydra"])
    try:
        return check(config)
    except (ValueError, TypeError, OSError):  # a value that is swept is missing, for one
        plain: Any = OmegaConf.to_container(config, resolve=False)
        return plain
