"""`seqsweep reproduce`: a run trained again from its own config, compared to the bit."""

import os
import tempfile
from collections.abc import Sequence
from math import nan
from pathlib import Path

import torch

from seqsweep.command import is_first_process
from seqsweep.console import say
from seqsweep.runs.files import read_object
from seqsweep.runs.metrics_csv import read_rows
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.checkpoints import load_sealed
from seqsweep.training.engines.stacked.run import train_stack
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.saved_config import saved_member
from seqsweep.training.train import train

_SCRATCH = "SEQSWEEP_SCRATCH"
"""The variable by which the processes of a distributed run find the scratch folder of the first:
all of them read its best checkpoint."""

_ENGINES = ("native", "stacked", "autograd")
_NOT_THE_MACHINE = ("command", "started", "stack", "data_files")


def reproduce(folder: Path, allowed: Sequence[str] = ()) -> int:
    """Trains the run again in a scratch folder and prints how the two compare.

    Args:
        folder: of a complete run.
        allowed: targets beside ours that its config may build.

    Returns:
        0 where losses and weights are identical, 1 where they differ.

    Raises:
        ValueError, TypeError, OSError: no complete run, or a config that is refused.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder (in {Path.cwd()})")
    run = RunFolder(folder)
    record = run.record()
    if record is None or record["status"] != "complete":
        raise ValueError(f"{folder}: not the folder of a complete run (its state: {run.state()})")
    member = saved_member(run, allowed)
    engine = read_object(folder / "provenance.json").get("engine")
    engine = engine if engine in _ENGINES else None
    if not is_first_process():  # the first one, which has started this one, compares
        if _SCRATCH not in os.environ:
            raise ValueError("LOCAL_RANK is set: reproduce starts the other processes by itself")
        train(member, Path(os.environ[_SCRATCH]), engine=engine)
        return 0
    if member.data_fingerprint != record["data_fingerprint"]:
        say("the data have changed since the run was trained")
    with tempfile.TemporaryDirectory() as scratch:
        os.environ[_SCRATCH] = scratch
        again = train(member, Path(scratch), engine=engine).folder.path
        difference = _difference(folder, again)
        environment = _environments_differ(folder, again)
        uncompared = _has_lost_last(folder, again)
    mates = run.company() or []
    if difference and len(mates) > 1:
        difference = _difference_in_stack(folder, member, difference, mates, allowed)
    say(
        difference or ("identical, but for last.ckpt, which is gone" if uncompared else "identical")
    )
    if difference and environment:
        say("the environment differs:")
    for line in environment if difference else []:
        say(f"  {line}")
    return int(difference is not None)


def _has_lost_last(folder: Path, again: Path) -> bool:
    """Returns whether last.ckpt was deleted, as `seqsweep clean --checkpoints` does."""
    name = Path("checkpoints", "last.ckpt")
    return (again / name).is_file() and not (folder / name).exists()


def _difference_in_stack(
    folder: Path, member: PlannedRun, alone: str, mates: Sequence[str], allowed: Sequence[str]
) -> str | None:
    """Trains the stack again that a run was part of: its last bits depend on the runs beside it.

    Args:
        folder, member: of the run.
        alone: how the run differs where it trains alone.
        mates: the run_ids of the stack.
        allowed: as for `reproduce`.
    """
    beside = folder.resolve().parent  # the run may be called `.`
    missing = [name for name in mates if not (beside / name / "config.yaml").is_file()]
    if missing:
        return (
            f"alone it {alone}; it was trained in a stack of {len(mates)} runs, and "
            f"{len(missing)} of them cannot be found in {beside}"
        )
    say(f"alone it {alone}; it was trained in a stack of {len(mates)} runs: comparing with it")
    members = [saved_member(RunFolder(beside / name), allowed) for name in mates]
    with tempfile.TemporaryDirectory() as scratch:
        train_stack(members, Path(scratch))
        return _difference(folder, Path(scratch, member.run_id))


def _difference(one: Path, other: Path) -> str | None:
    return (
        _first_difference(one, other) or _weights_differ(one, other) or _records_differ(one, other)
    )


def _first_difference(one: Path, other: Path) -> str | None:
    """The first epoch whose metrics differ, and the largest difference of any."""
    # A run without metrics.csv has no rows, and is compared by its weights alone.
    rows, again = (read_rows(folder / "metrics.csv") for folder in (one, other))
    if len(rows) != len(again):
        return f"differs: {len(rows)} epochs, and {len(again)} again"
    pairs = [
        (int(row["epoch"]), name, row.get(name, nan), second.get(name, nan))
        for row, second in zip(rows, again, strict=True)
        for name in dict.fromkeys((*row, *second))
        if row.get(name) != second.get(name)
    ]
    if not pairs:
        return None
    most = max(abs(a - b) for _, _, a, b in pairs)
    epoch, name, _, _ = pairs[0]
    return f"differs from epoch {epoch} ({name}), by at most {most:.3g}"


def _weights_differ(one: Path, other: Path) -> str | None:
    for name in ("best.ckpt", "last.ckpt"):
        paths = [folder / "checkpoints" / name for folder in (one, other)]
        there = [path.is_file() for path in paths]
        if not any(there) or (name == "last.ckpt" and _has_lost_last(one, other)):
            continue
        if not all(there):
            return f"differs: {name} is there {'then' if there[0] else 'again'} only"
        first, second = (load_sealed(path)["state_dict"] for path in paths)
        if first.keys() != second.keys():
            return f"differs: the weights of {name} have other names"
        most = max(float((first[key] - second[key]).abs().max()) for key in first)
        if not all(torch.equal(first[key], second[key]) for key in first):
            return f"differs: the weights of {name}, by at most {most:.3g}"
    return None


def _records_differ(one: Path, other: Path) -> str | None:
    a, b = ((RunFolder(folder).record() or {}).get("metrics", {}) for folder in (one, other))
    names = [name for name in dict.fromkeys((*a, *b)) if a.get(name) != b.get(name)]
    return f"differs: {', '.join(names)} of the record" if names else None


def _environments_differ(one: Path, other: Path) -> list[str]:
    before, now = (read_object(folder / "provenance.json") for folder in (one, other))
    keys = [key for key in (*before, *now) if key not in _NOT_THE_MACHINE]
    return [
        f"{key}: {before.get(key)} then, {now.get(key)} now"
        for key in dict.fromkeys(keys)
        if before.get(key) != now.get(key)
    ]
