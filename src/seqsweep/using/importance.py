"""The command `evaluate --importance`: what the loss and the accuracy depend on.

A channel, or a span of steps, is permuted among the sequences. The more a run needs it, the worse
the run becomes (Fisher, Rudin, Dominici 2019, All Models are Wrong, but Many are Useful, JMLR 20).

R runs, N sequences, T steps, F features (channels), P parts.
"""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from rich.markup import escape
from rich.table import Table
from torch import nn

from seqsweep.console import PlainConsole, print_json, print_lines, say_error
from seqsweep.data.checks import Float32, Int64, Mask
from seqsweep.elementary import log
from seqsweep.models.layers import takes_lengths
from seqsweep.results.importance import FILE, importance_words
from seqsweep.results.significance import estimate
from seqsweep.runs.documents import write_sealed
from seqsweep.runs.files import JsonObject, write_json
from seqsweep.terminal_table import print_table
from seqsweep.text import count, cut
from seqsweep.using.find_run import find_seeds, is_one_run
from seqsweep.using.input_data import open_run
from seqsweep.using.load import Inputs, LoadedRun, load_run
from seqsweep.using.scores import Float64

_SPANS, _REPEATS, _LONGEST = 10, 5, 40
"""The most spans, the permutations of a part, and the most characters of a name."""

Labels = npt.NDArray[np.int64]
Part = tuple[Mask, Mask]
"""The steps (N, T) and the channels (F,) that are permuted."""


class Labelled(NamedTuple):
    """The name, inputs with labels, and `Sequences.units` of DATA or of a split."""

    name: str
    batches: Iterable[tuple[Inputs, Labels]]
    units: npt.NDArray[Any] | None


