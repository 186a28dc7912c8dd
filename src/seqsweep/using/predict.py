"""The command `predict`: classifies the sequences of a file.

N sequences, C classes.
"""

import io
import json
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from seqsweep.arguments import Parser, add_json, add_out, add_use_of_run
from seqsweep.console import place, print_json, say_error
from seqsweep.data.scaling import difference_notes
from seqsweep.data.windows import windows_of
from seqsweep.text import count, did_you_mean, listed
from seqsweep.using.input_data import InputData, open_data, open_run
from seqsweep.using.load import BATCH_SIZE, Inputs, LoadedRun
from seqsweep.using.prediction_files import (
    FORMATS,
    Header,
    Predictions,
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
    run, _ = open_run(options)
    data = open_data(options.data, options.options, run, options.split, labelled=False)
    for note in data.notes:
        say_error(note)
    header = Header(run.class_names, data.labels is not None, tuple(data.columns))
    probabilities = probabilities_of(run, data, options.batch_size)
    write_predictions(options.out, kind, header, _batches(data, probabilities), rows)
    accuracy = None
    if data.labels is not None:
        names = np.array(run.class_names)
        right, labels = names[probabilities.argmax(axis=1)] == data.labels, np.array(data.labels)
        accuracy = float(right[labels != ""].mean())
    if options.json:
        lines = [] if rows is None else rows.getvalue().splitlines()
        made = {"predictions": list(map(json.loads, lines))} if rows else {"out": str(options.out)}
        head = {"run": str(run.checkpoint), "data": data.name, "classes": run.class_names}
        print_json(head | {"sequences": len(data), "accuracy": accuracy} | made)
        return 0
    where = "" if options.out is None else f" in {place(options.out)}"
    score = "" if accuracy is None else f"; accuracy {accuracy:.4f}"
    size = count(len(data), "sequence" if data.windows is None else "window")
    of = "" if data.windows is None else f" of {count(len(data.part.x), 'recording')}"
    say_error(f"{data.name}: {size}{of}{where}{score}")
    return 0


def _parser() -> Parser:
    parser = Parser("predict", "Writes the class and the probabilities of each sequence.")
    add_use_of_run(parser)
    add_json(parser)
    words = "the file to write, in the format of its ending; by default csv in the terminal"
    add_out(parser, "", words)
    parser.add_argument("--format", metavar="NAME", help=f"one of {', '.join(FORMATS)}")
    return parser


def _batches(data: InputData, probabilities: Float64) -> Iterator[Predictions]:
    """Yields the predictions for a few hundred sequences at a time."""
    for start in range(0, len(data), BATCH_SIZE):
        rows = slice(start, start + BATCH_SIZE)
        labels = None if data.labels is None else data.labels[rows]
        part = probabilities[rows]
        named = [column[rows] for column in data.columns.values()]
        yield Predictions(named, part.argmax(axis=1), part.astype(np.float32), labels)


def probabilities_of(run: LoadedRun, data: InputData, batch_size: int) -> Float64:
    """Returns the probabilities (N, C), and prints how they differ from training.

    Raises:
        ValueError: the sequences hold values that the run cannot take.
    """
    try:
        inputs = run.prepare(data.part.x, data.part.lengths)
        x, lengths = inputs.x.numpy(), inputs.lengths.numpy()
        for note in difference_notes(x, lengths, run.scaling, run.source_channels, data.name):
            say_error(note)
        step, usual = data.part.step, run.scaling and run.scaling.step
        if step and usual and abs(step / usual - 1) > 0.1:
            rate = f"a step is {step:g}, in training {usual:g}"
            say_error(f"{data.name}: {rate}; check the sampling rate")
        if data.windows is not None:
            cut = windows_of(x, data.windows, run.transform)
            inputs = Inputs(*map(torch.from_numpy, cut))
        return run.apply(inputs, batch_size)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{data.name}: {error}") from None


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
