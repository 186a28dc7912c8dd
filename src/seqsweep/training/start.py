"""The start of a run from the weights of another run. Imports no torch (which is slow)."""

import functools
import hashlib
from collections.abc import Mapping
from contextlib import suppress
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

    Raises:
        ValueError: `start_from` is not the folder of a complete run with a best checkpoint.
    """
    path = config.get("start_from")
    return config if path is None else config | {START: digest_of_run(path)}


def digest_of_run(path: str) -> str:
    """Returns the digest of a complete run's best weights; see `with_start`."""
    folder, checkpoint = Path(path).expanduser(), _checkpoint(path)
    record = RunFolder(folder).record() or NO_RECORD
    if record.status != "complete" or not checkpoint.is_file():
        near = did_you_mean(folder.name, (other.name for other in folder.parent.glob("*")))
        must = "must be the folder of a complete run with checkpoints/best.ckpt"
        raise ValueError(f"start_from={path}: {must}{near}")
    known = record.content.get(WEIGHTS)
    return known if isinstance(known, str) else weights_digest(_load(checkpoint)["state_dict"])


def check_start(config: Config) -> None:
    """Refuses a saved config whose first weights are gone or have changed."""
    with suppress(ValueError):
        if digest_of_run(config["start_from"]) == config[START]:
            return
    raise ValueError(
        f"start_from={config['start_from']}: is not a run whose best weights have the digest"
        f" {config[START]}; give one: reproduce RUN_FOLDER --start-from RUN_FOLDER"
    )


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
    content = _content(_checkpoint(path).absolute(), config[START])
    others = tuple(of for of, key in _OF_DATA.items() if content.get(key) != described.get(key))
    taken: dict[str, Any] = {}
    for name, weight in content["state_dict"].items():
        if name in shapes and not name.startswith(others):
            if weight.shape != shapes[name]:
                there, here = tuple(weight.shape), tuple(shapes[name])
                raise ValueError(f"start_from={path}: {name} is {there} there, but {here} here")
            taken[name] = weight
    if not taken:
        raise ValueError(f"start_from={path}: no weight there has a name of this network")
    drawn = ", ".join(name for name in shapes if name not in taken)
    more = f"; drawn anew: {drawn}" if drawn else ""
    say_once(f"start_from={path}: {len(taken)} of {len(shapes)} weights taken{more}")
    return taken


def weights_digest(weights: Mapping[str, Any]) -> str:
    """Returns 16 hex digits of the sha256 of the names, shapes and bytes of weights."""
    import torch  # late, because planning needs no weights

    digest = hashlib.sha256()
    for name, weight in sorted(weights.items()):
        digest.update(f"{name} {weight.dtype} {list(weight.shape)}\n".encode())
        values = weight.detach().cpu().contiguous().reshape(-1)
        digest.update(values.view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def _checkpoint(path: str) -> Path:
    return Path(path).expanduser() / "checkpoints" / "best.ckpt"


def _load(checkpoint: Path) -> dict[str, Any]:
    from seqsweep.training.checkpoint_files import load_sealed  # imports torch

    return load_sealed(checkpoint)


@functools.lru_cache(maxsize=4)
def _content(checkpoint: Path, digest: str) -> dict[str, Any]:
    """Returns a checkpoint whose weights have a digest; members of a sweep share it."""
    content = _load(checkpoint)
    if weights_digest(content["state_dict"]) != digest:
        raise ValueError(f"{checkpoint}: its weights do not match the digest in record.json")
    return content
