"""Builds the report's sections on costs, replicates and the confusion matrix."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seqsweep.results.formatting import NBSP, count, cut, score_text
from seqsweep.results.report import plot_parts as plots
from seqsweep.results.report.findings import TEMPLATES, Config, Facts, Section
from seqsweep.results.words import replicates_override
from seqsweep.runs.identity import is_own_module
from seqsweep.runs.ledger import Entry
from seqsweep.runs.metrics import Metric

_TITLES = {"params": "parameters", "train_seconds": "seconds of training"}
_MOST_STRIPS = 12
_MOST_NUMBERED = 20
"""The most classes for which cells show their counts and axes show class names."""

_LONGEST_CLASS = 18


def costs_section(facts: Facts) -> Section:
    """Builds the section that plots the score against parameters and training time."""
    # `compared` is empty for several data sets, whose scores cannot be compared.
    has_front = len(facts.compared) > 1
    drawn = {f"pareto-{cost}": pareto_figure(facts, cost) for cost in _TITLES if has_front}
    figures = {name: figure for name, figure in drawn.items() if figure is not None}
    template = TEMPLATES / "costs.html.j2"
    return Section("costs", "Cost", template, figures=figures, is_shown=bool(figures))


def seeds_section(facts: Facts) -> Section:
    """Builds the section with the score of every replicate."""
    board = facts.board
    return Section(
        "seeds",
        f"{facts.unit.capitalize()}s",
        TEMPLATES / "seeds.html.j2",
        figures={"seeds": seeds_figure(facts.scored, facts.score, facts.unit)}
        if facts.has_seeds
        else {},
        view={"more_replicates": replicates_override(len(board.rows), board.variation.folds)},
        is_shown=len(facts.configs) > 1,
    )


def pareto_figure(facts: Facts, cost: str) -> plots.Figure | None:
    """Draws the score against a cost; None if all costs are equal."""
    # The cost axis is logarithmic, so it cannot show zero.
    drawn = [c for c in facts.scored if cost in c.metrics and c.metrics[cost].mean > 0]
    costs = [c.metrics[cost].mean for c in drawn]
    if len(set(costs)) < 2:
        return None
    sign = 1 if facts.score.lower_is_better else -1
    scores = [sign * c.metrics[facts.score].mean for c in drawn]
    front = _front(costs, scores)
    shape = plots.layout(_TITLES[cost], facts.score.words, 360)
    shape["xaxis"] |= plots.LOG
    return {"data": _traces(drawn, front, cost, facts.score, len(facts.listed)), "layout": shape}


def _front(costs: Sequence[float], scores: Sequence[float]) -> list[int]:
    """Returns the indices of configs with a lower score than all cheaper configs."""
    front: list[int] = []
    for index in sorted(range(len(costs)), key=lambda i: (costs[i], scores[i])):
        if not front or scores[index] < scores[front[-1]]:
            front.append(index)
    return front


def _traces(
    configs: Sequence[Config], front: Sequence[int], cost: str, score: Metric, most: int
) -> list[dict[str, Any]]:
    """Returns the plotly traces of the Pareto front and of the configs."""
    on_front = [configs[index] for index in front]
    # The front is found among all configs. The other marks are limited to the listed configs,
    # because many marks make a page slow.
    others = [c for index, c in enumerate(configs[:most]) if index not in front]
    step = {
        "type": "scatter", "mode": "lines", "hoverinfo": "skip",
        "x": [config.metrics[cost].mean for config in on_front],
        "y": [config.metrics[score].mean for config in on_front],
        "line": {"color": plots.PALETTE[0], "shape": "hv", "width": 1.2, "dash": "dot"},
    }  # fmt: skip
    traces = [
        step,
        _marks(others, cost, score, plots.GREY, "circle-open", 8),
        _marks([c for c in on_front if c.rank > 1], cost, score, plots.PALETTE[0], "circle", 9),
        _marks([c for c in configs if c.rank == 1], cost, score, plots.PALETTE[1], "star", 14),
    ]
    return [trace for trace in traces if trace["x"]]


def _marks(
    configs: Sequence[Config], cost: str, score: Metric, colour: str, symbol: str, size: int
) -> dict[str, Any]:
    """Returns the marks of configs, with one standard deviation over replicates."""
    scores = [config.metrics[score] for config in configs]
    trace: dict[str, Any] = {
        "type": "scatter", "mode": "markers",
        "x": [config.metrics[cost].mean for config in configs], "y": [s.mean for s in scores],
        "marker": {"color": colour, "symbol": symbol, "size": size},
        "text": [
            f"#{c.rank} {plots.label(c.words)}<br>{plots.value_text(score, s.mean)}"
            f"<br>{c.metrics[cost].mean:,.6g} {_TITLES[cost]}"
            for c, s in zip(configs, scores, strict=True)
        ],
        "hoverinfo": "text", "cliponaxis": False,
    }  # fmt: skip
    if any(s.std for s in scores):
        trace["error_y"] = {
            "type": "data", "array": [s.std or 0.0 for s in scores], "thickness": 1, "width": 0,
            "color": plots.faded(colour, plots.BAR),
        }  # fmt: skip
    return trace


def seeds_figure(configs: Sequence[Config], score: Metric, unit: str = "seed") -> plots.Figure:
    """Draws the scores of the first configs' replicates, with mean and range."""
    drawn = configs[:_MOST_STRIPS]
    traces: list[dict[str, Any]] = []
    for index, config in enumerate(drawn):
        traces += _strip(config, score, index, "seed " if unit == "seed" else "")
    shape = plots.layout(score.words, "", 0)
    plots.name_rows(shape, [f"#{config.rank}  {config.words}" for config in drawn])
    return {"data": traces, "layout": shape}


