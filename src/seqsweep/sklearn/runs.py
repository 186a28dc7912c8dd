"""The run behind a fit: its files, its training and its result.

N sequences, T steps, F features (channels), C classes.
"""

import contextlib
import hashlib
import io
import tempfile
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from seqsweep.console import PlainConsole
from seqsweep.data.checks import Array
from seqsweep.data.lists import padded
from seqsweep.runs.files import write_bytes
from seqsweep.sklearn.arrays import Rows
from seqsweep.sweeping.api import train_in
from seqsweep.training.checkpoints import load_sealed
from seqsweep.training.description import KEYS
from seqsweep.training.outcome import Outcome, RunFailed
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.resume import forget_finished_runs
from seqsweep.training.run_data import forget_data

one_at_a_time = threading.RLock()
"""Held while a fit or a prediction of this process uses the global state of torch and Hydra."""


@contextlib.contextmanager
def folder_of_runs(folder: str | Path | None) -> Generator[Path]:
    """Yields the folder of the runs, by default a temporary one."""
    if folder is not None:
        path = Path(folder).expanduser().absolute()
        path.mkdir(parents=True, exist_ok=True)
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="seqsweep-") as temporary:
        try:
            yield Path(temporary)
        finally:
            # Nobody can ask for these data again, which would stay in memory.
            forget_data()


def store(x: Rows, y: Array, root: Path) -> Path:
    """Writes X and y to `root`/data; returns the file, named by its content."""
    is_array = isinstance(x, np.ndarray)
    values, lengths = padded(x, None)
    arrays: dict[str, Array] = {"X": values, "y": y} | ({} if is_array else {"lengths": lengths})
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(f"{name} {array.shape} {array.dtype.str}".encode())
        digest.update(np.ascontiguousarray(array).data.cast("B"))
    # The name is the content, so that all fits on the same data share one file.
    path = root / "data" / f"{digest.hexdigest()[:16]}.npz"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        buffer = io.BytesIO()
        save: Any = np.savez  # the types of NumPy 2 allow no arrays by keyword
        save(buffer, **arrays)
        write_bytes(path, buffer.getvalue(), sync=False)
    return path


def train_one(planned: PlannedRun, root: Path, verbose: bool) -> Outcome:
    """Trains a run in `root`, unless it is done already; silent unless asked.

    Raises:
        ValueError: the run diverged.
        RuntimeError: the training failed.
    """
    # A console that is not a terminal gets no progress bar. In a notebook rich ignores the file.
    console = PlainConsole() if verbose else Console(file=io.StringIO(), force_jupyter=False)
    try:
        outcome = train_in(planned, root, console)
    except RunFailed as error:
        # The run's folder, which the message names, may be a temporary one.
        raise RuntimeError(f"the training failed: {error.__cause__}") from error
    forget_finished_runs()  # a longer run may begin with this one
    if outcome.record["status"] == "diverged":
        raise ValueError(f"the training diverged: {outcome.record['error']}; lower lr")
    return outcome


def kept_content(path: Path) -> dict[str, Any]:
    """Returns what the use of a network needs of a checkpoint: tensors and plain values."""
    content = load_sealed(path)
    kept = {name: content[name] for name in (*KEYS, "state_dict", "epoch")}
    # The weights are views of one vector, which a pickle would hold once for each of them.
    kept["state_dict"] = {name: weight.clone() for name, weight in content["state_dict"].items()}
    return kept
