"""Computes cosines, logarithms, softmax and normal numbers, equal on every processor.

The functions of C and numpy, and torch's `randn`, run different code on different processors, and
round differently. This module uses only + - * /, `sqrt`, `rint`, `frexp` and `ldexp` of numpy,
whose results IEEE 754 fixes to the last bit. A result has the type of the argument, float32 or
float64.
"""

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Kind = TypeVar("Kind", np.float32, np.float64)

# The first coefficients of each series. The other terms are below the last place of float64.
_COS = [(-1) ** k / math.factorial(2 * k) for k in range(9)]
_SIN = [(-1) ** k / math.factorial(2 * k + 1) for k in range(9)]
_ATANH = [1 / (2 * k + 1) for k in range(12)]
_EXP = [1 / math.factorial(k) for k in range(14)]
_LOG_2 = 0.6931471805599453
_LOG_2_PARTS = 0.6931471803691238, 1.9082149292705877e-10  # the first has 33 bits
_SQRT_HALF = 0.7071067811865476


def macro_f1(hits: npt.NDArray[Any], seen: npt.NDArray[Any]) -> float:
    """Returns the mean F1 over the classes that occur, as labels or as predictions.

    A class that never occurs has no F1 and is left out, as in the macro averages of torchmetrics
    and scikit-learn. The sum is exact before it is rounded, so it does not depend on its order.

    Args:
        hits: (C,) the right predictions of each class.
        seen: (C,) its labels and its predictions.
    """
    occurs = seen > 0
    # F1 is 2 TP / (labels + predictions), which needs neither precision nor recall.
    shares = 2 * hits[occurs] / seen[occurs]
    return math.fsum(shares.tolist()) / len(shares)


def accuracy_by_length(
    lengths: npt.NDArray[np.int64], is_right: npt.NDArray[np.bool_]
) -> list[dict[str, Any]]:
    """Returns the accuracy in at most five ranges of lengths with equally many sequences each.

    A length lies in one range, so there may be fewer ranges. One alone is left out.

    Args:
        lengths, is_right: (N,) of each sequence.
    """
    ends = np.unique(np.quantile(lengths, [0.2, 0.4, 0.6, 0.8, 1], method="inverted_cdf"))
    number, scored = np.searchsorted(ends, lengths), list[dict[str, Any]]()
    for index in range(len(ends)):
        of, right = lengths[number == index], is_right[number == index]
        bounds = {"shortest": int(of.min()), "longest": int(of.max())}
        scored.append({**bounds, "sequences": len(of), "accuracy": float(right.mean())})
    return scored if scored[1:] else []


def accuracy_of_votes(
    probabilities: npt.NDArray[Any], of: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]
) -> float:
    """Returns the share of recordings whose windows mostly have the right class.

    If two classes are equally frequent, their mean probability decides.

    Args:
        probabilities: (M, C) of the windows.
        of: (M,) the recording of each window, below N.
        labels: (N,) the classes of the recordings.
    """
    votes = np.zeros((len(labels), probabilities.shape[1]))
    np.add.at(votes, (of, probabilities.argmax(axis=1)), 1)
    shares = np.zeros_like(votes)
    np.add.at(shares, of, probabilities)
    votes += shares / (1 + np.bincount(of))[:, None]  # below 1: it only breaks ties
    return float((votes.argmax(axis=1) == labels).mean())


def cos_of_turns(turns: npt.NDArray[Kind]) -> npt.NDArray[Kind]:
    """Returns the cosine of angles in turns: cos(2 pi turns)."""
    turns = turns - np.rint(turns)  # whole turns are removed without rounding
    quarter = np.rint(4 * turns)  # -2..2
    angle = (turns - quarter / 4) * (2 * math.pi)  # -pi/4..pi/4
    square = angle * angle
    sine = angle * _polynomial(square, _SIN)
    size = np.abs(quarter)
    return np.where(size == 1, -quarter * sine, (1 - size) * _polynomial(square, _COS))


def log(x: npt.NDArray[Kind]) -> npt.NDArray[Kind]:
    """Returns the natural logarithm of positive numbers."""
    mantissa, exponent = np.frexp(x)
    is_low = mantissa < _SQRT_HALF
    mantissa = np.where(is_low, 2 * mantissa, mantissa)  # sqrt(1/2)..sqrt(2)
    power = (exponent - is_low).astype(x.dtype)
    # log m = 2 atanh((m - 1) / (m + 1)), whose series converges fast here.
    ratio = (mantissa - 1) / (mantissa + 1)
    return np.add(power * _LOG_2, 2 * ratio * _polynomial(ratio * ratio, _ATANH))


def softmax(logits: npt.NDArray[Kind]) -> npt.NDArray[np.float64]:
    """Returns the softmax of each row (N, C).

    A row with NaN or an infinite maximum becomes NaN.
    """
    with np.errstate(invalid="ignore"):
        x = logits.astype(np.float64)
        x = np.maximum(x - x.max(axis=1, keepdims=True), -800.0)  # e^-800 is 0
    power = np.rint(x / _LOG_2)
    rest = (x - power * _LOG_2_PARTS[0]) - power * _LOG_2_PARTS[1]  # within log(2) / 2
    # NaN has no power of two, but its polynomial is NaN.
    result = np.ldexp(_polynomial(rest, _EXP), np.nan_to_num(power).astype(np.int32))
    # A sum may add in another order for another N; an accumulation adds class after class.
    return result / np.add.accumulate(result, axis=1)[:, -1:]


def normal(uniform: npt.NDArray[Kind]) -> npt.NDArray[Kind]:
    """Converts uniform numbers in [0, 1) (..., 2) to standard normal numbers (...).

    Source: G. Box, M. Muller (1958), A Note on the Generation of Random Normal Deviates, Annals of
    Mathematical Statistics 29(2). A pair of zeros gives 0.
    """
    radius = np.sqrt(-2 * log(1 - uniform[..., 0]))
    return radius * cos_of_turns(uniform[..., 1])


def _polynomial(x: npt.NDArray[Kind], coefficients: Sequence[float]) -> npt.NDArray[Kind]:
    """Returns the value of a polynomial, by Horner's scheme."""
    result = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        result *= x
        result += coefficient
    return result
