"""Draws the figures of a sweep or of a run, each with its caption.

Every number comes from the findings. A function returns the reason instead of a figure
if the folder has nothing to draw.
"""

import re
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from seqsweep.results import plot_parts as parts
from seqsweep.results.across_sets import AcrossSets
from seqsweep.results.confusion import find_confusion
from seqsweep.results.curves import Band, Curve, Kind
from seqsweep.results.findings import Findings
from seqsweep.results.formatting import heading, split_words
from seqsweep.results.importance import find_importance, importance_words
from seqsweep.results.plot_parts import Drawing, Mark
from seqsweep.results.ranks import MOST_RANKED
from seqsweep.results.words import clique_rule
from seqsweep.runs.files import JsonObject
from seqsweep.runs.metrics import Metric, as_metric
from seqsweep.text import count, upper_first

MOST_CONFIGS = 30
"""The most rows of a figure: as many as a page has room for."""

_SEVERAL_SETS = "scores of different data sets have no common scale"
_SYMBOLS = {"best": "D", "indistinguishable": "o", "different": "^"}  # the others are crosses
_MOST_BESIDE, _LONGEST_BESIDE = 16, 24
"""The most methods, and their longest names, of a diagram with lines to the names."""

Drawn = list[Drawing] | str
"""The figures, or why there are none."""


def draw_all(findings: Findings, columns: int) -> dict[str, Drawn]:
    """Returns the figures of a folder by their kind."""
    of_one_set = {
        "intervals": draw_intervals,
        "effects": draw_effects,
        "curves": draw_curves,
        "confusion": draw_matrix,
    }
    made = {
        name: _SEVERAL_SETS if findings.across else draw(findings, columns)
        for name, draw in of_one_set.items()
    }
    if content := find_importance(findings.folder, findings.entries):
        made["importance"] = draw_importance(content, columns)
    return {**made, "ranks": draw_ranks(findings.across, columns)}


def draw_intervals(findings: Findings, columns: int) -> Drawn:
    """Draws the score of each config with its confidence interval, best first."""
    score, board, drawn = findings.score, findings.board, findings.scored[:MOST_CONFIGS]
    if len(drawn) < 2:
        return "fewer than two configs have a score"
    rows: list[Mark] = []
    for one in drawn:
        value, symbol = one.metrics[score], _SYMBOLS.get(one.verdict, "x")
        rows.append(Mark(one.words, value.mean, value.low, value.high, symbol))
    figure, _ = parts.draw_rows(rows, columns, heading(score))
    spread = f"one {findings.unit} each, so there are no intervals"
    if board.has_replicates:
        spread = f"means with 95 % confidence intervals over {board.variation.words}"
    caption = (
        f"{heading(score)} of {_best(len(drawn), findings)}, in the order of their "
        f"{board.monitor.words}: {spread}. Diamond: the best by {board.monitor.words}; circles: "
        f"statistically indistinguishable from it; triangles: different "
        f"({board.variation.test}, 5 %, paired by {findings.unit}); crosses: not tested."
    )
    return [Drawing("intervals", figure, caption)]


def _best(number: int, findings: Findings) -> str:
    of = count(len(findings.rows), "config")
    return of if number == len(findings.rows) else f"the best {number} of {of}"


def draw_effects(findings: Findings, columns: int) -> Drawn:
    """Draws the main effects: the mean score at each value of a key."""
    effects = [one for one in findings.effects if len(one.values) <= MOST_CONFIGS]
    if len(effects) < 2:
        return "fewer than two keys have a main effect"
    grand = findings.grand_mean
    rows: list[Mark] = []
    for effect in effects:
        share = "alone" if effect.share is None else f"{effect.share * 100:.0f} %"
        rows.append(Mark(f"{findings.names[effect.key]} ({share})"))
        for value, mean in zip(effect.values, effect.means, strict=True):
            ends = min(grand, mean), max(grand, mean)
            rows.append(Mark(findings.names.text(effect.key, value), mean, *ends))
    figure, _ = parts.draw_rows(rows, columns, f"Mean {findings.score.words}")
    caption = (
        f"Main effects: the mean {findings.score.words} at each value of a key, over the other "
        f"keys of {count(len(findings.compared), 'config')}; bars begin at the mean of all "
        "configs. A percentage is the key's share of the variance between configs (eta squared)."
    )
    return [Drawing("effects", figure, caption)]


