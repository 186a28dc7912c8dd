"""The command `predict`: classifies the sequences of a file.

N sequences, B sequences of a batch, C classes.
"""

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seqsweep.arguments import Parser, add_json, add_use_of_run
from seqsweep.console import place, print_json, say_error
from seqsweep.results.formatting import count
from seqsweep.suggest import did_you_mean, listed
from seqsweep.using.input_data import InputData, open_data, open_run
from seqsweep.using.load import LoadedRun
from seqsweep.using.prediction_files import (
    FORMATS,
    Header,
    Predictions,
    check_output,
    format_of,
    write_predictions,
)
from seqsweep.using.scores import Float64


def predict(arguments: Sequence[str]) -> int:
    """Runs the command `predict`: writes each sequence's class. Returns the exit code."""
    options = _parser().parse(arguments, intermixed=True)
    # Without an output file, the JSON includes the predictions.
    rows = io.StringIO() if options.json and options.out is None else None
    if rows is not None and options.format is not None:
        raise ValueError(
            f"--format={options.format}: is the format of a file; give --out, or leave out --json"
        )
    kind = "jsonl" if rows is not None else format_of(options.out, options.format)
    if options.out is not None:
        check_output(options.out)
    run, _ = open_run(options)
    data = open_data(options.data, options.options, run, options.split, labelled=False)
    for note in data.notes:
        say_error(note)
    header = Header(run.class_names, data.labels is not None)
    # Batches are written as they are computed, so the accuracy is known only afterwards.
    right: list[int] = []
    batches = _batches(data, run, options.batch_size, right)
    write_predictions(options.out, kind, header, batches, rows)
    accuracy = None if data.labels is None else sum(right) / len(data)
    if options.json:
        lines = [] if rows is None else rows.getvalue().splitlines()
        made = {"predictions": list(map(json.loads, lines))} if rows else {"out": str(options.out)}
        head = {"run": str(run.checkpoint), "data": data.name, "classes": run.class_names}
        print_json(head | {"sequences": len(data), "accuracy": accuracy} | made)
        return 0
    where = "" if options.out is None else f" in {place(options.out)}"
    score = "" if accuracy is None else f"; accuracy {accuracy:.4f}"
    say_error(f"{data.name}: {count(len(data), 'sequence')}{where}{score}")
    return 0


def _parser() -> Parser:
    parser = Parser("predict", "Writes the class and the probabilities of each sequence.")
    add_use_of_run(parser)
    add_json(parser)
    words = "the file to write, in the format of its ending; by default csv in the terminal"
    parser.add_argument("--out", type=Path, metavar="FILE", help=words)
    parser.add_argument("--format", metavar="NAME", help=f"one of {', '.join(FORMATS)}")
    return parser


def _batches(
    data: InputData, run: LoadedRun, batch_size: int, right: list[int]
) -> Iterator[Predictions]:
    """Yields the predictions, and appends each batch's correct count to `right`."""
    names, ids = np.array(run.class_names), data.ids
    for rows, probabilities in probabilities_of(run, data, batch_size):
        indices = probabilities.argmax(axis=1)
        labels = None if data.labels is None else data.labels[rows]
        right.append(0 if labels is None else int((names[indices] == labels).sum()))
        yield Predictions(ids[rows], indices, probabilities.astype(np.float32), labels)


def probabilities_of(
    run: LoadedRun, data: InputData, batch_size: int
) -> Iterator[tuple[slice, Float64]]:
    """Yields the rows of each batch with their probabilities (B, C).

    Raises:
        ValueError: the sequences hold values that the run cannot take.
    """
    start, units = 0, run.units()
    for x, lengths in data.batches(batch_size):
        rows = slice(start, start + len(x))
        try:
            inputs = run.prepare(x, lengths)
            units.add(*inputs)
            probabilities = run.apply(inputs)
        except (ValueError, TypeError) as error:
            # In the message, sequence 0 is the first one of this batch.
            here = f"{data.name}, sequences {start} to {rows.stop - 1}"
            raise ValueError(f"{here} (here {start} is 0): {error}") from None
        yield rows, probabilities
        start = rows.stop
    for note in units.notes(data.name):
        say_error(note)


def known_labels(data: InputData, run: LoadedRun) -> npt.NDArray[np.int64]:
    """Returns the positions (N,) of the labels in the run's class names.

    Raises:
        ValueError: a label is a class that the run does not know, and so cannot predict.
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
