"""The command `evaluate`: scores a trained run on labelled sequences."""

import argparse
import dataclasses
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seqsweep.arguments import (
    Parser,
    add_ensemble,
    add_json,
    add_out,
    add_use_of_run,
    whole_number,
)
from seqsweep.console import PlainConsole, print_json, print_lines, say_error
from seqsweep.data.batch import checked_batch
from seqsweep.results.importance import FILE, importance_words
from seqsweep.results.significance import LEVEL, Estimate, estimate
from seqsweep.runs.documents import write_sealed
from seqsweep.runs.files import JsonObject, write_json
from seqsweep.runs.identity import DATA_MODULE
from seqsweep.terminal_table import new_table, print_table
from seqsweep.text import count, number
from seqsweep.training.run_data import dataloader_of
from seqsweep.using.ensemble import open_chosen, origin_of
from seqsweep.using.find_run import find_seeds, is_one_run
from seqsweep.using.importance import importance_of
from seqsweep.using.input_data import Labelled, open_data, open_run
from seqsweep.using.load import BATCH_SIZE, Inputs, LoadedRun, load_run
from seqsweep.using.predict import inputs_of, known_labels
from seqsweep.using.scores import FEWEST_UNITS, OF_A_CLASS, Evaluation, Float64, Int64, Score
from seqsweep.using.scores import evaluate as evaluate_probabilities

_WORDS = {"calibration_error": "calibration error", "roc_auc": "ROC AUC", "macro_f1": "macro F1"}
_MOST_CLASSES, _MOST_ROWS = 20, 100
"""The most classes of the confusion matrix, and of the table, in the terminal.

The JSON file has all classes.
"""
_MOST_RESAMPLES = 100_000
Answer = tuple[JsonObject, Callable[[], None]]
"""The content for JSON, and what prints it as text."""

_FOR_NETWORKS = {"data": None, "resamples": 1000, "seed": 0, "batch_size": BATCH_SIZE}


def evaluate(arguments: Sequence[str]) -> int:
    """Runs the command `evaluate`: prints or writes scores. Returns 0."""
    options = _parser().parse(arguments, intermixed=True)
    if options.importance:
        content, show = _importance(options)
    else:
        run, choice = open_chosen(options)
        content, show = (_evaluate_own if run.is_module else _evaluate)(run, choice, options)
    if options.out is not None:
        write_json(options.out, content)
    if options.json:
        print_json(content)
    else:
        show()
    return 0


def _evaluate(run: LoadedRun, choice: str | None, options: argparse.Namespace) -> Answer:
    """Returns the scores of a run or an ensemble."""
    name, batches, units = labelled(run, options)
    each, labels, lengths = _probabilities(run, name, batches, options.batch_size)
    of = run.class_names, options.resamples, options.seed, units, lengths
    result = evaluate_probabilities(each.mean(axis=0), labels, *of)
    seeds = estimate((each.argmax(axis=2) == labels).mean(axis=1).tolist())
    settings = {"level": LEVEL, "resamples": options.resamples, "seed": options.seed}
    head = {**origin_of(run), "epoch": run.epoch, "data": name}
    content = head | result.as_json() | {"intervals": settings}
    if seeds.n > 1:
        content["mean_of_seeds"] = dataclasses.asdict(seeds)
    title = f"{name}: {count(len(labels), 'sequence' if units is None else 'window')}"
    return content, lambda: print_evaluation(result, title, PlainConsole(), seeds)


def _evaluate_own(run: LoadedRun, choice: str | None, options: argparse.Namespace) -> Answer:
    """Returns what a LightningModule of the user logs in its test."""
    for name, usual in _FOR_NETWORKS.items():
        if (given := getattr(options, name)) != usual:
            raise ValueError(f"{name}={given}: is for networks; a LightningModule runs test_step")
    from seqsweep.using.own_outputs import tested  # it imports Lightning

    runs = [run]
    if choice is not None:  # of a sweep
        runs, _ = _runs_of_config(options)
    results = [tested(each, options) for each in runs]
    names = [name for name in results[0] if all(name in each for each in results)]
    means = {name: estimate([each[name] for each in results]) for name in names}
    metrics = {name: dataclasses.asdict(mean) for name, mean in means.items()}
    content = {"runs": [str(each.checkpoint) for each in runs], "metrics": metrics}
    title = f"mean of {len(runs)} runs, ± standard deviation" if choice else str(run.checkpoint)
    for name, mean in means.items():
        title += f"\n{name}  {number(mean.mean)}" + (f" ±{number(mean.std)}" if mean.std else "")
    return content, lambda: print_lines(PlainConsole(), title)


def _importance(options: argparse.Namespace) -> Answer:
    """Returns what decides; without DATA it is also kept in the folder."""
    for name, usual in (("ensemble", False), ("resamples", 1000)):
        if getattr(options, name) != usual:
            raise ValueError(f"--{name}: has no effect with --importance; leave it out")
    if not is_one_run(options.run):
        runs, choice = _runs_of_config(options)
        say_error(f"{options.run}: {choice}")
    elif options.config is None:
        runs = [open_run(options)[0]]
    else:
        raise ValueError(f"--config={options.config}: {options.run} is a single run")
    read = partial(labelled, options=options)
    content = importance_of(runs, read, options.seed, options.batch_size)
    if options.data is None and options.run.is_dir():
        try:
            write_sealed(options.run / FILE, content)
        except OSError as error:
            say_error(f"nothing for the report and the figures: {error}")
    return content, lambda: _print_importance(content)


def _runs_of_config(options: argparse.Namespace) -> tuple[list[LoadedRun], str]:
    """Loads the runs of a sweep's config; also returns how the config was chosen."""
    entries, choice = find_seeds(options.run, options.config or 1)
    name = options.checkpoint or "best"
    return [load_run(each.folder.path, name, options.allow) for each in entries], choice


