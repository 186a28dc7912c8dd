"""Computes how much each searched key matters, by PED-ANOVA in one dimension.

Watanabe, Bansal, Hutter 2023, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in
Arbitrary Subspaces", IJCAI. The values of a key among the best trials are compared with its values
among all trials: a key that does not matter has the same distribution in both. Grid, kernels and
bandwidths are those of Optuna's `PedAnovaImportanceEvaluator`, so the numbers agree.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

from seqsweep.results.formatting import plain_text

BEST_SHARE = 0.1
"""The share of the trials that count as the best ones."""

FEWEST_TRIALS = 20
"""The fewest trials of which the best share are two; with fewer, chance decides."""

_CELLS = 50
_ALMOST_ZERO = 1e-12
_NARROWEST = 0.5 / 1.64
"""The smallest bandwidth in cells: 90 % of a kernel lies in its own cell."""


def importances(
    params: Sequence[Mapping[str, Any]],
    costs: Sequence[float],
    space: Mapping[str, Mapping[str, Any]],
) -> dict[str, float]:
    """Returns the importance of each key, the largest first; they sum to 1.

    All are 0 if the best trials cannot be distinguished from all trials.

    Args:
        params: The values of the keys of each trial.
        costs: The value of each trial; lower is better.
        space: The values of each key, as in search.json.
    """
    best = best_trials(costs)
    result: dict[str, float] = {}
    for key, values in space.items():
        # A key that some configs lack is judged on the trials that have it.
        having = [index for index, trial in enumerate(params) if key in trial]
        top = [params[index][key] for index in having if index in best]
        result[key] = _divergence(top, [params[index][key] for index in having], values)
    total = math.fsum(result.values())
    ordered = sorted(result.items(), key=lambda item: -item[1])
    return {key: value / total if total > 0 else 0.0 for key, value in ordered}


def best_trials(costs: Sequence[float]) -> set[int]:
    """Returns the indices of the best trials, with all that equal the last of them.

    >>> sorted(best_trials([0.3, 0.1, 0.2, 0.1]))
    [1, 3]
    """
    if not costs:
        return set()
    cutoff = sorted(costs)[math.ceil(BEST_SHARE * len(costs)) - 1]
    return {index for index, cost in enumerate(costs) if cost <= cutoff}


def _divergence(top: Sequence[Any], every: Sequence[Any], values: Mapping[str, Any]) -> float:
    """The Pearson divergence between the densities of the best and of all trials."""
    if not top or len(top) == len(every):
        return 0.0
    if "choices" in values or not all(isinstance(value, (int, float)) for value in every):
        size, index = _choices(every, values.get("choices", ()))
        density = _density_of_choices
    else:
        size, index = _grid(values)
        density = _density_of_numbers
    if size < 2:
        return 0.0
    first = density(_count(map(index, top), size))
    second = density(_count(map(index, every), size))
    return math.fsum(b * (a / b - 1) ** 2 for a, b in zip(first, second, strict=True))


def _choices(every: Sequence[Any], listed: Sequence[Any]) -> tuple[int, Any]:
    """The number of choices, and the function that returns the index of a value."""
    order: dict[str, int] = {}
    for value in (*listed, *every):
        order.setdefault(choice_text(value), len(order))
    return len(order), lambda value: order[choice_text(value)]


def choice_text(value: Any) -> str:
    """A text that is equal for equal choices.

    search.json has the choices as texts of overrides, and the values of trials as numbers.

    >>> choice_text("1e-3"), choice_text(0.001), choice_text(True), choice_text("True")
    ('0.001', '0.001', 'true', 'true')
    """
    text = plain_text(value)
    if text.lower() in ("true", "false"):
        return text.lower()
    try:
        return f"{float(text):.12g}"
    except ValueError:
        return text


def _grid(values: Mapping[str, Any]) -> tuple[int, Any]:
    """The number of cells of an interval, and the function that finds a number's cell."""
    low, high = float(values["low"]), float(values["high"])
    if not high > low:
        return 1, None
    size, scale = _CELLS, float
    # The search.json of an older search has no steps.
    step = values.get("step") or (1 if values.get("integer") else None)
    if values.get("integer") and values.get("log"):
        # The logarithms of integers leave gaps at the lower end, so they need fewer cells.
        size = min(math.ceil(math.log2(high - low + 1)) + 1, _CELLS)
    elif step is not None:
        size = min(round((high - low) / step) + 1, _CELLS)
    if values.get("log"):
        scale = math.log
    start, width = scale(low), (scale(high) - scale(low)) / (size - 1)

    def cell(number: float) -> int:
        place = (scale(min(max(number, low), high)) - start) / width
        # Halfway between two cells the lower one counts.
        return min(max(math.ceil(place - 0.5), 0), size - 1)

    return size, cell


def _count(indices: Any, size: int) -> list[int]:
    counts = [0] * size
    for index in indices:
        counts[index] += 1
    return counts


def _density_of_choices(counts: Sequence[int]) -> list[float]:
    """The probability of each choice: a kernel per observed choice, and a uniform prior."""
    size, total = len(counts), sum(counts) + 1
    # A kernel spreads this much over all choices, and the rest lies on its own choice.
    spread = 1 / (sum(map(bool, counts)) + 1)
    whole = 1 + size * spread
    shared = (total - 1) * spread / whole + 1 / size
    return [(shared + count / whole) / total + _ALMOST_ZERO for count in counts]


def _density_of_numbers(counts: Sequence[int]) -> list[float]:
    """The probability of each cell: a truncated normal kernel per cell, and a wide prior."""
    size, total = len(counts), sum(counts) + 1
    width = max(_bandwidth(counts), _NARROWEST)
    kernels = [(count, _kernel(cell, width, size)) for cell, count in enumerate(counts) if count]
    kernels.append((1, _kernel((size - 1) / 2, size, size)))
    return [
        math.fsum(count * kernel[cell] for count, kernel in kernels) / total + _ALMOST_ZERO
        for cell in range(size)
    ]


def _bandwidth(counts: Sequence[int]) -> float:
    """The bandwidth in cells by Scott's rule (1992, Multivariate Density Estimation)."""
    cells = [cell for cell, count in enumerate(counts) if count]
    total = sum(counts)
    mean = math.fsum(cell * counts[cell] for cell in cells) / total
    squares = math.fsum(counts[cell] * (cell - mean) ** 2 for cell in cells)
    deviation = math.sqrt(squares / max(1, total - 1))
    sums = list(accumulate(counts[cell] for cell in cells))
    # The quartiles are those of the counts, as Optuna computes them.
    first = next(i for i, below in enumerate(sums) if below >= total // 4)
    third = next((i for i, below in enumerate(sums) if below > total * 3 // 4), len(cells) - 1)
    return 1.059 * min((cells[third] - cells[first]) / 1.34, deviation) * total**-0.2


def _kernel(centre: float, width: float, size: int) -> list[float]:
    """The mass of a normal distribution in each cell, truncated to all cells."""
    scale = width * math.sqrt(2)
    ends = [math.erf((edge - 0.5 - centre) / scale) for edge in range(size + 1)]
    whole = ends[-1] - ends[0]
    return [(b - a) / whole for a, b in pairwise(ends)]
