"""The data files that `data.source.path=glob(*.ts)` stands for."""

import glob
from fnmatch import fnmatch
from pathlib import Path

from hydra.core.override_parser.types import Glob
from hydra.errors import HydraException


def matching_files(pattern: Glob, given: str) -> list[str]:
    """Returns the files that match, sorted; folders if no file matches.

    `**` matches any number of folders. A pattern of `exclude` is compared with the path of a file
    and with its name.

    Args:
        given: the override, for the message.

    Raises:
        HydraException: nothing matches.
    """
    paths = {
        path
        for include in pattern.include
        for path in glob.glob(str(Path(include).expanduser()), recursive=True)
        if not any(fnmatch(path, out) or fnmatch(Path(path).name, out) for out in pattern.exclude)
    }
    files = {path for path in paths if Path(path).is_file()}
    if not paths:
        raise HydraException(f"{given}: no file matches (in {Path.cwd()})")
    return sorted(files or paths)
