"""The files of a folder of sequences, as `seqsweep data convert` writes them.

N sequences of all splits, S steps together, F features (channels), C classes.

    meta.json     format and version, names, and for each split its size, range and fingerprint
    x.bin         (S, F) float32, little endian: the steps, one sequence after the other
    lengths.npy   (N,) int64, the sequences of train first, then val, then test
    labels.npy    (N,) int64, positions in the class names
    digests.npy   (N,) uint64, a hash of each sequence
    groups.npy    (N,) int64, where the sequences have groups
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from seqsweep.data.mapped_sequences import Extremes
from seqsweep.data.precision import Units
from seqsweep.suggest import did_you_mean

FORMAT = "seqsweep sequences"
VERSION = 1
META, VALUES, CHECKED = "meta.json", "x.bin", "checked.json"
ARRAYS = {"lengths": "<i8", "labels": "<i8", "digests": "<u8", "groups": "<i8"}
"""The files NAME.npy, (N,) each, with their types. Only the groups may be missing."""

NO_GROUP = -1
"""The group of sequences in a split without groups, where another split has groups."""

SPLITS = ("train", "val", "test")

_DAMAGE = (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError)
"""The errors of reading a meta.json that is not as it was written."""


class SplitMeta(NamedTuple):
    """The description of a split in meta.json.

    The lists have an entry for each channel, in the units of the values.

    Attributes:
        units: zero point and unit of each channel; None where x.bin holds the values themselves.
    """

    sequences: int
    steps: int
    longest: int
    fingerprint: str
    min: list[float | None]
    max: list[float | None]
    mean: list[float | None]
    std: list[float | None]
    missing: list[int]
    units: list[list[float]] | None

    @property
    def extremes(self) -> Extremes:
        """The range of each channel, as arrays."""
        least, most = (np.array(ends, dtype=np.float64) for ends in (self.min, self.max))
        return Extremes(least, most, np.array(self.missing, dtype=np.int64))

    def channel_units(self) -> Units | None:
        """Returns the units, as arrays."""
        if self.units is None:
            return None
        zero, one = (np.array(unit, dtype=np.float64) for unit in self.units)
        return Units(zero, one)


class Meta(NamedTuple):
    """The content of meta.json.

    Attributes:
        fingerprint: of all splits.
        digests: the sha256 of each .npy file.
        written: size and time of x.bin, by which a changed file is noticed.
    """

    class_names: tuple[str, ...]
    channel_names: tuple[str, ...]
    splits: dict[str, SplitMeta]
    fingerprint: str
    digests: dict[str, str]
    written: list[int]

    def text(self) -> str:
        """Returns the text of the file."""
        splits = {name: split._asdict() for name, split in self.splits.items()}
        content = {"format": FORMAT, "version": VERSION, **self._asdict(), "splits": splits}
        return json.dumps(content, indent=2) + "\n"


def is_folder(path: Path) -> bool:
    """Returns whether a folder holds converted sequences."""
    return (path / META).is_file()


def files_at(path: Path) -> list[Path]:
    """Returns the file at a path, or the files of a folder of sequences.

    The list is empty if there is neither.
    """
    if path.is_file():
        return [path]
    if not is_folder(path):
        return []
    files = [path / META, path / VALUES, *arrays_in(path)]
    return [file for file in files if file.is_file()]


def arrays_in(folder: Path) -> list[Path]:
    """Returns the paths of the .npy files that a folder has."""
    return [path for name in ARRAYS if (path := folder / f"{name}.npy").is_file()]


def existing_folder(path: str) -> Path:
    """Returns the folder of converted sequences at `path`.

    Raises:
        FileNotFoundError: there is nothing, with the nearest names.
        ValueError: there is something else.
    """
    if not path:
        raise ValueError("path is empty; give the path of a folder")
    folder = Path(os.path.expanduser(path))
    if folder.is_file():
        raise ValueError(f"{folder} is a file; expected a folder of `seqsweep data convert`")
    if not folder.exists():
        near = os.listdir(folder.parent) if folder.parent.is_dir() else []
        hint = did_you_mean(folder.name, near)
        raise FileNotFoundError(f"no folder {folder} (current folder: {Path.cwd()}){hint}")
    if not is_folder(folder):
        raise ValueError(
            f"{folder} has no {META}; expected a folder that `seqsweep data convert` has written"
        )
    return folder


def read_meta(folder: Path) -> Meta:
    """Returns the content of meta.json.

    Raises:
        ValueError: it is damaged, or of another program or version.
    """
    path = folder / META
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError("its format is not that of sequences")
        if content["version"] == VERSION:
            return _meta(content)
    except _DAMAGE as error:
        what = f"key {error} is missing" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"{path} is damaged ({what}); convert the data again") from None
    raise ValueError(
        f"{path}: version {content['version']!r}; this seqsweep reads version {VERSION}"
    )


def _meta(content: dict[str, Any]) -> Meta:
    splits = {name: SplitMeta(**split) for name, split in content["splits"].items()}
    if "train" not in splits or not set(splits) <= set(SPLITS):
        raise ValueError(f"its splits are {', '.join(splits) or 'none'}")
    meta = Meta(
        tuple(map(str, content["class_names"])),
        tuple(map(str, content["channel_names"])),
        {name: splits[name] for name in SPLITS if name in splits},
        str(content["fingerprint"]),
        {name: str(digest) for name, digest in content["digests"].items() if name in ARRAYS},
        [int(number) for number in content["written"]],
    )
    if lacking := set(ARRAYS) - {"groups"} - set(meta.digests):
        raise ValueError(f"it lacks the digest of {', '.join(sorted(lacking))}")
    counts: list[Any] = [n for s in splits.values() for n in (s.sequences, s.steps, s.longest)]
    if len(meta.written) != 2 or not all(isinstance(n, int) and n > 0 for n in counts):
        raise ValueError("its sizes are not whole numbers above 0")
    channels = len(meta.channel_names)
    lists = [of for s in splits.values() for of in (*s.extremes, *(s.channel_units() or ()))]
    if not channels or any(len(of) != channels for of in lists):
        raise ValueError("its lists have not one entry for each channel")
    return meta


def read_arrays(folder: Path, meta: Meta) -> dict[str, npt.NDArray[Any]]:
    """Returns the arrays of all sequences by name, (N,) each.

    Raises:
        ValueError: a file is missing, or not the one that was written.
    """
    return {name: _read_array(folder / f"{name}.npy", of) for name, of in meta.digests.items()}


def _read_array(path: Path, digest: str) -> npt.NDArray[Any]:
    if not path.is_file():
        raise ValueError(f"{path} is missing; convert the data again")
    # The digest is that of the whole file, so nothing in it needs a check of its own.
    if file_digest(path) != digest:
        raise ValueError(f"{path} is not the file that was written; convert the data again")
    return np.load(path, allow_pickle=False)


def file_digest(path: Path) -> str:
    """Returns the sha256 (hex) of a file."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def check_size(folder: Path, meta: Meta) -> bool:
    """Checks the size of x.bin. Returns whether it is known to be unchanged.

    Raises:
        ValueError: there is no such file, or it has another size.
    """
    path = folder / VALUES
    if not path.is_file():
        raise ValueError(f"{path} is missing; convert the data again")
    state = state_of(path)
    steps = sum(split.steps for split in meta.splits.values())
    if not state[0] == meta.written[0] == steps * len(meta.channel_names) * 4:
        raise ValueError(
            f"{path} has {state[0]:,} bytes; expected {meta.written[0]:,}; convert the data again"
        )
    return state in (meta.written, _checked(folder))


def state_of(path: Path) -> list[int]:
    """Returns the size and the time of a file, which reveal a change."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _checked(folder: Path) -> Any:
    """Returns the state of x.bin when it was last checked."""
    try:
        return json.loads((folder / CHECKED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
