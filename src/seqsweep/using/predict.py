"""The command `predict`: classifies the sequences of a file.

N sequences, C classes.
"""

import argparse
import io
import json
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from seqsweep.arguments import Parser, add_ensemble, add_json, add_out, add_use_of_run
from seqsweep.console import place, print_json, say_error
from seqsweep.data.scaling import difference_notes
from seqsweep.data.windows import windows_of
from seqsweep.text import count, did_you_mean, listed
from seqsweep.training.run_data import dataloader_of
from seqsweep.using.ensemble import open_chosen, origin_of
from seqsweep.using.input_data import InputData, open_data
from seqsweep.using.load import BATCH_SIZE, Inputs, LoadedRun
from seqsweep.using.prediction_files import FORMATS, Table, format_of, write_table
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
    run, _ = open_chosen(options)
    if run.is_module:
        title, table = _own_predictions(run, options)
        size, batches, accuracy = len(table["id"]), [table], None
        words = count(size, "sequence")
    else:
        data = _read(run, options)
        probabilities = probabilities_of(run, data, options.batch_size)
        title, size, batches = data.name, len(data), _batches(run, data, probabilities)
        accuracy = _accuracy(run, data, probabilities)
        words = count(size, "sequence" if data.windows is None else "window")
        words += "" if data.windows is None else f" of {count(len(data.part.x), 'recording')}"
    write_table(options.out, kind, batches, rows)
    if options.json:
        lines = [] if rows is None else rows.getvalue().splitlines()
        made = {"predictions": list(map(json.loads, lines))} if rows else {"out": str(options.out)}
        head = {**origin_of(run), "data": title, "classes": run.class_names}
        print_json(head | {"sequences": size, "accuracy": accuracy} | made)
        return 0
    where = "" if options.out is None else f" in {place(options.out)}"
    score = "" if accuracy is None else f"; accuracy {accuracy:.4f}"
    say_error(f"{title}: {words}{where}{score}")
    return 0


def _parser() -> Parser:
    parser = Parser("predict", "Writes the class and the probabilities of each sequence.")
    add_use_of_run(parser, needs_data=False)
    add_ensemble(parser)
    add_json(parser)
    words = "the file to write, in the format of its ending; by default csv in the terminal"
    add_out(parser, "", words)
    parser.add_argument("--format", metavar="NAME", help=f"one of {', '.join(FORMATS)}")
    return parser


def _read(run: LoadedRun, options: argparse.Namespace) -> InputData:
    """Reads DATA, and prints its notes."""
    if options.data is None:
        raise ValueError("DATA is missing: expected a file of sequences")
    data = open_data(options.data, options.options, run, options.split, labelled=False)
    for note in data.notes:
        say_error(note)
    return data


def _own_predictions(run: LoadedRun, options: argparse.Namespace) -> tuple[str, Table]:
    """Returns what a LightningModule of the user predicts for DATA or a split."""
    from seqsweep.using.own_outputs import batches_of, outputs_of, own_data  # Lightning

    if options.data is None:
        data, split = own_data(run, options)
        outputs = outputs_of(run, dataloader_of(data, split))
        size = len(next(iter(outputs.values())))
        return f"{run.folder} ({split})", {"id": range(size), **outputs}
    if run.scaling is None:
        raise ValueError(f"{options.data}: the run has its own data module; give --split NAME")
    read = _read(run, options)
    batches = batches_of(run, inputs_of(run, read), options.batch_size)
    return read.name, {**read.columns, **outputs_of(run, batches)}


def _accuracy(run: LoadedRun, data: InputData, probabilities: Float64) -> float | None:
    """Returns the accuracy on the sequences of a file that have a label."""
    if data.labels is None:
        return None
    names = np.array(run.class_names)
    right, labels = names[probabilities.argmax(axis=1)] == data.labels, np.array(data.labels)
    return float(right[labels != ""].mean())


def _batches(run: LoadedRun, data: InputData, probabilities: Float64) -> Iterator[Table]:
    """Yields the predictions for a few hundred sequences at a time."""
    names = np.array(run.class_names)
    for start in range(0, len(data), BATCH_SIZE):
        rows = slice(start, start + BATCH_SIZE)
        part = probabilities[rows]
        yield {
            **{name: column[rows] for name, column in data.columns.items()},
            "prediction": names[part.argmax(axis=1)].tolist(),
            **{f"p_{name}": p for name, p in zip(names, part.astype(np.float32).T, strict=True)},
            **({} if data.labels is None else {"label": data.labels[rows]}),
        }


def probabilities_of(run: LoadedRun, data: InputData, batch_size: int) -> Float64:
    """Returns the probabilities (N, C) of the sequences of a file.

    Raises:
        ValueError: the sequences hold values that the run cannot take.
    """
    inputs = inputs_of(run, data)
    try:
        return run.apply(inputs, batch_size)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{data.name}: {error}") from None


def inputs_of(run: LoadedRun, data: InputData) -> Inputs:
    """Returns the prepared sequences or windows, and prints how they differ from training."""
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
        return inputs
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
