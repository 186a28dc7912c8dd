"""The figures of a search: what its budget has bought, and all its trials."""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from seqsweep.extras.search.findings import Search
from seqsweep.extras.search.parallel_plot import parallel_figure, value_words
from seqsweep.extras.search.trials import Tried
from seqsweep.results.formatting import count, metric_words, number
from seqsweep.results.report.plot_parts import GREY, PALETTE, Figure, layout, rounded

_SPENT: dict[str, Callable[[Tried], float]] = {
    "trials": lambda trial: 1,
    "epochs": lambda trial: trial.result.epochs,
    "seconds": lambda trial: trial.result.seconds,
}
_TITLES = {"trials": "trials", "epochs": "epochs of all runs", "seconds": "seconds of training"}


def search_figures(search: Search) -> dict[str, Figure]:
    """The figures of the section on the search that show something."""
    result: dict[str, Figure | None] = {"search-parallel": parallel_figure(search)}
    if search.file.method == "halving" and search.rungs:
        result["search-budget-epochs"] = rungs_figure(search)
    elif search.best:
        for unit in _SPENT:
            result[f"search-budget-{unit}"] = budget_figure(search, unit)
    return {name: figure for name, figure in result.items() if figure is not None}


def budget_figure(search: Search, unit: str) -> Figure | None:
    """The best value so far against what was spent; None if nothing was."""
    trials = search.trials
    spent = list(accumulate(map(_SPENT[unit], trials)))
    if len(trials) < 2 or not spent[-1]:
        return None
    known = [(x, trial) for x, trial in zip(spent, trials, strict=True) if trial.value is not None]
    complete = [(x, trial) for x, trial in known if trial.state == "complete"]
    pruned = [(x, trial) for x, trial in known if trial.state == "pruned"]
    better = max if search.file.sign < 0 else min
    # The last value is repeated at the end of the budget.
    best = list(accumulate((trial.value or 0.0 for _, trial in complete), better))
    line = {
        "type": "scatter", "mode": "lines", "x": rounded([*(x for x, _ in complete), spent[-1]]),
        "y": rounded([*best, *best[-1:]]), "hoverinfo": "skip",
        "line": {"color": PALETTE[1], "width": 2, "shape": "hv"},
    }  # fmt: skip
    name = metric_words(search.file.metric)
    traces = [
        _trials(pruned, search, GREY, "circle-open", 5),
        _trials(complete, search, PALETTE[0], "circle", 5),
        line,
    ]
    return {
        "data": [trace for trace in traces if trace["x"]],
        "layout": layout(_TITLES[unit], name, 340),
    }


def _trials(
    points: Sequence[tuple[float, Tried]], search: Search, colour: str, symbol: str, size: int
) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "markers", "x": rounded([x for x, _ in points]),
        "y": rounded([trial.value or 0.0 for _, trial in points]),
        "marker": {"color": colour, "symbol": symbol, "size": size},
        "text": [value_words(trial, search) for _, trial in points], "hoverinfo": "text",
    }  # fmt: skip


def rungs_figure(search: Search) -> Figure | None:
    """The best value after each rung against the epochs of all runs until there."""
    trials = search.trials
    points: list[tuple[float, float, str]] = []
    for rung in search.rungs:
        if rung.best is not None:
            # Until a rung each trial has trained to the rung or to the one where it was pruned.
            spent = sum(min(t.epochs, rung.epochs) * len(t.run_ids) for t in trials)
            of = count(rung.trained, "trial")
            points.append((spent, rung.best, f"{count(rung.epochs, 'epoch')}, {of}"))
    if search.best:
        total = sum(trial.result.epochs for trial in trials)
        best = search.complete[0].value or 0.0
        points.append((total, best, f"end, {count(len(search.best), 'complete trial')}"))
    points = list({point[0]: point for point in points}.values())
    if len(points) < 2:
        return None
    name = metric_words(search.file.metric)
    trace = {
        "type": "scatter", "mode": "lines+markers", "x": rounded([x for x, _, _ in points]),
        "y": rounded([y for _, y, _ in points]),
        "line": {"color": PALETTE[1], "width": 2, "shape": "hv"},
        "marker": {"color": PALETTE[1], "size": 8},
        "text": [f"{words}<br>best {number(y)}" for _, y, words in points],
        "hoverinfo": "text",
    }  # fmt: skip
    return {"data": [trace], "layout": layout(_TITLES["epochs"], name, 340)}
