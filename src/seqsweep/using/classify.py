"""Applies a trained run to the sequences of a file, batch by batch.

N sequences, B sequences of a batch, C classes.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from seqsweep.suggest import did_you_mean, listed
from seqsweep.using.input_data import InputData
from seqsweep.using.load import LoadedRun
from seqsweep.using.scores import Float64


def probabilities_of(
    run: LoadedRun, data: InputData, batch_size: int
) -> Iterator[tuple[slice, Float64]]:
    """Yields the rows of each batch with the probabilities of their classes, (B, C).

    Raises:
        ValueError: the sequences hold values that the run cannot take.
    """
    start = 0
    for x, lengths in data.batches(batch_size):
        rows = slice(start, start + len(x))
        try:
            probabilities = run.apply(run.prepare(x, lengths))
        except (ValueError, TypeError) as error:
            # The message counts sequences from the start of the batch.
            here = f"{data.name}, sequences {start} to {rows.stop - 1}"
            raise ValueError(f"{here} (counted from {start}): {error}") from None
        yield rows, probabilities
        start = rows.stop


def known_labels(data: InputData, run: LoadedRun) -> npt.NDArray[np.int64]:
    """Returns the position of each sequence's class in the run's class names, (N,).

    Raises:
        ValueError: the run does not know a class, so that it cannot be right.
    """
    assert data.labels is not None
    position = {name: index for index, name in enumerate(run.class_names)}
    for row, label in enumerate(data.labels):
        if label not in position:
            hint = did_you_mean(label, position)
            raise ValueError(
                f"{data.name}: sequence {row} has label {label!r}; {run.checkpoint} knows only"
                f" {listed(run.class_names)}{hint}; leave such sequences out"
            )
    return np.array([position[label] for label in data.labels], dtype=np.int64)
