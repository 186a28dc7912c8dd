"""The labelled sequences on which a run is scored: DATA, or the run's own split.

M members of an ensemble, N sequences, C classes.
"""

import argparse
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from seqsweep.console import say_error
from seqsweep.data.batch import checked_batch
from seqsweep.models.layers import takes_lengths
from seqsweep.runs.identity import DATA_MODULE
from seqsweep.training.run_data import dataloader_of
from seqsweep.using.input_data import open_data
from seqsweep.using.load import Inputs, LoadedRun
from seqsweep.using.predict import inputs_of, known_labels
from seqsweep.using.scores import Float64

Labels = npt.NDArray[np.int64]


class Labelled(NamedTuple):
    """The name, inputs with labels, and `Sequences.units` of DATA or of a split."""

    name: str
    batches: Iterable[tuple[Inputs, Labels]]
    units: npt.NDArray[Any] | None


def labelled(run: LoadedRun, options: argparse.Namespace) -> Labelled:
    """Returns the sequences of DATA, or of the run's own split.

    Raises:
        ValueError, TypeError, OSError: the run has no folder or no such split, or the data cannot
            be read, do not fit the run or have changed since training.
    """
    if options.data is not None:
        data = open_data(options.data, options.options, run, options.split, labelled=True)
        for note in data.notes:
            say_error(note)
        labels = known_labels(data, run)
        return Labelled(data.name, [(inputs_of(run, data), labels)], data.units)
    if options.options:
        raise ValueError(f"{options.options[0]}: is an option to read DATA, which is not given")
    from seqsweep.using.own_outputs import own_data  # it imports Lightning

    data, name = own_data(run, options)
    units = None
    if run.config["data"]["_target_"] == DATA_MODULE:
        part = data.splits.parts[name]
        units = part.units
        batches: Any = [(*map(torch.from_numpy, (part.x, part.lengths, part.labels)),)]
    else:
        batches = dataloader_of(data, name)
    checked = map(checked_batch, batches)
    inputs = ((Inputs(x, lengths), labels.numpy()) for x, lengths, labels in checked)
    folder = options.run if options.ensemble or options.importance else run.folder
    return Labelled(f"{folder} ({name})", inputs, units)


def labelled_probabilities(
    run: LoadedRun, name: str, batches: Iterable[tuple[Inputs, Labels]], batch_size: int
) -> tuple[Float64, Labels]:
    """Returns the probabilities (M, N, C) of each member of an ensemble, and the labels (N,)."""
    parts: list[Float64] = []
    labels: list[Labels] = []
    for inputs, y in batches:
        try:
            parts.append(run.apply_each(inputs, batch_size))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{name}: {error}") from None
        labels.append(y)
    return np.concatenate(parts, axis=1), np.concatenate(labels)


def together(
    run: LoadedRun, name: str, batches: Iterable[tuple[Inputs, Labels]]
) -> tuple[Inputs, Labels]:
    """Returns all batches as one, padded to the longest.

    Raises:
        ValueError: the batches need padding, which the network would read.
    """
    xs, lengths, labels = zip(*((*inputs, y) for inputs, y in batches), strict=True)
    longest = max(x.shape[1] for x in xs)
    if any(x.shape[1] < longest for x in xs) and not takes_lengths(type(run.network)):
        raise ValueError(f"{name}: has batches of different lengths, but forward takes x alone")
    padded = [functional.pad(x, (0, 0, 0, longest - x.shape[1])) for x in xs]
    return Inputs(torch.cat(padded), torch.cat(lengths)), np.concatenate(labels)
