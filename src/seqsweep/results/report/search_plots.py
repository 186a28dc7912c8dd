"""The figures of a search: its budget, the expected best value, the Pareto set."""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from seqsweep.results.formatting import count
from seqsweep.results.report.parallel_plot import hover_text, parallel_figure, value_words
from seqsweep.results.report.plot_parts import (
    GREY,
    PALETTE,
    Figure,
    decades,
    filled,
    layout,
    rounded,
)
from seqsweep.results.search.findings import Search
from seqsweep.results.search.rungs import epochs_of
from seqsweep.results.search.trials import (
    objective_text,
    objective_words,
    value_of,
)
from seqsweep.runs.searchfile import Trial

_SPENT: dict[str, Callable[[Trial], float]] = {
    "trials": lambda trial: 1,
    "epochs": lambda trial: trial.epochs,
    "seconds": lambda trial: trial.seconds,
}
_TITLES = {"trials": "trials", "epochs": "epochs of all runs", "seconds": "seconds of training"}


def search_figures(search: Search) -> dict[str, Figure]:
    """The figures of the section on the search that show something."""
    result: dict[str, Figure | None] = {
        "search-expected": expected_figure(search),
        "search-parallel": parallel_figure(search),
        "search-pareto": pareto_figure(search),
    }
    if search.file.method == "halving" and search.rungs:
        result["search-budget-epochs"] = rungs_figure(search)
    elif search.best and len(search.file.objectives) == 1:
        for unit in _SPENT:
            result[f"search-budget-{unit}"] = budget_figure(search, unit)
    return {name: figure for name, figure in result.items() if figure is not None}


def budget_figure(search: Search, unit: str) -> Figure | None:
    """The best value so far against what was spent; None if nothing was."""
    trials = search.file.trials
    spent = list(accumulate(map(_SPENT[unit], trials)))
    if len(trials) < 2 or not spent[-1]:
        return None
    known = [
        (x, trial) for x, trial in zip(spent, trials, strict=True) if value_of(trial) is not None
    ]
    complete = [(x, trial) for x, trial in known if trial.state == "complete"]
    pruned = [(x, trial) for x, trial in known if trial.state == "pruned"]
    better = max if search.sign < 0 else min
    # The last value is repeated at the end of the budget.
    best = list(accumulate((value_of(trial) or 0.0 for _, trial in complete), better))
    line = {
        "type": "scatter", "mode": "lines", "x": rounded([*(x for x, _ in complete), spent[-1]]),
        "y": rounded([*best, *best[-1:]]), "hoverinfo": "skip",
        "line": {"color": PALETTE[1], "width": 2, "shape": "hv"},
    }  # fmt: skip
    name = search.file.objectives[0]
    traces = [
        _trials(pruned, search, GREY, "circle-open", 5),
        _trials(complete, search, PALETTE[0], "circle", 5),
        line,
    ]
    return {
        "data": [trace for trace in traces if trace["x"]],
        "layout": layout(_TITLES[unit], objective_words(name), 340),
    }


def _trials(
    points: Sequence[tuple[float, Trial]], search: Search, colour: str, symbol: str, size: int
) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "markers", "x": rounded([x for x, _ in points]),
        "y": rounded([value_of(trial) or 0.0 for _, trial in points]),
        "marker": {"color": colour, "symbol": symbol, "size": size},
        "text": [value_words(trial, search) for _, trial in points], "hoverinfo": "text",
    }  # fmt: skip


def rungs_figure(search: Search) -> Figure | None:
    """The best value after each rung against the epochs of all runs until there."""
    trials = search.file.trials
    points: list[tuple[float, float, str]] = []
    for rung in search.rungs:
        if rung.best is not None:
            # Until a rung each trial has trained to the rung or to the one where it was pruned.
            spent = sum(min(epochs_of(t), rung.epochs) * len(t.run_ids) for t in trials)
            of = count(rung.trained, "trial")
            points.append((spent, rung.best, f"{count(rung.epochs, 'epoch')}, {of}"))
    if search.best:
        total = sum(trial.epochs for trial in trials)
        best = value_of(search.complete[0]) or 0.0
        points.append((total, best, f"end, {count(len(search.best), 'complete trial')}"))
    points = list({point[0]: point for point in points}.values())
    if len(points) < 2:
        return None
    name = search.file.objectives[0]
    trace = {
        "type": "scatter", "mode": "lines+markers", "x": rounded([x for x, _, _ in points]),
        "y": rounded([y for _, y, _ in points]),
        "line": {"color": PALETTE[1], "width": 2, "shape": "hv"},
        "marker": {"color": PALETTE[1], "size": 8},
        "text": [f"{words}<br>best {objective_text(name, y)}" for _, y, words in points],
        "hoverinfo": "text",
    }  # fmt: skip
    return {"data": [trace], "layout": layout(_TITLES["epochs"], objective_words(name), 340)}


def expected_figure(search: Search) -> Figure | None:
    """The expected best value of n random configs, with a band of 80 %."""
    curve = search.expected
    if curve is None or len(curve.n) < 2:
        return None
    name = search.file.objectives[0]
    line = {
        "type": "scatter", "mode": "lines", "x": curve.n, "y": rounded(curve.mean),
        "line": {"color": PALETTE[0], "width": 2}, "hoverinfo": "text",
        "text": [
            f"best of {count(n, 'config')}<br>expected {objective_text(name, mean)}"
            f"<br>80 % of draws: {objective_text(name, low)} to {objective_text(name, high)}"
            for n, mean, low, high in zip(curve.n, curve.mean, curve.low, curve.high, strict=True)
        ],
    }  # fmt: skip
    shape = layout("random configs", objective_words(name), 340)
    shape["xaxis"] |= {"type": "log"} | decades(curve.n)
    band = filled(curve.n, rounded(curve.low), rounded(curve.high), PALETTE[0])
    return {"data": [band, line], "layout": shape}


def pareto_figure(search: Search) -> Figure | None:
    """The first two objectives of all complete trials, with the Pareto set in colour."""
    if len(search.file.objectives) < 2 or not search.found:
        return None
    front = [item.trial for item in search.found]
    numbers = {trial.number for trial in front}
    others = [t for t in search.complete if t.number not in numbers and value_of(t, 1) is not None]
    x, y = (objective_words(name) for name in search.file.objectives[:2])
    shape = layout(y, x, 360)
    costs = [value_of(trial, 1) or 0.0 for trial in (*others, *front)]
    if min(costs) > 0 and max(costs) > 4 * min(costs):
        shape["xaxis"] |= {"type": "log"} | decades(costs)
    traces = [
        _of_two(others, search, {"color": GREY, "symbol": "circle-open", "size": 7}),
        _of_two(front, search, {"color": PALETTE[0], "symbol": "circle", "size": 9}),
    ]
    return {"data": [trace for trace in traces if trace["x"]], "layout": shape}


def _of_two(trials: Sequence[Trial], search: Search, marker: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "markers", "marker": marker, "cliponaxis": False,
        "x": [value_of(trial, 1) for trial in trials], "y": [value_of(trial) for trial in trials],
        "text": [hover_text(trial, search) for trial in trials], "hoverinfo": "text",
    }  # fmt: skip