def draw_curves(findings: Findings, columns: int) -> Drawn:
    """Draws the learning curves of the best configs, a figure for each kind of metric."""
    kinds, curves = findings.kinds, findings.curves[: len(parts.INKS)]
    names = [re.sub(r"\W+", "_", kind.words) for kind in kinds]
    drawings: list[Drawing] = []
    for kind, name in zip(kinds, names, strict=True):
        if lines := _lines(kind, curves):
            label, figure = _draw_lines(kind, lines, columns)
            most = max(max(band.seeds) for *_, band in lines)
            caption = f"{label} by epoch of {_best(len(curves), findings)}"
            if most > 1:
                caption += (
                    f": means over {count(most, findings.unit)}, with bands from the smallest to "
                    "the largest value until the first run has ended"
                )
            # The names of a user's own metrics may differ only in their punctuation.
            name += f"-{kind.key}" if names.count(name) > 1 else ""
            drawings.append(Drawing(f"curves-{name}", figure, f"{caption}."))
    return drawings or "no run has logged a metric by epoch"


def _lines(kind: Kind, curves: Sequence[Curve]) -> list[tuple[Metric, str, Band]]:
    """Returns the metric, the config and the values of each line.

    Of several configs, only the validation is drawn, if there is one.
    """
    lines: list[tuple[Metric, str, Band]] = []
    for split in ("val", "", "train"):
        metric = as_metric(kind.names.get(split, ""))
        if not (split == "train" and lines and len(curves) > 1):
            drawn = [curve for curve in curves if metric in curve.bands]
            lines += [(metric, one.label, one.bands[metric]) for one in drawn]
    return lines


def _draw_lines(
    kind: Kind, lines: Sequence[tuple[Metric, str, Band]], columns: int
) -> tuple[str, Figure]:
    """Draws means with their ranges over the epochs. Returns the label of the axis, too."""
    metrics = list(dict.fromkeys(metric for metric, *_ in lines))
    names = [config if len(metrics) == 1 else metric.words for metric, config, _ in lines]
    texts = [parts.lines_of(name, 50) for name in names]
    entries = sum(text.count("\n") + 1.1 for text in texts)
    figure, axes = parts.new_figure(columns, 55 + 3 * entries / columns)
    for index, ((*_, band), label) in enumerate(zip(lines, texts, strict=True)):
        ink, whole = parts.INKS[index], slice(band.whole)
        (line,) = axes.plot(band.epochs, band.mean, color=ink, label=label, markevery=0.1)
        line.set(linestyle=parts.DASHES[index], marker=parts.SYMBOLS[index], gid=f"curve-{index}")
        ends = band.low[whole], band.high[whole]
        axes.fill_between(band.epochs[whole], *ends, color=ink, alpha=0.15, linewidth=0)
    words = upper_first(kind.words) if metrics[0].is_ours else kind.words
    label = heading(metrics[0]) if len(metrics) == 1 else words
    axes.set(xlabel="Epoch", ylabel=parts.lines_of(label, 40))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    values = [value for *_, band in lines for value in (*band.low, *band.high)]
    if metrics[0].lower_is_better and min(values) > 0 and max(values) > 20 * min(values):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_locator(NullLocator())
    figure.legend(loc="outside lower left", handlelength=3, ncols=columns)
    return label, figure


def draw_matrix(findings: Findings, columns: int) -> Drawn:
    """Draws the confusion matrix of the best config."""
    found, absent = find_confusion(findings.board.rows[0].entries)
    if found is None:
        return absent or "a LightningModule of your own records none"
    figure, axes = parts.new_figure(columns, min(parts.WIDTHS[columns], 110) * 0.9)
    figure.set_layout_engine("compressed")
    image = parts.draw_confusion(axes, found.counts, parts.class_labels(found.classes), 6)
    axes.set(xlabel="Predicted class", ylabel="True class")
    axes.spines[:].set_visible(False)
    figure.colorbar(image, label="Share of the true class", shrink=0.7)
    caption = (
        f"Confusion matrix of {_best(1, findings)} ({findings.rows[0].words}): "
        f"{count(found.total, 'classified sequence')} of the {split_words(found.split)} split, "
        f"from {count(found.seeds, findings.unit)}. {' '.join(found.words)}"
    )
    return [Drawing("confusion", figure, caption)]