def _strip(config: Config, score: Metric, index: int, before: str) -> list[dict[str, Any]]:
    """Returns the traces of a config's replicates, their range and their mean."""
    values = [value for _, value in config.scores]
    colour = plots.PALETTE[1] if config.rank == 1 else plots.PALETTE[0]
    hover = [
        f"#{config.rank} {plots.label(config.words)}<br>"
        f"{before}{replicate}: {score_text(score, value)}"
        for replicate, value in config.scores
    ]
    return [
        {"type": "scatter", "mode": "lines", "x": [min(values), max(values)],
         "y": [index, index], "line": {"color": plots.faded(colour), "width": 8},
         "hoverinfo": "skip"},
        {"type": "scatter", "mode": "markers", "x": values, "y": [index] * len(values),
         "marker": {"color": colour, "size": 7, "symbol": "circle-open"},
         "text": hover, "hoverinfo": "text"},
        {"type": "scatter", "mode": "markers", "x": [math.fsum(values) / len(values)],
         "y": [index], "hoverinfo": "skip",
         "marker": {"color": colour, "size": 16, "symbol": "line-ns",
                    "line": {"color": colour, "width": 2.5}}},
    ]  # fmt: skip


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix summed over the replicates; rows are the true classes."""

    split: str
    classes: list[str]
    counts: list[list[int]]
    seeds: int
    words: list[str]

    @property
    def sequences(self) -> int:
        """The mean number of sequences in a split, rounded down."""
        return self.total // self.seeds

    @property
    def total(self) -> int:
        """The number of classified sequences over all replicates."""
        return sum(map(sum, self.counts))


def confusion_section(facts: Facts) -> Section:
    """Builds the section with the confusion matrix of the best config."""
    confusion, absent = find_confusion(facts.board.rows[0].entries if facts.board.rows else [])
    return Section(
        "confusion",
        "Confusion",
        TEMPLATES / "confusion.html.j2",
        {"confusion": confusion, "confusion_absent": absent},
        {"confusion": confusion_figure(confusion)} if confusion else {},
        {"confusion_width": confusion and confusion_width(confusion)},
        is_shown=bool(confusion or absent),
    )


def _why_no_confusion(entry: Entry) -> str:
    """Returns why a run has no confusion matrix."""
    splits = {name.partition("/")[0] for name in (entry.record or {}).get("metrics", {})}
    reason = "there are more than 50 classes"
    if not splits & {"val", "test"}:
        reason = "there is neither a validation nor a test split"
    elif "test" not in splits and not entry.config.get("diagnostics", True):
        reason = "there is no test split, and diagnostics=false"
    return f"No confusion matrix was recorded: {reason}."


def find_confusion(group: Sequence[Entry]) -> tuple[Confusion | None, str | None]:
    """Returns the confusion matrix over the runs of a config, or why it is missing."""
    records = [entry.record or {} for entry in group]
    recorded = [record for record in records if record.get("confusion") and record.get("classes")]
    if not recorded:
        has_classes = group and not is_own_module(group[0].config)
        return None, _why_no_confusion(group[0]) if has_classes else None
    first = recorded[0]
    split = "test" if "test" in first["confusion"] else next(iter(first["confusion"]))
    # Only matrices of the same classes can be added.
    same = [record for record in recorded if record["classes"] == first["classes"]]
    matrices = [r["confusion"][split] for r in same if split in r["confusion"]]
    # Add the matrices of the replicates cell by cell.
    counts = [list(map(sum, zip(*rows, strict=True))) for rows in zip(*matrices, strict=True)]
    classes = list(map(str, first["classes"]))
    words = confusion_words(classes, counts)
    return Confusion(split, classes, counts, len(matrices), words), None


def confusion_words(classes: Sequence[str], counts: Sequence[Sequence[int]]) -> list[str]:
    """Names the most frequent confusions, at most three, and the class of lowest recall."""
    pairs = [
        (number, true, predicted)
        for true, row in enumerate(counts)
        for predicted, number in enumerate(row)
        if number and true != predicted
    ]
    if not pairs:
        return ["No sequence is misclassified."]
    words = [
        f"“{classes[true]}” is classified as “{classes[predicted]}” {count(number, 'time')} "
        f"({number / sum(counts[true]) * 100:.1f}{NBSP}% of its {sum(counts[true]):,})."
        for number, true, predicted in sorted(pairs, key=lambda pair: -pair[0])[:3]
    ]
    # A class without a sequence has no recall.
    recall, worst = min((row[i] / sum(row), i) for i, row in enumerate(counts) if sum(row))
    return [*words, f"Lowest recall: “{classes[worst]}”, {recall * 100:.1f}{NBSP}%."]


def confusion_figure(confusion: Confusion) -> plots.Figure:
    """Draws a confusion matrix; a cell's colour is its share of the row."""
    size = len(confusion.classes)
    names = [plots.label(name) for name in short_classes(confusion)]
    cells = [(t, p, n) for t, row in enumerate(confusion.counts) for p, n in enumerate(row)]
    shares = [n / (sum(confusion.counts[t]) or 1) for t, _, n in cells]
    # The basic bundle of plotly has no heatmap, so the cells are bars of height 1.
    trace = {
        "type": "bar", "width": 1, "x": [p for _, p, _ in cells], "y": [1] * len(cells),
        "base": [t - 0.5 for t, _, _ in cells],
        "marker": {
            "color": [plots.between(*plots.HEAT, share) for share in shares],
            "line": {"color": plots.GROUND, "width": 1},
        },
        "hovertext": [
            f"{names[t]} classified as {names[p]}<br>{count(n, 'time')}, {share:.1%} of its row"
            for (t, p, n), share in zip(cells, shares, strict=True)
        ],
        "hoverinfo": "text",
    }  # fmt: skip
    room = 6 * max(map(len, short_classes(confusion)))  # long names are vertical
    shape = plots.layout(
        "predicted class", "true class", min(760, max(300, 110 + 30 * size)) + room
    )
    marks = {"tickvals": list(range(size)), "ticktext": names, "showgrid": False, "ticks": ""}
    shape["xaxis"] |= marks | {"range": [-0.5, size - 0.5]}
    shape["yaxis"] |= marks | {"range": [size - 0.5, -0.5]}
    if size > _MOST_NUMBERED:
        shape["xaxis"]["showticklabels"] = shape["yaxis"]["showticklabels"] = False
    else:
        # Plotly gives a text inside a bar a colour that contrasts with the bar.
        trace["text"] = [f"{n}" if n else "" for _, _, n in cells]
        trace |= {"textposition": "inside", "insidetextanchor": "middle", "textangle": 0}
    return {"data": [trace], "layout": shape}


def short_classes(confusion: Confusion) -> list[str]:
    """Returns the names of the classes, shortened to fit on an axis."""
    return [cut(name, _LONGEST_CLASS) for name in confusion.classes]


def confusion_width(confusion: Confusion) -> int:
    """Returns the largest useful width in pixels; wider cells would look flat."""
    longest = max(map(len, short_classes(confusion)))
    return 130 + 8 * longest + max(62, 5 * longest) * len(confusion.classes)
