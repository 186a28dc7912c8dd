"""Finds data sets of the UEA and UCR archives in a folder, or in aeon.

`seqsweep.data.ts` reads the files, because its errors name the line. aeon is imported only to
download a data set.
"""

import importlib.util
import re
from pathlib import Path

from seqsweep.data import ts
from seqsweep.data.files import Stored
from seqsweep.data.raw import make_splits
from seqsweep.data.sequences import Splits
from seqsweep.text import did_you_mean, listed

_NAME = re.compile(r"[A-Za-z0-9][\w-]*")
_DECLARES_CLASSES = re.compile(rb"^[ \t]*@classLabel[ \t]+true\b", re.IGNORECASE | re.MULTILINE)


def archive(name: str, folder: str | None = None, download: bool = False) -> Splits:
    """Reads a data set of the archives with its official splits.

    Args:
        folder: the folder that holds `NAME/NAME_TRAIN.ts` or `NAME_TRAIN.ts`; by default a folder
            of the aeon package, which has a few data sets.
        download: whether aeon downloads a missing data set into the folder.

    Raises:
        FileNotFoundError: the folder or the data set is missing; the message lists the data sets.
        ModuleNotFoundError: aeon is needed, for its folder or the download, and not installed.
        ValueError, OSError: a file is refused, or the download fails.
    """
    return make_splits(*read(name, folder, download))


def read(name: str, folder: str | None = None, download: bool = False) -> Stored:
    """Reads a data set as `archive` does, but without the checks of `make_splits`."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"data.source.name={name}: must name a data set, such as GunPoint")
    root = _root(folder)
    files = _files(root, name) or (_downloaded(name, root, folder) if download else None)
    if files is None:
        names = available(folder)
        raise FileNotFoundError(
            f"data.source.name={name}: no {name}_TRAIN.ts and {name}_TEST.ts in {root}; available:"
            f" {listed(names) or 'none'}{did_you_mean(name, names)}"
        )
    train, test = files
    return ts.read(str(train), str(test))


def available(folder: str | None = None) -> list[str]:
    """Returns the names of the classification data sets in a folder, or in aeon."""
    names, root = set[str](), _root(folder)
    for train in [*root.glob("*_TRAIN.ts"), *root.glob("*/*_TRAIN.ts")]:
        name = train.name.removesuffix("_TRAIN.ts")
        with train.open("rb") as opened:  # the header is at the beginning
            if _files(root, name) and _DECLARES_CLASSES.search(opened.read(1 << 16)):
                names.add(name)
    return sorted(names)


def _root(folder: str | None) -> Path:
    if folder is None:
        spec = importlib.util.find_spec("aeon")
        if spec is None or not spec.submodule_search_locations:
            raise ModuleNotFoundError(
                "data=aeon: needs aeon: pip install 'seqsweep[aeon]', or data.source.folder=FOLDER"
            )
        return Path(spec.submodule_search_locations[0]) / "datasets" / "data"
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"data.source.folder={folder}: no such folder (in {Path.cwd()})")
    return root


def _files(root: Path, name: str) -> tuple[Path, Path] | None:
    """Returns the train file and the test file; None if one is missing."""
    for base in (root / name, root):
        train, test = base / f"{name}_TRAIN.ts", base / f"{name}_TEST.ts"
        if train.is_file() and test.is_file():
            return train, test
    return None


def _downloaded(name: str, root: Path, folder: str | None) -> tuple[Path, Path] | None:
    """Downloads a data set into the folder with aeon."""
    if folder is None:
        raise ValueError("data.source.download=true: needs data.source.folder=FOLDER for the files")
    if importlib.util.find_spec("aeon") is None:
        raise ModuleNotFoundError("data.source.download=true: pip install 'seqsweep[aeon]'")
    from aeon.datasets import load_classification

    try:
        load_classification(name, extract_path=str(root))
    except (ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise OSError(f"data.source.name={name}: cannot be downloaded: {reason}") from None
    return _files(root, name)
