"""The sizes of the data of a user's own LightningDataModule. Imports no torch by itself."""

import functools
import json
from typing import Any, NamedTuple

from seqsweep.config.schema import Config
from seqsweep.data.sequences import Splits
from seqsweep.training.data_cache import (
    DATA_MODULE,
    build_data,
    source_fingerprint,
    state_of_files,
)


class OwnData(NamedTuple):
    """Takes the place of `Splits` for a LightningDataModule that holds no `Splits`.

    Attributes:
        names: the splits that it has a dataloader for.
    """

    input_size: int
    num_classes: int
    names: tuple[str, ...]
    class_names: tuple[str, ...]
    channel_names: tuple[str, ...]
    vocabulary: None = None
    scaling: None = None


def outline(data: Any, target: str) -> Splits | OwnData:
    """Returns the splits of a data module, or what its attributes say of them.

    Raises:
        TypeError, ValueError: it is not a LightningDataModule, or an attribute is missing or wrong.
    """
    if isinstance(splits := getattr(data, "splits", None), Splits):
        return splits
    # Lightning takes a second to import, but the module of the user has imported it already.
    from lightning import LightningDataModule as Base

    where = f"data._target_={target}"
    if not isinstance(data, Base):
        kind = type(data).__name__
        raise TypeError(f"{where}: must make a lightning.LightningDataModule, got {kind}")
    sizes: list[Any] = [getattr(data, name, None) for name in ("input_size", "num_classes")]
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        raise ValueError(
            f"{where}: must have the attributes input_size (features per step) and num_classes,"
            f" whole numbers of at least 1, got {sizes[0]} and {sizes[1]}"
        )
    hooks = {name: f"{name}_dataloader" for name in ("train", "val", "test")}
    has = [name for name, h in hooks.items() if getattr(type(data), h) is not getattr(Base, h)]
    classes = tuple(map(str, range(sizes[1])))
    channels = tuple(f"channel_{f}" for f in range(sizes[0]))
    return OwnData(sizes[0], sizes[1], tuple(has), classes, channels)


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
    if fingerprint is not None and not isinstance(fingerprint, str):
        raise TypeError(f"data._target_={target}: fingerprint={fingerprint!r}: must be text")
    return fingerprint