def draw_importance(content: JsonObject, columns: int) -> Drawn:
    """Draws how much the loss increases by channels (rows) and spans of steps."""
    cells = content["cells"][: parts.MOST_LABELS]
    figure, axes = parts.new_figure(columns, 25 + 4 * len(cells))
    image = axes.imshow(cells, "Blues", vmin=0, aspect="auto")
    spans = [span["name"].removeprefix("steps ") for span in content["spans"]]
    axes.set_xticks(range(len(spans)), spans, rotation=90)
    names = parts.class_labels([channel["name"] for channel in content["channels"]][: len(cells)])
    axes.set_yticks(list(names), list(names.values()))
    axes.set(xlabel="Steps of a sequence", ylabel="Channel")
    figure.colorbar(image, label="Increase of the loss")
    caption = (
        f"Increase of the loss of {content['data']} when a channel is permuted among the sequences "
        f"within a span of steps: means over {count(len(content['runs']), 'run')}. "
        f"{upper_first(importance_words(content))}."
    )
    return [Drawing("importance", figure, caption)]


def draw_ranks(across: AcrossSets | None, columns: int) -> Drawn:
    """Draws the critical-difference diagram of Demsar (2006, JMLR 7).

    A bar joins the methods of a clique, see `results.ranks`. Many methods, or long names, have a
    row each instead of lines to both sides.
    """
    if across is None:
        return "there is only one data set"
    if across.ranking is None:
        return "ranks need two data sets on which every config has a score"
    methods, cliques = len(across.methods), across.ranking.bars
    ranks = across.ranking.mean_ranks[:MOST_RANKED]
    pairs = zip(across.methods, ranks, strict=False)
    names = [f"{parts.drawable(method.words)} ({rank:.2f})" for method, rank in pairs]
    label = f"Mean rank in {across.metric.words}"
    if len(names) > _MOST_BESIDE or max(map(len, names)) > _LONGEST_BESIDE * columns:
        rows = [Mark(name, rank) for name, rank in zip(names, ranks, strict=True)]
        figure, axes = parts.draw_rows(rows, columns, label)
        for level, rows_of_bar in enumerate(cliques, start=1):
            _draw_clique(axes, [ranks[-1] + 0.03 * level * methods] * 2, rows_of_bar)
    else:
        figure, axes = parts.new_figure(columns, 12 + 2.4 * len(cliques) + 2 * len(names))
        _draw_beside(axes, names, ranks, cliques)
        axes.set_xlabel(label)
    shown = f" The best {len(ranks)} are shown." if len(ranks) < methods else ""
    caption = (
        f"Critical-difference diagram: mean ranks in {across.metric.words} of "
        f"{count(methods, across.noun)} on {count(across.ranking.number, 'data set')}; rank 1 is "
        f"the best.{shown} Bars join {across.noun}s that do not differ: {clique_rule(methods)}."
    )
    return [Drawing("ranks", figure, caption)]


def _draw_clique(axes: Axes, xs: Sequence[float], ys: Sequence[float]) -> None:
    axes.plot(xs, ys, color=parts.GREY, linewidth=2.2, gid="clique")


def _draw_beside(
    axes: Axes, names: Sequence[str], ranks: Sequence[float], cliques: Sequence[tuple[int, int]]
) -> None:
    """Draws lines from the axis to the names: the better half on the left."""
    # The vertical axis counts lines of text, from the top.
    first, worst = 0.8 * len(cliques), len(names)
    for level, clique in enumerate(cliques, start=1):
        _draw_clique(axes, [ranks[index] for index in clique], [0.8 * level] * 2)
    for index, (name, rank) in enumerate(zip(names, ranks, strict=True)):
        is_left = 2 * index < worst
        row = first + 1.3 * (index + 1 if is_left else worst - index)
        side, align, shift = (1, "right", -2) if is_left else (worst, "left", 2)
        line = [rank, rank, side], [0, row, row]
        axes.plot(*line, color=parts.INKS[0], linewidth=0.7, gid=f"rank-{index}")
        place = (side, row), (shift, 0), "data", "offset points"
        axes.annotate(name, *place, ha=align, va="center", annotation_clip=False)
    axes.set(xlim=(1, worst), ylim=(first + 0.65 * worst + 1.3, 0), yticks=[])
    axes.xaxis.set(ticks_position="top", label_position="top")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.spines["top"].set_visible(True)
