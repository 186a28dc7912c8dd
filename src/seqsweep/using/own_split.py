"""Predicts a split of the data that a run was trained on.

N sequences, B sequences of a batch, C classes.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from seqsweep.data.sequences import Sequences
from seqsweep.runs.run_folder import RunFolder
from seqsweep.suggest import did_you_mean, listed
from seqsweep.training.data_cache import prepared
from seqsweep.training.saved_config import saved_data
from seqsweep.using.load import Inputs, LoadedRun
from seqsweep.using.scores import Float64


def own_split(
    run: LoadedRun, split: str | None, batch_size: int, allow: Sequence[str]
) -> tuple[str, Iterator[Float64], npt.NDArray[np.int64]]:
    """Returns the name, the probabilities by batch, and the labels of a run's split.

    Args:
        split: train, val or test; None for test.
        allow: targets of the run's data that may be built.

    Raises:
        ValueError, TypeError, OSError: the data cannot be read, or have changed since.
    """
    folder = run.folder
    if folder is None:
        raise ValueError(
            f"{run.checkpoint}: DATA is missing; only the folder of a run knows its own data"
        )
    if not isinstance(run.config["data"].get("source"), dict):
        target = run.config["data"].get("_target_")
        raise ValueError(f"{folder}: {target} reads its data by itself; give DATA")
    splits = prepared(saved_data(RunFolder(folder), allow).config).parts
    name = split or "test"
    if name not in splits:
        hint = did_you_mean(name, splits)
        raise ValueError(f"--split={name}: the run's data have only {listed(list(splits))}{hint}")
    part = splits[name]
    return f"{folder} ({name})", _batches(run, part, batch_size), part.labels


def _batches(run: LoadedRun, part: Sequences, batch_size: int) -> Iterator[Float64]:
    for start in range(0, len(part), batch_size):
        rows = part.select(np.arange(start, min(start + batch_size, len(part))))
        x, lengths = torch.from_numpy(rows.x), torch.from_numpy(rows.lengths)
        yield run.apply(Inputs(x, lengths))
