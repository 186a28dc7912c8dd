"""The start of a run from the weights of another run. Imports no torch (which is slow)."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqsweep.config.schema import Config
from seqsweep.runs.files import say_once
from seqsweep.runs.identity import START
from seqsweep.runs.record import NO_RECORD
from seqsweep.runs.run_folder import RunFolder
from seqsweep.text import did_you_mean

WEIGHTS = "weights"
"""The key of the digest of a run's best weights in its record."""

_OF_DATA = {"network.fc.": "class_names", "network.embedding.": "vocabulary"}
"""The weights that are drawn anew where the data of both runs have other names."""


def with_start(config: Config) -> Config:
    """Returns a config with the digest of the weights that `start_from` names, if any.

    A saved config has this digest already, and its weights must have it.

    Raises:
        ValueError: `start_from` is not the folder of a complete run with a best checkpoint.
    """
    path = config.get("start_from")
    if path is None:
        return config
    folder, checkpoint = Path(path).expanduser(), _best_of(path)
    record = RunFolder(folder).record() or NO_RECORD
    digest = None
    if record.status == "complete" and checkpoint.is_file():
        # Earlier versions wrote no digest.
        digest = record.content.get(WEIGHTS) or _read(checkpoint)[1]
    if digest != config.get(START, digest):
        raise ValueError(
            f"start_from={path}: is not a run whose best weights have the digest {config[START]};"
            " give one: reproduce RUN_FOLDER --start-from RUN_FOLDER"
        )
    if digest is None:
        near = did_you_mean(folder.name, (other.name for other in folder.parent.glob("*")))
        must = "must be the folder of a complete run with checkpoints/best.ckpt"
        raise ValueError(f"start_from={path}: {must}{near}")
    return config | {START: digest}


def first_weights(
    config: Config, shapes: Mapping[str, Any], described: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the weights that a run takes from the run that `start_from` names, by name.

    Args:
        shapes: the shape of each weight of the new run.
        described: the `description` of the new run.

    Raises:
        ValueError: a weight has another shape, no name fits, or the weights have changed.
    """
    path = config.get("start_from")
    if path is None:
        return {}
    content, digest = _read(_best_of(path))
    if digest != config[START]:
        raise ValueError(f"start_from={path}: its weights do not match the digest in record.json")
    others = tuple(of for of, key in _OF_DATA.items() if content.get(key) != described.get(key))
    weights = content["state_dict"]
    taken = {n: weights[n] for n in shapes if n in weights and not n.startswith(others)}
    if not taken:
        raise ValueError(f"start_from={path}: no weight there has a name of this network")
    for name, weight in taken.items():
        if weight.shape != shapes[name]:
            there, here = tuple(weight.shape), tuple(shapes[name])
            raise ValueError(f"start_from={path}: {name} is {there} there, but {here} here")
    drawn = ", ".join(name for name in shapes if name not in taken)
    more = f"; drawn anew: {drawn}" if drawn else ""
    say_once(f"start_from={path}: {len(taken)} of {len(shapes)} weights taken{more}")
    return taken


def _best_of(path: str) -> Path:
    return Path(path).expanduser() / "checkpoints" / "best.ckpt"


def _read(checkpoint: Path) -> tuple[dict[str, Any], str]:
    """Returns the content of a checkpoint, and the digest of its weights."""
    return _read_once(checkpoint.absolute(), checkpoint.stat().st_mtime_ns)


@functools.lru_cache(maxsize=4)
def _read_once(checkpoint: Path, changed: int) -> tuple[dict[str, Any], str]:
    """Reads a checkpoint that the members of a sweep share; see `_read`."""
    from seqsweep.training.checkpoint_files import load_sealed, weights_digest  # imports torch

    content = load_sealed(checkpoint)
    return content, weights_digest(content["state_dict"])
