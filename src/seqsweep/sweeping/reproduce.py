"""`seqsweep reproduce` trains a run again and compares every bit."""

import math
import os
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from seqsweep.command import is_first_process
from seqsweep.console import say
from seqsweep.results.leaderboard import leaderboard
from seqsweep.runs.files import read_object
from seqsweep.runs.identity import CODE
from seqsweep.runs.ledger import read_folder
from seqsweep.runs.metrics_csv import read_rows
from seqsweep.runs.record import NO_RECORD
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.checkpoint_files import load_sealed
from seqsweep.training.engine import PROGRAM, program_digest
from seqsweep.training.saved_config import saved_member
from seqsweep.training.train import train
from seqsweep.training.user_code import code_of, differing

_SCRATCH = "SEQSWEEP_SCRATCH"
"""The environment variable with the scratch folder of a distributed run.

All processes of the run read the best checkpoint there.
"""

_ENGINES = ("native", "autograd")
_NOT_THE_MACHINE = ("command", "started", "data_files", CODE)
"""The keys of provenance.json that do not describe the environment."""


def reproduce(folder: Path, allowed: Sequence[str] = (), start_from: str | None = None) -> int:
    """Trains a run again, and prints whether the results are identical.

    Args:
        allowed: the targets outside seqsweep that the run's config may build.
        start_from: another folder of the run from whose weights it started.

    Returns:
        0 if losses and weights are identical, 1 if they differ.

    Raises:
        ValueError, TypeError, OSError: the run is not complete, its code has changed, or its config
            is refused.
        RunFailed, Interrupted: the training failed, or a signal came.
    """
    run = RunFolder(folder)
    record = run.record()
    if record is None and (board := leaderboard(read_folder(folder))).rows:
        command = f"seqsweep reproduce {shlex.quote(str(board.best.folder.path))}"
        raise ValueError(f"{folder}: expected one run, got a folder of runs; the best: {command}")
    if record is None or record.status != "complete":
        raise ValueError(f"{folder}: not the folder of a complete run (its state: {run.state()})")
    member = saved_member(run, allowed, start_from)
    provenance = read_object(folder / "provenance.json")
    code = provenance.get(CODE)
    then = code.get("files") if isinstance(code, dict) else None
    if isinstance(then, dict) and (changed := differing(then, code_of(member.config))):
        raise ValueError(
            f"{folder}: the code has changed since the run was trained: {changed}; reproduce needs "
            "the earlier code"
        )
    # Another engine rounds differently, so it could not give equal bits.
    engine = provenance["engine"] if provenance.get("engine") in _ENGINES else None
    if provenance.get(PROGRAM) != program_digest(member.config, str(engine)):
        raise ValueError(
            f"{folder}: model.cell={member.config['model']['cell']} is now traced to another "
            "program than when the run was trained, by another torch or seqsweep"
        )
    if not is_first_process():  # the first process started this one, and compares the results
        if _SCRATCH not in os.environ:
            raise ValueError("LOCAL_RANK is set: reproduce starts the other processes by itself")
        train(member, Path(os.environ[_SCRATCH]), engine=engine)
        return 0
    # The line is printed before training, because it explains differences found afterwards.
    if member.data_fingerprint != record.data_fingerprint:
        say("the data have changed since the run was trained")
    with tempfile.TemporaryDirectory() as scratch:
        # Processes that Lightning starts for ddp inherit the variable.
        os.environ[_SCRATCH] = scratch
        again = train(member, Path(scratch), engine=engine).folder.path
        pair = folder, again
        difference = _epochs_differ(*pair) or _weights_differ(*pair) or _records_differ(*pair)
        environment = _environments_differ(folder, again)
        uncompared = _has_lost_last(folder, again)
    say(
        difference or ("identical, but for last.ckpt, which is gone" if uncompared else "identical")
    )
    if difference and environment:
        say("the environment differs:")
    for line in environment if difference else []:
        say(f"  {line}")
    return int(difference is not None)


def _has_lost_last(folder: Path, again: Path) -> bool:
    """Returns whether the run in `folder` has lost last.ckpt, for example by `clean`."""
    name = Path("checkpoints", "last.ckpt")
    return (again / name).is_file() and not (folder / name).exists()


def _epochs_differ(one: Path, other: Path) -> str | None:
    """Names the first epoch that differs, if any, and the largest difference."""
    before, again = (read_rows(folder / "metrics.csv") for folder in (one, other))
    if len(before) != len(again):
        return f"differs: {len(before)} epochs, and {len(again)} again"
    # A difference is NaN where only one of the runs has a finite number.
    differences = [
        (epoch, name, difference)
        for epoch, (first, second) in enumerate(zip(before, again, strict=True))
        for name in dict.fromkeys((*first, *second))
        if (difference := abs(first.get(name, math.nan) - second.get(name, math.nan))) != 0
    ]
    if not differences:
        return None
    epoch, name, _ = differences[0]
    most = max((last for *_, last in differences), key=lambda d: math.inf if d != d else d)
    return f"differs from epoch {epoch} ({name}), by at most {most:.3g}"


def _weights_differ(one: Path, other: Path) -> str | None:
    """Names the first checkpoint whose weights differ, if any, and by how much."""
    for name in ("best.ckpt", "last.ckpt"):
        # `clean --checkpoints` may have deleted last.ckpt of the first training.
        exists = [(folder / "checkpoints" / name).is_file() for folder in (one, other)]
        if not any(exists) or (name == "last.ckpt" and _has_lost_last(one, other)):
            continue
        if not all(exists):
            return f"differs: only the {'first' if exists[0] else 'second'} training has {name}"
        first, second = (
            load_sealed(folder / "checkpoints" / name)["state_dict"] for folder in (one, other)
        )
        if first.keys() != second.keys():
            return f"differs: the weights of {name} have other names"
        # Unlike Python's maximum, torch's maximum is NaN if one of the numbers is NaN.
        most = float(torch.stack([(first[key] - second[key]).abs().max() for key in first]).max())
        if most != 0:
            return f"differs: the weights of {name}, by at most {most:.3g}"
    return None


def _records_differ(one: Path, other: Path) -> str | None:
    """Names the metrics that differ in the records, if any."""
    records = (RunFolder(folder).record() or NO_RECORD for folder in (one, other))
    first, second = (record.metrics for record in records)
    names = [
        name for name in dict.fromkeys((*first, *second)) if first.get(name) != second.get(name)
    ]
    return f"differs: {', '.join(names)} of the record" if names else None


def _environments_differ(one: Path, other: Path) -> list[str]:
    """Returns a line for each key of provenance.json that differs."""
    before, now = (read_object(folder / "provenance.json") for folder in (one, other))
    keys = [key for key in (*before, *now) if key not in _NOT_THE_MACHINE]
    return [
        f"{key}: {before.get(key)} then, {now.get(key)} now"
        for key in dict.fromkeys(keys)
        if before.get(key) != now.get(key)
    ]
