"""Checkpoints, each sealed with a digest, from which a run resumes.

A checkpoint is torch's own zip file with one addition: the zip comment, which readers ignore, holds
the sha256 of everything before it. So one rename replaces content and digest together,
`torch.load` reads the file as usual, and a flipped bit or a truncation is noticed.
"""

import contextlib
import functools
import hashlib
import io
import logging
import os
import pickle
from collections import Counter, OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seqsweep.console import say_error
from seqsweep.errors import Damaged
from seqsweep.runs.events import event_files
from seqsweep.runs.files import (
    Confirm,
    link,
    open_regular,
    read_bytes,
    refuse_links,
    write_bytes,
)
from seqsweep.runs.held_folders import replace, unlink
from seqsweep.runs.lock import check_held
from seqsweep.runs.metrics_csv import keep_rows

log = logging.getLogger(__name__)

_DIGEST_LENGTH = 64
NEXT = "next.ckpt"
_METRICS = "metrics.csv"

_VALUES = (type(None), bool, int, float, complex, str, Tensor, nn.Parameter, torch.Size,
           torch.dtype, torch.device)  # fmt: skip
_LIKE_PYTHONS = (np.float64, np.integer, np.bool_)  # a float32 would round what follows
_GROUPS = (dict, OrderedDict, Counter, list, tuple, set)

CheckpointContent = dict[str, Any]
"""The content of a checkpoint by name: tensors, and plain values."""


def seal(archive: bytes) -> bytes:
    """Returns the zip archive with its digest added as the zip comment."""
    assert archive[-2:] == b"\0\0"  # the length of the comment ends the archive
    content = archive[:-2] + _DIGEST_LENGTH.to_bytes(2, "little")
    return content + hashlib.sha256(content).hexdigest().encode()


def load_sealed(path: Path) -> CheckpointContent:
    """Loads a checkpoint of tensors and plain values; runs no code.

    Raises:
        OSError: the file does not exist (FileNotFoundError), or cannot be read.
        Damaged: the file is not regular, does not match its digest, or is not a dict of tensors and
            plain values.
    """
    with open_regular(path) as file:
        # A file of gigabytes without the end of a zip archive is not read.
        file.seek(max(0, os.fstat(file.fileno()).st_size - _DIGEST_LENGTH - 22))
        is_archive = file.read(4) == b"PK\5\6"
    sealed = read_bytes(path) if is_archive else b""
    content, digest = sealed[:-_DIGEST_LENGTH], sealed[-_DIGEST_LENGTH:]
    if hashlib.sha256(content).hexdigest().encode() != digest:
        raise Damaged(f"{path} is damaged: its content does not match its digest")
    try:
        checkpoint = torch.load(io.BytesIO(sealed), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError):
        # torch's own message is not passed on, because it advises loading the file with code.
        raise Damaged(f"{path} holds more than tensors and plain values: refused") from None
    if not isinstance(checkpoint, dict):
        raise Damaged(f"{path}: must hold a group of keys, got {type(checkpoint).__name__}")
    return checkpoint


def save_sealed(
    checkpoint: CheckpointContent, path: Path, sync: bool = True, confirm: Confirm | None = None
) -> None:
    """Writes a checkpoint under a temporary name, then renames it."""
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    write_bytes(path, seal(buffer.getvalue()), sync, confirm)


def save_in_run(checkpoint: CheckpointContent, path: Path, sync: bool = True) -> None:
    """Writes RUN/checkpoints/NAME with `save_sealed`, if the run's lock is held.

    Raises:
        LockLost: another process trains the run now.
        OSError: the file cannot be written.
    """
    save_sealed(checkpoint, path, sync, functools.partial(check_held, path.parent.parent))


def weights_digest(weights: Mapping[str, Tensor]) -> str:
    """Returns 16 hex digits of the sha256 of the names, shapes and bytes of weights."""
    digest = hashlib.sha256()
    for name, weight in sorted(weights.items()):
        digest.update(f"{name} {weight.dtype} {list(weight.shape)}\n".encode())
        values = weight.detach().cpu().contiguous().reshape(-1)
        digest.update(values.view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def plain(value: Any, where: str) -> Any:
    """Returns a value without numpy's numbers; raises TypeError where `load_sealed` refuses it."""
    if isinstance(value, _LIKE_PYTHONS):
        return value.item()
    kind = type(value)  # a subclass, such as a tensor with methods of its own, is refused
    if kind in _GROUPS:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        made = {plain(k, f"a key of {where}"): plain(v, f"{where}[{k!r}]") for k, v in items}
        group = kind(made if isinstance(value, dict) else made.values())
        if kind is OrderedDict:  # a state_dict has attributes besides
            vars(group).update(vars(value))
        return group
    if kind not in _VALUES:
        raise TypeError(
            f"{where}: must be a tensor, a number, a text, or lists and dicts of these, is a "
            f"{kind.__module__}.{kind.__qualname__}"
        )
    return value


def logs(folder: Path) -> list[Path]:
    """Returns the files of a run that grow with its epochs."""
    paths = [folder / _METRICS, *event_files(folder)]
    return [path for path in paths if path.is_file()]


def sizes_of_logs(folder: Path, epochs: int) -> dict[str, int]:
    """Returns the rows of metrics.csv and the bytes of each event file, by name."""
    sizes = {path.name: path.stat().st_size for path in logs(folder)}
    # A metric that appears later adds a column to all rows, so they have no fixed size.
    return sizes | ({_METRICS: epochs} if _METRICS in sizes else {})


def check_written(folder: Path, has_rows: bool) -> None:
    """Raises FileNotFoundError if the checkpoints or metrics.csv were deleted."""
    checkpoints = ["checkpoints/best.ckpt", "checkpoints/last.ckpt"]
    for name in [*checkpoints, _METRICS] if has_rows else checkpoints:
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder / name}: was deleted while the run trained")


