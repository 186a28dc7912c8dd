"""The figures of a search: all its trials, and what its budget has bought."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from seqsweep.extras.search.findings import Search
from seqsweep.extras.search.trials import Tried, trial_words
from seqsweep.results.formatting import count, metric_words, number, plain_text
from seqsweep.results.report.curves import thinned
from seqsweep.results.report.plot_parts import (
    GREY,
    GROUND,
    PALETTE,
    SCALE,
    Figure,
    label,
    layout,
    rounded,
)

MOST_LINES = 500
"""More lines than this cover each other and make the page slow."""

MOST_AXES = 8
"""The most keys, the most important ones."""

_SPREAD = 0.07
"""The part of an axis over which the lines of one choice are spread."""

_GOLDEN = 0.618034
"""Multiples of it, modulo 1, are spread evenly, however many there are."""


@dataclass(frozen=True)
class _Axis:
    """One axis of the plot.

    Args:
        place: Returns the place of a value, between 0 and 1.
        ticks: The place and the text of each tick.
        spread: The part of the axis over which the lines of one choice are spread.
    """

    name: str
    place: Callable[[Any], float]
    ticks: list[tuple[float, str]]
    spread: float = 0.0


def parallel_figure(search: Search) -> Figure | None:
    """One line per trial, coloured by value; None with fewer than two trials."""
    drawn = drawn_trials(search)
    if len(drawn) < 2 or not search.file.space:
        return None
    axes = [_axis(key, search) for key in drawn_keys(search)]
    values = [trial.value or 0.0 for trial in drawn]
    last = _numbers(metric_words(search.file.metric), values)
    # A share by rank, not by value: a few bad values would give all others one colour.
    shares = [1 - rank / (len(drawn) - 1) for rank in range(len(drawn))]
    traces = [
        _line(trial, share, [*axes, last], search)
        for trial, share in zip(drawn, shares, strict=True)
    ]
    best = search.best[0] if search.best else None
    # The best line is drawn last, above the others.
    traces.sort(key=lambda trace: (trace["name"] == str(best), trace["opacity"]))
    return {"data": traces, "layout": _layout([*axes, last])}


def drawn_keys(search: Search) -> list[str]:
    """The keys that have an axis, the most important ones if there are many."""
    keys = list(search.file.space)
    first = list(search.importance or keys)[:MOST_AXES]
    return [key for key in keys if key in first]


def drawn_trials(search: Search) -> list[Tried]:
    """The trials that have a line: the best, and an even sample of the others."""
    having = [t for t in search.trials if t.value is not None]
    having = [t for t in having if t.state in ("complete", "pruned")]
    rank = {number: place for place, number in enumerate(search.best)}
    having.sort(key=lambda t: (rank.get(t.number, math.inf), search.file.sign * (t.value or 0.0)))
    if len(having) <= MOST_LINES:
        return having
    first = MOST_LINES // 2
    return having[:first] + [
        having[i] for i in thinned(range(first, len(having)), MOST_LINES - first)
    ]


def _axis(key: str, search: Search) -> _Axis:
    values = search.file.space[key]
    tried = [trial.params[key] for trial in search.trials if key in trial.params]
    if "choices" in values:
        return _choices(search.names[key], [*values["choices"], *tried])
    ends = [*map(float, tried), float(values["low"]), float(values["high"])]
    return _numbers(search.names[key], ends, values["log"])


def _choices(name: str, values: Sequence[Any]) -> _Axis:
    texts = list(dict.fromkeys(map(plain_text, values)))
    places = {text: (index + 0.5) / len(texts) for index, text in enumerate(texts)}
    ticks = [(place, text) for text, place in places.items()]
    return _Axis(name, lambda value: places[plain_text(value)], ticks, _SPREAD)


def _numbers(name: str, values: Sequence[float], is_log: bool = False) -> _Axis:
    """An axis with ticks at both ends and in the middle."""
    scale: Callable[[float], float] = math.log if is_log else float
    low, high = scale(min(values)), scale(max(values))

    def place(value: float) -> float:
        return (scale(value) - low) / (high - low) if high > low else 0.5

    middle = (low + high) / 2
    marks = [min(values), math.exp(middle) if is_log else middle, max(values)]
    return _Axis(name, place, [(place(mark), f"{mark:.4g}") for mark in marks])


def _line(trial: Tried, share: float, axes: Sequence[_Axis], search: Search) -> dict[str, Any]:
    """The line of one trial, through its values on the axes.

    Args:
        share: 1 for the first trial by value, 0 for the last one.
    """
    # The place of each trial within a choice differs, so that lines do not cover each other.
    shift = trial.number * _GOLDEN % 1 - 0.5
    values = [*(trial.params.get(key) for key in drawn_keys(search)), trial.value]
    places = [
        None if value is None else round(axis.place(value) + axis.spread * shift, 4)
        for value, axis in zip(values, axes, strict=True)
    ]
    is_best = trial.number in search.best[:1]
    pruned = trial.state == "pruned"
    hover = f"{value_words(trial, search)}<br>{label(trial_words(trial, search.names))}"
    colour = PALETTE[1] if is_best else SCALE[round(share * (len(SCALE) - 1))]
    return {
        "type": "scatter", "mode": "lines", "name": str(trial.number), "x0": 0, "dx": 1,
        "y": places, "text": hover, "hoverinfo": "text",
        "line": {"color": colour, "width": 4 if is_best else 1 if pruned else 1.5},
        "opacity": 1.0 if is_best else 0.25 if pruned else 0.8,
    }  # fmt: skip


def value_words(trial: Tried, search: Search) -> str:
    """The number and the value of a trial, a line each."""
    value = (
        [] if trial.value is None else [f"{metric_words(search.file.metric)} {number(trial.value)}"]
    )
    state = "" if trial.state == "complete" else f", {trial.state}"
    return "<br>".join(map(label, [f"trial {trial.number}{state}", *value]))


def _layout(axes: Sequence[_Axis]) -> Figure:
    last = len(axes) - 1
    lines: list[Mapping[str, Any]] = [
        {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "layer": "above",
         "line": {"color": GREY, "width": 1}}
        for x in range(len(axes))
    ]  # fmt: skip
    ticks: list[Mapping[str, Any]] = [
        {"x": x, "y": round(place, 4), "text": label(text), "showarrow": False,
         "xanchor": "left", "xshift": 3, "font": {"size": 11}, "bgcolor": GROUND, "borderpad": 1}
        for x, axis in enumerate(axes) for place, text in axis.ticks
    ]  # fmt: skip
    return {
        "height": 420, "margin": {"l": 28, "r": 70, "t": 12, "b": 12},
        "hovermode": "closest", "showlegend": False, "shapes": lines,
        "annotations": ticks,
        "xaxis": {
            "tickvals": list(range(len(axes))), "ticktext": [label(axis.name) for axis in axes],
            "range": [-0.04 * last, last], "showgrid": False, "showline": False, "ticks": "",
            "automargin": True, "fixedrange": True,
        },
        "yaxis": {"visible": False, "range": [-0.03, 1.03], "fixedrange": True},
    }  # fmt: skip


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