def _parser() -> Parser:
    text = "Scores a run on labelled sequences; without DATA, on its own test split."
    parser = Parser("evaluate", text)
    add_use_of_run(parser, needs_data=False)
    add_ensemble(parser)
    add_json(parser)
    add_out(parser, ".json", "a file for all numbers")
    words = "resamples of the bootstrap, which gives the intervals (1000); 0 for none"
    number = whole_number(0, _MOST_RESAMPLES)
    parser.add_argument("--resamples", type=number, default=1000, metavar="N", help=words)
    words = "show how much permuted channels and spans of steps worsen the runs of a config"
    parser.add_argument("--importance", action="store_true", help=words)
    words = "the seed of the resamples, or of the permutations (0)"
    parser.add_argument("--seed", type=whole_number(0), default=0, metavar="N", help=words)
    return parser


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


def _probabilities(
    run: LoadedRun, name: str, batches: Iterable[tuple[Inputs, Int64]], batch_size: int
) -> tuple[Float64, Int64, Int64]:
    """Returns each member's probabilities (M, N, C), the labels (N,) and the lengths (N,)."""
    parts: list[Float64] = []
    labels: list[Int64] = []
    lengths: list[Int64] = []
    for inputs, y in batches:
        try:
            parts.append(run.apply_each(inputs, batch_size))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{name}: {error}") from None
        labels.append(y)
        lengths.append(inputs.lengths.numpy())
    return np.concatenate(parts, axis=1), np.concatenate(labels), np.concatenate(lengths)


def print_evaluation(
    result: Evaluation, title: str, console: Console, seeds: Estimate | None = None
) -> None:
    """Prints the overall scores, the scores by class, and the confusion matrix.

    Args:
        seeds: the mean accuracy of the members of an ensemble.
    """
    print_lines(console, title)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, score in result.metrics.items():
        table.add_row(_WORDS.get(name, name.replace("_", " ")), *_texts(score))
        if name == "accuracy" and seeds is not None and seeds.n > 1:
            mean = Score(seeds.mean, seeds.low, seeds.high)
            table.add_row(f"  mean of {seeds.n} seeds", *_texts(mean))
    print_table(console, table)
    print_table(console, _classes_table(result))
    if (more := len(result.classes) - _MOST_ROWS) > 0:
        print_lines(
            console,
            f"not listed: {count(more, 'more class', 'more classes')} (--out FILE.json has all)",
        )
    if len(result.class_names) <= _MOST_CLASSES:
        print_table(console, _confusion_table(result))
    if result.by_length:
        print_table(console, _lengths_table(result))
    units, effective = result.units or 0, result.effective_units or 0.0
    is_equal = units - effective < 0.05
    worth = "" if is_equal else f" ({units} are as good as {effective:.1f} equally long ones)"
    if units and effective < 2:
        print_lines(console, f"no intervals, because one recording or group decides{worth}")
    if any(score.low is not None for score in result.metrics.values()):
        of = f" over {units} recordings or groups{worth}" if units else ""
        is_few = 0 < units < FEWEST_UNITS
        others = (
            f"the others need {FEWEST_UNITS}" if is_few else "else percentiles of the bootstrap"
        )
        kinds = f"Wilson's of accuracy and F1, {others}"
        print_lines(console, f"in brackets: {LEVEL:.0%} intervals{of}, {kinds}")


def _print_importance(content: JsonObject) -> None:
    """Prints by how much each channel and each span worsens loss and accuracy."""
    table = _table("permuted", "loss", "", "accuracy", "")
    channels = sorted(content["channels"], key=lambda part: -part["loss"]["mean"])
    for part in (*channels, *content["spans"]):
        means = (Estimate(**part[metric]) for metric in ("loss", "accuracy"))
        loss, accuracy = (_texts(Score(of.mean, of.low, of.high), "+.4f") for of in means)
        table.add_row(escape(part["name"]), *loss, *accuracy)
    console = PlainConsole()
    print_lines(console, f"{content['data']}: {count(content['sequences'], 'sequence')}")
    print_table(console, table)
    print_lines(console, importance_words(content))


def _table(name: str, *numbers: str) -> Table:
    """Returns a table without rows: a column of names, then columns of numbers."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column(name)
    for head in numbers:
        table.add_column(escape(head), justify="right")
    return table


def _classes_table(result: Evaluation) -> Table:
    table = _table("class", "precision", "recall", "F1", "", "support")
    support = result.support
    for name, scores in list(result.classes.items())[:_MOST_ROWS]:
        values = [f"{scores[key].value:.3f}" for key in OF_A_CLASS]
        # Three intervals would be too wide here; the JSON file has all of them.
        table.add_row(escape(name), *values, _texts(scores["f1"], ".3f")[1], str(support[name]))
    return table


def _confusion_table(result: Evaluation) -> Table:
    table = _table("true \\ predicted", *result.class_names)
    for index, name in enumerate(result.class_names):
        cells = [str(number) if number else "." for number in result.confusion[index].tolist()]
        cells[index] = f"[bold]{cells[index]}[/]"
        table.add_row(escape(name), *cells)
    return table


def _lengths_table(result: Evaluation) -> Table:
    table = new_table(["steps", "accuracy", "sequences"], keys=1)
    for one in result.by_length:
        steps = "{shortest} to {longest}".format(**one)
        table.add_row(steps, f"{one['accuracy']:.4f}", str(one["sequences"]))
    return table


def _texts(score: Score, form: str = ".4f") -> tuple[str, str]:
    """Returns the value, and its interval in brackets."""
    value, low, high = (None if of is None else f"{of:{form}}" for of in score)
    return str(value), "" if low is None else escape(f"[{low}, {high}]")