def parts_of(x: Float32, lengths: Int64, names: tuple[str, ...]) -> list[dict[str, Part]]:
    """Returns the channels, the spans, and each channel in each span of sequences (N, T, F).

    A one-hot code is one channel here, because permuting a part of it would break the code.
    """
    steps = np.arange(x.shape[1])
    valid, every = steps < lengths[:, None], np.ones(len(names), dtype=bool)
    values = x[valid]  # of all valid steps
    low, high = values.min(axis=0), values.max(axis=0)
    is_high = (values == high) & (low < high)
    is_code = (is_high | (values == low)).all() and (is_high.sum(axis=1) == 1).all()
    groups = {name: np.arange(len(names)) == f for f, name in enumerate(names)}
    if len(names) > 1 and is_code:
        groups = {cut(", ".join(names), _LONGEST): every}
    number = min(_SPANS, len(steps))
    span = np.where(valid, steps * number // lengths[:, None], -1)
    ends = [round(100 * index / number) for index in range(number + 1)]
    spans = {f"steps {ends[n]}-{ends[n + 1]} %": span == n for n in range(number)}
    return [
        {name: (valid, group) for name, group in groups.items()},
        {name: (within, every) for name, within in spans.items()},
        {f"{g} {s}": (spans[s], groups[g]) for g in groups for s in spans},
    ]


def worsening(
    run: LoadedRun, inputs: Inputs, labels: Labels, parts: list[Part], seed: int, batch_size: int
) -> Float64:
    """Returns loss and accuracy, then by how much each part worsens them: (1 + P, 2).

    A value is replaced by that of another sequence at the same relative position.
    """
    x, lengths = inputs.x.numpy(), inputs.lengths.numpy()
    rng, rows = np.random.default_rng(seed), np.arange(len(x))

    def score(values: Float32) -> Float64:
        probabilities = run.apply(Inputs(torch.from_numpy(values), inputs.lengths), batch_size)
        of_label = np.maximum(probabilities[rows, labels], np.finfo(np.float64).eps)
        return np.array([-log(of_label).mean(), (probabilities.argmax(axis=1) == labels).mean()])

    before, sums = score(x), np.zeros((len(parts), 2))
    for _ in range(_REPEATS):
        donors = rng.permutation(len(x))
        theirs = lengths[donors][:, None]
        steps = np.minimum(np.arange(x.shape[1]) * theirs // lengths[:, None], theirs - 1)
        donated = x[donors[:, None], steps]
        for index, (within, channels) in enumerate(parts):
            changed = np.where(within[:, :, None] & channels, donated, x)
            sums[index] += (score(changed) - before) * (1, -1)
    return np.concatenate([[before], sums / _REPEATS])


def importance(
    options: argparse.Namespace, read: Callable[[LoadedRun, argparse.Namespace], Labelled]
) -> int:
    """Runs `evaluate --importance`: prints or writes what decides. Returns 0."""
    for name, usual in (("ensemble", False), ("resamples", 1000)):
        if getattr(options, name) != usual:
            raise ValueError(f"--{name}: has no effect with --importance; leave it out")
    if is_one_run(options.run):
        if options.config is not None:
            raise ValueError(f"--config={options.config}: {options.run} is a single run")
        runs = [open_run(options)[0]]
    else:
        entries, choice = find_seeds(options.run, options.config or 1)
        say_error(f"{options.run}: {choice}")
        checkpoint = options.checkpoint or "best"
        runs = [load_run(one.folder.path, checkpoint, options.allow) for one in entries]
    results, names, title, size = list[Float64](), list[list[str]](), "", 0
    for run in runs:
        title, batches, _ = read(run, options)
        inputs, labels = _whole(run, title, list(batches))
        kinds = parts_of(inputs.x.numpy(), inputs.lengths.numpy(), run.channel_names)
        parts = [part for kind in kinds for part in kind.values()]
        results.append(worsening(run, inputs, labels, parts, options.seed, options.batch_size))
        names, size = list(map(list, kinds)), len(labels)
    content = _content(runs, title, size, names, np.array(results))
    if options.data is None and options.run.is_dir():
        try:
            write_sealed(options.run / FILE, content)
        except OSError as error:
            say_error(f"nothing for the report and the figures: {error}")
    if options.out is not None:
        write_json(options.out, content)
    if options.json:
        print_json(content)
        return 0
    _print(content, f"{title}: {count(size, 'sequence')}")
    return 0


def _whole(
    run: LoadedRun, title: str, batches: list[tuple[Inputs, Labels]]
) -> tuple[Inputs, Labels]:
    """Returns batches as one; raises ValueError if forward would read the padding."""
    rows = [row[:n] for of, _ in batches for row, n in zip(of.x, of.lengths, strict=True)]
    if len(set(map(len, rows))) > 1 and not takes_lengths(type(run.network)):
        raise ValueError(f"{title}: has sequences of different lengths, but forward takes x alone")
    x, lengths = nn.utils.rnn.pad_sequence(rows, batch_first=True), [len(row) for row in rows]
    return Inputs(x, torch.tensor(lengths)), np.concatenate([labels for _, labels in batches])


def _content(
    runs: list[LoadedRun], title: str, size: int, names: list[list[str]], results: Float64
) -> JsonObject:
    """Returns the answer for JSON; results are (R, 1 + P, 2)."""
    means = [
        {
            key: asdict(estimate(of[:, metric].tolist()))
            for metric, key in enumerate(("loss", "accuracy"))
        }
        for of in results.swapaxes(0, 1)
    ]
    channels, spans, _ = names
    named = zip([*channels, *spans], means[1:], strict=False)
    parts = [{"name": name} | of for name, of in named]
    cells = results[:, 1 + len(parts) :, 0].mean(axis=0).reshape(len(channels), len(spans))
    return {
        "runs": [str(run.checkpoint) for run in runs],
        "run_ids": [run.folder.name for run in runs if run.folder is not None],
        "data": title,
        "sequences": size,
        **means[0],
        "channels": parts[: len(channels)],
        "spans": parts[len(channels) :],
        "cells": cells.tolist(),
    }


def _print(content: JsonObject, title: str) -> None:
    """Prints what permuting the channels and the spans worsens."""
    console, table = PlainConsole(), Table(box=None, padding=(0, 2, 0, 0))
    for head in ("permuted", "loss", "", "accuracy", ""):
        table.add_column(head, justify="right" if head in ("loss", "accuracy") else "left")
    channels = sorted(content["channels"], key=lambda part: -part["loss"]["mean"])
    for part in (*channels, *content["spans"]):
        cells: list[str] = []
        for metric in ("loss", "accuracy"):
            mean, low, high = (part[metric][key] for key in ("mean", "low", "high"))
            ends = "" if low is None else escape(f"[{low:+.4f}, {high:+.4f}]")
            cells += [f"{mean:+.4f}", ends]
        table.add_row(escape(part["name"]), *cells)
    print_lines(console, title)
    print_table(console, table)
    print_lines(console, importance_words(content))
