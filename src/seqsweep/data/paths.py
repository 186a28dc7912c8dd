"""Finds the data files that a config names."""

import os
import stat
from pathlib import Path

from seqsweep.suggest import did_you_mean

_KINDS = {
    stat.S_IFIFO: "a pipe (FIFO)",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def existing_file(path: str) -> Path:
    """Returns the regular file at `path`; without one, the error names similar files."""
    if not path:
        raise ValueError("path is empty; give the path of a file")
    file = Path(os.path.expanduser(path))
    if file.is_dir():
        files = sorted(entry.name for entry in file.iterdir() if entry.is_file())
        listed = ", ".join(files[:8]) + (", ..." if len(files) > 8 else "")
        raise ValueError(f"{file} is a folder; give the path of one file (in it: {listed})")
    if not file.exists():
        here = f"no file {file} (current folder: {Path.cwd()})"
        if not file.parent.is_dir():
            raise FileNotFoundError(f"{here}; there is no folder {file.parent}")
        raise FileNotFoundError(here + did_you_mean(file.name, os.listdir(file.parent)))
    if not file.is_file():  # reading a pipe or a device may never end
        kind = _KINDS.get(stat.S_IFMT(file.stat().st_mode), "something else")
        raise ValueError(f"{file} is {kind}; give the path of a regular file")
    return file
