"""Names a sweep's folder after the sweep's question, if `sweep.name` is null.

The question is: how do the swept keys change the result? A name such as `digits-hidden_size-3fa2c1`
consists of the subject, the swept keys, and a hash of everything else that decides a result. So
further values, seeds, folds or splits extend the same folder. The name of a search contains its
sampler or `halving`, and the name of `sweep=splits` (random splits) contains `splits`. So their
runs are never in the folder of a grid, whose table compares configs by the same seeds.
"""

import contextlib
import hashlib
import json
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from seqsweep.config.messages import parsed
from seqsweep.config.schema import Config, check
from seqsweep.config.shape.listed import read_list
from seqsweep.runs.identity import REPLICATE_KEYS, decisive, flatten, is_path
from seqsweep.runs.ledger import short_names

_LONGEST = 60  # characters of a name
DIGITS = 6  # of the hash in a name


def sweep_name(master: DictConfig, fingerprint: Callable[[Config], str | None]) -> str:
    """Returns the name of a sweep's folder.

    The name does not depend on the swept values or their order: swept keys are not hashed, and the
    config of the whole sweep holds the defaults of swept groups.

    Args:
        master: the config of the whole sweep, with the node `hydra`.
        fingerprint: returns the hash of a config's data; None for data that cannot be read.
    """
    swept, fixed = _swept_keys(master.hydra)
    if (members := master.sweep.get("list")) is not None:
        given = OmegaConf.to_container(members) if OmegaConf.is_config(members) else members
        with contextlib.suppress(ValueError, OSError):  # reported when members are planned
            swept |= {key.lstrip("+") for member in read_list(given) for key in member.overrides}
    keys = sorted(swept.difference(REPLICATE_KEYS))
    config = _plain(master)
    flat = dict(flatten(config))
    # The data decide the value of `auto`, but may be unreadable here; for most data it is 32.
    if flat.get("data.batch_size") == "auto":
        config = config | {"data": config["data"] | {"batch_size": 32}}
    # A swept path is one of the swept keys, so the file's content must not decide the name.
    paths = [key for key in flat if is_path(key) and flat[key] is not None and key not in swept]
    data = None
    if paths:
        # An error is reported when members are planned.
        with contextlib.suppress(ValueError, TypeError, OSError):
            data = fingerprint(config)
    # A swept fold or split seed is hashed with its default, so that a sweep keeps its name when
    # these keys are swept too.
    identity = {**decisive(config, data, {"seed", *keys}), "fixed": fixed, "swept": keys}
    text = json.dumps(identity, sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
    files = [Path(str(flat[key])).stem for key in paths]
    repeated = "seed" if flat.get("data.folds") is None else "folds"
    parts = [*_subject(master, swept, files), *(short_names(keys).values() or [repeated])]
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", "-".join(parts)).strip("_-")
    stem = stem if stem[:1].isalpha() else f"sweep-{stem}"
    end = "".join(f"-{word}" for word in (*_method(master.hydra.sweeper), digest))
    return f"{stem[: _LONGEST - len(end)].rstrip('_-')}{end}"


def _subject(master: DictConfig, swept: Collection[str], files: list[str]) -> list[str]:
    """Returns `name`, the data file or the option of `data`; nothing if these are swept."""
    if master.name != "default":  # conf/train.yaml's, which says nothing about the runs
        return [str(master.name)]
    if {"data", "experiment"} & set(swept):
        return []
    return files[:1] or [str(master.hydra.runtime.choices.get("data"))]


def _method(sweeper: DictConfig) -> list[str]:
    """Returns the sampler of a search, `halving` or `splits`; nothing for a grid."""
    kind = sweeper._target_.rpartition(".")[2].removesuffix("Sweeper").lower()
    if kind not in ("seqsweep", "basic"):
        # In the package hydra-optuna-sweeper, `sampler` is a section, not a name.
        return [sweeper.sampler if isinstance(sweeper.get("sampler"), str) else kind]
    return ["splits"] if "data.split_seed" in (sweeper.get("params") or {}) else []


def _swept_keys(hydra: DictConfig) -> tuple[set[str], dict[str, str]]:
    """Returns the swept keys, and the keys of `params` with their single values.

    Hydra has applied the single values of the command line to the config, but not the single values
    of the sweeper's `params`.
    """
    params = OmegaConf.to_container(hydra.sweeper, resolve=False)
    params = (params.get("params") if isinstance(params, dict) else None) or {}
    swept: set[str] = set()
    fixed: dict[str, str] = {}
    for key, value in params.items():
        override = parsed(f"{key}={value}")
        # Hydra cannot parse a distribution in another sweeper's syntax. It counts as swept.
        if override is None or override.is_sweep_override():
            swept.add(str(key))
        else:
            fixed[str(key)] = str(value)
    for text in OmegaConf.to_container(hydra.overrides.task, resolve=False) or ():
        override = parsed(str(text))
        assert override is not None  # Hydra has applied it.
        # The command line wins over the sweeper's params.
        swept.discard(override.key_or_group)
        fixed.pop(override.key_or_group, None)
        if override.is_sweep_override():
            swept.add(override.key_or_group)
    return swept, fixed


def _plain(master: DictConfig) -> Config:
    """Returns the config as plain values, checked if that is possible."""
    # The node `hydra` is left out: it holds the folder, which needs this name.
    config = OmegaConf.masked_copy(master, [str(key) for key in master if key != "hydra"])
    try:
        return check(config)
    except (ValueError, TypeError, OSError):  # a swept key may have no default
        plain: Any = OmegaConf.to_container(config, resolve=False)
        return plain
