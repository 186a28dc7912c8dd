"""The sizes of the data of a user's own LightningDataModule. Imports no torch by itself."""

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from seqsweep.config.schema import Config
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.training.data_cache import (
    DATA_MODULE,
    build_data,
    source_fingerprint,
    state_of_files,
)


@dataclass(frozen=True)
class OwnData:
    """Takes the place of `Splits` for a LightningDataModule that holds no `Splits`.

    Args:
        names: the splits that it has a dataloader for.
    """

    input_size: int
    num_classes: int
    class_names: tuple[str, ...]
    channel_names: tuple[str, ...]
    names: tuple[str, ...]
    vocabulary: ClassVar[None] = None
    scaling: ClassVar[None] = None
    parts: ClassVar[dict[str, Sequences]] = {}


def outline(data: Any, target: str) -> Splits | OwnData:
    """Returns the splits of a data module, or what its attributes say of them.

    Args:
        target: the `_target_` that has made it, for messages.

    Raises:
        TypeError, ValueError: it is not a LightningDataModule, or an attribute is missing or wrong.
    """
    splits = getattr(data, "splits", None)
    if isinstance(splits, Splits):
        return splits
    # Lightning takes a second to import, but the module of the user has imported it already.
    from lightning import LightningDataModule

    where = f"data._target_={target}"
    if not isinstance(data, LightningDataModule):
        kind = type(data).__name__
        raise TypeError(f"{where}: must make a lightning.LightningDataModule, got {kind}")
    sizes = [_size(data, name, where) for name in ("input_size", "num_classes")]
    loaders = [
        (name, getattr(type(data), f"{name}_dataloader"), f"{name}_dataloader")
        for name in ("train", "val", "test")
    ]
    has = [name for name, own, hook in loaders if own is not getattr(LightningDataModule, hook)]
    classes = _names(data, "class_names", [str(index) for index in range(sizes[1])], where)
    channels = _names(data, "channel_names", [f"channel_{f}" for f in range(sizes[0])], where)
    return OwnData(sizes[0], sizes[1], classes, channels, tuple(has))


def data_fingerprint(config: Config) -> str | None:
    """Returns the fingerprint of the sequences; None if a user's own data module has none.

    Raises:
        ValueError, TypeError, OSError: the data cannot be read, or see `outline`.
    """
    data = config["data"]
    if data.get("_target_") == DATA_MODULE:
        return source_fingerprint(data)
    # Built once for all seeds, which have the same data.
    return _own_fingerprint(json.dumps(data, sort_keys=True), state_of_files(data))


@functools.lru_cache(maxsize=64)
def _own_fingerprint(section: str, files: tuple[tuple[str, int, int], ...]) -> str | None:
    config: Config = {"data": json.loads(section), "seed": 0}
    data, target = build_data(config), config["data"]["_target_"]
    outline(data, target)
    fingerprint = getattr(data, "fingerprint", None)
    if fingerprint is not None and not (isinstance(fingerprint, str) and fingerprint):
        raise TypeError(
            f"data._target_={target}: its attribute fingerprint must be a text that stands for the"
            f" content of the data, got {fingerprint!r}"
        )
    return fingerprint


def _size(data: Any, name: str, where: str) -> int:
    """Returns a size from an attribute of a data module."""
    value = getattr(data, name, None)
    if value is None:
        raise ValueError(
            f"{where}: must have the attribute {name} once it is made, because the network is built"
            " from input_size (features per step) and num_classes"
        )
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{where}: {name}={value!r}: must be a whole number, at least 1")
    return value


def _names(data: Any, name: str, default: Sequence[str], where: str) -> tuple[str, ...]:
    """Returns the names of classes or channels, which a data module may have."""
    names = tuple(map(str, getattr(data, name, default)))
    if len(names) != len(default):
        raise ValueError(f"{where}: {name} must be {len(default)} names, got {len(names)}")
    return names
