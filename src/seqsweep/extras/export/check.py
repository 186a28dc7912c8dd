"""Compares an exported file with the network, on one batch of mixed lengths.

B sequences, T time steps, F features (channels), C classes.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from seqsweep.data.checks import Array, Int64
from seqsweep.extras.export.contents import count_symbols, input_type, scaling_inside, source_scale
from seqsweep.models.layers import logits_of
from seqsweep.using.load import Inputs, LoadedRun

BOUND = 1e-5
"""The largest accepted difference. A single rounding of float32 near 1 is at most 6e-8."""


class Outputs(NamedTuple):
    """The logits and the probabilities of B sequences, each (B, C)."""

    logits: Array
    probabilities: Array


Answer = Callable[[Array, Int64], Outputs]
"""Maps raw values x (B, T, F) and lengths (B,) to outputs, as an exported file does."""


def checked(run: LoadedRun, answer: Answer, where: str) -> float:
    """Returns the largest difference between a file's outputs and the network's.

    Raises:
        ValueError: the difference is above `BOUND`, or NaN.
    """
    worst = largest_difference(run, answer, *raw_sequences(run, 5, 40, np.random.default_rng(0)))
    if not worst <= BOUND:  # NaN is refused too
        raise ValueError(
            f"{where}: not written, because its outputs differ from the network's by {worst:.1e};"
            f" must be at most {BOUND:.0e}"
        )
    return worst


def largest_difference(run: LoadedRun, answer: Answer, x: Array, lengths: Int64) -> float:
    """Returns the largest `difference` between file and network on raw sequences."""
    pairs = zip(answer(x, lengths), network_outputs(run, x, lengths), strict=True)
    # `np.max` always returns NaN if a value is NaN; Python's `max` does not.
    return float(np.max([difference(*pair) for pair in pairs]))


def difference(result: Array, expected: Array) -> float:
    """Returns the largest absolute difference between two arrays; NaN if only one has NaN.

    The result is divided by the largest expected absolute value if this value is above 1, because
    float32 rounds large values more. Two NaN at one place count as equal.
    """
    if result.shape != expected.shape:
        raise ValueError(f"outputs: expected shape {expected.shape}, got {result.shape}")
    with np.errstate(invalid="ignore"):  # infinity minus infinity is NaN
        distance = np.abs(result - expected)
    distance[np.isnan(result) & np.isnan(expected)] = 0
    return float(distance.max() / max(1.0, np.abs(np.nan_to_num(expected)).max()))


def network_outputs(run: LoadedRun, x: Array, lengths: Int64) -> Outputs:
    """Returns the outputs of the run's network for raw sequences."""
    if run.scaling is not None:
        inputs = run.prepare(x, lengths)
    else:  # x is prepared outside, and only padded with zeros here
        is_valid = np.arange(x.shape[1]) < lengths[:, None]
        padded = np.where(is_valid[:, :, None], x, 0)
        inputs = Inputs(torch.from_numpy(padded), torch.from_numpy(lengths))
    with torch.inference_mode():
        logits = logits_of(run.network, *inputs)
    return Outputs(logits.numpy(), logits.softmax(dim=1).numpy())


def raw_sequences(
    run: LoadedRun, batch: int, steps: int, rng: np.random.Generator
) -> tuple[Array, Int64]:
    """Draws raw values (B, T, F) like the training split's, or symbols, and lengths (B,).

    Some values are missing if the run fills in missing values. The padding holds values that
    would change the outputs if they were read.
    """
    scaling, (mean, deviation), symbols = scaling_inside(run), source_scale(run), count_symbols(run)
    # A sequence must keep a step after a crop, and `prepare` would cut off unused steps.
    cropped = scaling.shaping.first if scaling is not None and scaling.shaping else 0
    lengths = rng.integers(1, steps + 1, batch) + cropped
    lengths[0] = steps + cropped
    shape = (batch, steps + cropped, len(run.source_channels))
    x = rng.normal(size=shape) if symbols is None else rng.integers(symbols, size=shape)
    x = mean + deviation * x
    if scaling is not None and scaling.fill is not None:
        x[rng.random(shape) < 0.1] = np.nan
    is_padding = np.arange(shape[1]) >= lengths[:, None]
    x[is_padding] = rng.choice([1e6, np.nan, np.inf], size=shape)[is_padding]
    return x.astype(input_type(run)), lengths
