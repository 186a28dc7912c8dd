"""The command `evaluate --importance`: what the loss and the accuracy depend on.

A channel, or a span of steps, is permuted among the sequences. The more a run needs it, the worse
the run becomes (Fisher, Rudin, Dominici 2019, All Models are Wrong, but Many are Useful, JMLR 20).

R runs, N sequences, T steps, F features (channels), P parts.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np
import torch
from torch import nn

from seqsweep.data.checks import Float32, Int64, Mask
from seqsweep.elementary import log
from seqsweep.models.layers import takes_lengths
from seqsweep.results.significance import estimate
from seqsweep.runs.files import JsonObject
from seqsweep.text import cut
from seqsweep.using.input_data import Labelled
from seqsweep.using.load import Inputs, LoadedRun
from seqsweep.using.scores import Float64

_SPANS, _REPEATS, _LONGEST = 10, 5, 40
"""The most spans, the permutations of a part, and the most characters of a name."""

Part = tuple[Mask, Mask]
"""The steps (N, T) and the channels (F,) that are permuted."""


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
    run: LoadedRun, inputs: Inputs, labels: Int64, parts: list[Part], seed: int, batch_size: int
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


def importance_of(
    runs: Sequence[LoadedRun],
    read: Callable[[LoadedRun], Labelled],
    seed: int,
    batch_size: int,
) -> JsonObject:
    """Returns how much each part worsens the runs of a config, for JSON.

    Args:
        read: returns the sequences as a run reads them.

    Raises:
        ValueError: a network would read the padding.
    """
    results, kinds = list[Float64](), list[dict[str, Part]]()
    title, labels = "", np.empty(0, np.int64)
    for run in runs:
        title, given, _ = read(run)
        batches = list(given)
        rows = [row[:n] for of, _ in batches for row, n in zip(of.x, of.lengths, strict=True)]
        lengths = torch.tensor([len(row) for row in rows])
        if len(lengths.unique()) > 1 and not takes_lengths(type(run.network)):
            why = "has sequences of different lengths, but forward takes x alone"
            raise ValueError(f"{title}: {why}")
        inputs = Inputs(nn.utils.rnn.pad_sequence(rows, batch_first=True), lengths)
        labels = np.concatenate([of for _, of in batches])
        kinds = parts_of(inputs.x.numpy(), lengths.numpy(), run.channel_names)
        parts = [part for kind in kinds for part in kind.values()]
        results.append(worsening(run, inputs, labels, parts, seed, batch_size))
    # The loss and the accuracy, then the increase of both by part, over the runs.
    means = [
        {"loss": asdict(estimate(loss)), "accuracy": asdict(estimate(accuracy))}
        for loss, accuracy in np.stack(results, axis=-1).tolist()
    ]
    channels, spans, _ = kinds
    named = [{"name": name} | of for name, of in zip([*channels, *spans], means[1:], strict=False)]
    cells = np.mean(results, axis=0)[1 + len(named) :, 0].reshape(len(channels), len(spans))
    return {
        "runs": [str(run.checkpoint) for run in runs],
        "run_ids": [run.folder.name for run in runs if run.folder is not None],
        "data": title,
        "sequences": len(labels),
        **means[0],
        "channels": named[: len(channels)],
        "spans": named[len(channels) :],
        "cells": cells.tolist(),
    }
