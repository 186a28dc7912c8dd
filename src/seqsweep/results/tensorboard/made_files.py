"""Writes the made event files, and links to all event files.

A file's name identifies its content. So a file that exists is not written again, and two processes
that write at once write the same.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from seqsweep.runs.eventfiles import MADE, PREFIX, made_files, made_folder, remove_empty
from seqsweep.runs.files import make_folder, write_bytes
from seqsweep.runs.removing import remove_temporary

Files = dict[str, Callable[[], bytes]]
"""Files by name, with functions that make their contents."""


def file_name(when: float, digest: str, kind: str) -> str:
    """Returns the name of a file that is read before the curves.

    Once TensorBoard's loader without a data server has read the last file of a folder, it reads no
    other one. So the last file must be the one that grows.

    Args:
        when: the start of the run, in seconds since 1970.
        digest: identifies the content.
        kind: the end of the name.
    """
    return f"{PREFIX}{max(0, int(when) - 1):010d}{MADE}{digest}.{kind}"


def digest(content: bytes) -> str:
    """Returns the part of a file's name that identifies its content."""
    return hashlib.sha256(content).hexdigest()[:16]


def write_made_files(run: Path, files: Files) -> list[Path]:
    """Writes missing files beside a run's curves, removes other made files.

    Returns:
        The paths of the files.

    Raises:
        OSError: a file cannot be written.
    """
    while True:
        before = made_files(run)
        folder = made_folder(run)
        contents = {folder / name: content for name, content in files.items()}
        try:
            if contents:
                make_folder(folder)
            remove_temporary(folder, f".*{MADE}*.tmp")
            for path in contents.keys() - set(before):
                write_bytes(path, contents[path](), sync=False)
            break
        except FileNotFoundError:
            # Another process has moved the curves and removed the folder, which was empty then.
            if not run.is_dir():
                raise
    outdated = [path for path in before if path not in contents]
    for path in outdated:
        path.unlink(missing_ok=True)
    remove_empty({path.parent for path in outdated} - {run})
    return list(contents)


def link_all(root: Path, targets: Mapping[str, Path]) -> None:
    """Makes a folder contain exactly one link to each target.

    Args:
        root: the folder.
        targets: the target of each link, by the link's path from the folder.
    """
    links = {os.path.relpath(path, root): path for path in root.rglob("*") if path.is_symlink()}
    for name, path in links.items():
        if name not in targets or os.readlink(path) != str(targets[name]):
            path.unlink()
            remove_empty({path.parent} - {root})
    for name, target in targets.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            path.symlink_to(target)
