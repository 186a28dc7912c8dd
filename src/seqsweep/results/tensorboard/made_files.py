"""Event files that are made for a run beside its curves, and links to all of them.

What is there already is left alone, so that a second time costs a look at the names. A file's name
tells its content, and what two processes write at once is the same.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from seqsweep.runs.eventfiles import MADE, PREFIX, made_files, made_folder, remove_empty
from seqsweep.runs.files import write_bytes

Files = dict[str, Callable[[], bytes]]
"""The files of a folder by name, with contents that are made when they are due."""


def file_name(when: float, digest: str, kind: str) -> str:
    """The name of a file that TensorBoard reads before the curves of a run that began at `when`.

    Its loader without a data server reads the last file of a folder alone, once it is there.
    """
    return f"{PREFIX}{max(0, int(when) - 1):010d}{MADE}{digest}.{kind}"


def digest(content: bytes) -> str:
    """The part of a file's name that identifies its content."""
    return hashlib.sha256(content).hexdigest()[:16]


def place(run: Path, files: Files) -> list[Path]:
    """Makes a run's folder hold these files, beside its curves, and no others that were made.

    Returns their paths.

    Raises:
        OSError: something cannot be written.
    """
    folder = made_folder(run)
    before = made_files(run)
    wanted = {folder / name: content for name, content in files.items()}
    folder.mkdir(exist_ok=True)
    for path in wanted.keys() - set(before):
        write_bytes(path, wanted[path](), sync=False)
    gone = [path for path in before if path not in wanted]
    for path in gone:
        path.unlink(missing_ok=True)
    remove_empty({path.parent for path in gone} - {run})
    return list(wanted)


def link_all(root: Path, targets: Mapping[str, Path]) -> None:
    """Makes a folder hold links under these paths to these files, and nothing else."""
    there = {os.path.relpath(path, root): path for path in root.rglob("*") if path.is_symlink()}
    for name, path in there.items():
        if name not in targets or os.readlink(path) != str(targets[name]):
            path.unlink()
            remove_empty({path.parent} - {root})
    for name, target in targets.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            path.symlink_to(target)