def newest_checkpoint(folder: Path) -> Path | None:
    """Returns the newest intact checkpoint; changes no file, unlike `resume_point`."""
    for name in ("last.ckpt", "previous.ckpt"):
        with contextlib.suppress(FileNotFoundError, Damaged):
            load_sealed(folder / "checkpoints" / name)
            return folder / "checkpoints" / name
    return None


def resume_point(folder: Path, engine: str) -> Path | None:
    """Returns the newest checkpoint that a run can resume from, or None.

    The run's logs are cut to the sizes that they had when the checkpoint was written. A message
    says if a checkpoint is damaged, or cannot be used.

    Args:
        engine: the engine that resumes; it cannot use a checkpoint of another engine.
    """
    for name in ("last.ckpt", "previous.ckpt"):
        path = folder / "checkpoints" / name
        try:
            checkpoint = load_sealed(path)
        except FileNotFoundError:
            continue
        except Damaged as error:
            say(f"{error}; resuming from the checkpoint before it, or from the start")
            continue
        if not {"epoch", "callbacks", "files"} <= checkpoint.keys():
            say(f"{path} is not a checkpoint of a run; resuming from the one before, or the start")
            continue
        # A run that two engines have trained could not be reproduced to the bit.
        if checkpoint.get("engine", "autograd") != engine:
            say(f"{path} was not made by the {engine} engine; the run is trained from the start")
            return None
        if _has_best(path, checkpoint) and _cut_logs(folder, checkpoint):
            return path
        say(f"{folder} lacks files that belong to {path.name}; the run starts again")
        return None
    return None


def publish(folder: Path, is_better: bool) -> None:
    """Makes next.ckpt the last checkpoint, and the best if it is better.

    best.ckpt is linked before last.ckpt is replaced. If the process is killed between the two
    steps, the epoch of best.ckpt is trained again, with the same result.
    """
    new, last = folder / NEXT, folder / "last.ckpt"
    check_held(folder.parent)
    if is_better:
        link(new, folder / "best.ckpt")
    check_held(folder.parent)
    if last.exists():
        link(last, folder / "previous.ckpt")
    check_held(folder.parent)
    replace(new, last)


def _has_best(path: Path, checkpoint: CheckpointContent) -> bool:
    """Returns whether best.ckpt belongs to this checkpoint, or to a later epoch."""
    states = [s for name, s in checkpoint["callbacks"].items() if name.startswith("BestAndLast")]
    best_epoch = states[0]["best_epoch"] if states else None
    best = path.with_name("best.ckpt")
    # This checkpoint is the best one. best.ckpt is linked again, because it may be lost or damaged.
    if best_epoch == checkpoint["epoch"]:
        link(path, best)
        return True
    try:
        epoch = load_sealed(best)["epoch"]
    except (FileNotFoundError, Damaged):
        return False
    return epoch == best_epoch or epoch > checkpoint["epoch"]


def _cut_logs(folder: Path, checkpoint: CheckpointContent) -> bool:
    """Cuts each log to its size at the checkpoint; False if impossible.

    What Lightning logs after the checkpoint, `BestAndLast` logs again.
    """
    check_held(folder)
    sizes = checkpoint["files"]
    paths = {path.name: path for path in logs(folder)}  # by name: the folder may have been renamed
    for name, size in sizes.items():
        path = paths.get(name)
        if path is None or path.is_symlink():
            return False
        if name != _METRICS and path.stat().st_size < size:
            return False
    if _METRICS in sizes and not keep_rows(paths.pop(_METRICS), sizes[_METRICS]):
        return False
    for path in paths.values():
        # A file without a size was begun after the checkpoint, so all its rows come again.
        if path.name not in sizes:
            unlink(path)
        elif path.stat().st_size > sizes[path.name]:
            with open(path, "r+b", opener=refuse_links) as file:
                file.truncate(sizes[path.name])
    return True


def say(message: str) -> None:
    """Prints a message on stderr and logs it."""
    log.warning(message)
    say_error(message)
