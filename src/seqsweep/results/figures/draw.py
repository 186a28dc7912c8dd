"""Draws the figures of a sweep or of a run, each with its caption.

Every number comes from the findings. A function returns the reason instead of a figure if there is
nothing to draw.
"""

import re
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from seqsweep.results.across_sets import AcrossSets
from seqsweep.results.confusion import find_confusion
from seqsweep.results.curves import Band, Curve, Kind, curve_kinds, find_curves
from seqsweep.results.figures.parts import (
    DASHES,
    GREY,
    INKS,
    SYMBOLS,
    WIDTHS,
    Drawing,
    class_labels,
    draw_confusion,
    drawable,
    lines_of,
    new_figure,
    new_rows,
)
from seqsweep.results.findings import Findings
from seqsweep.results.formatting import count, split_words, upper_first
from seqsweep.results.report.board import MOST_RANKED
from seqsweep.results.significance import mean_of
from seqsweep.results.words import clique_rule, name_test
from seqsweep.runs.metrics import as_metric

MOST_CONFIGS = 30
"""The most rows of a figure: as many as a page has room for."""

_SEVERAL_SETS = "scores of different data sets have no common scale"
_FILLED = {"best": "the best", "indistinguishable": "statistically indistinguishable from it"}
_CLIQUE: Any = {"color": GREY, "linewidth": 2.2, "gid": "clique"}
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
    return {**made, "ranks": draw_ranks(findings.across, columns)}


def draw_intervals(findings: Findings, columns: int) -> Drawn:
    """Draws the score of each config with its confidence interval, best first."""
    score, drawn = findings.score, findings.scored[:MOST_CONFIGS]
    if len(drawn) < 2:
        return "fewer than two configs have a score"
    figure, axes = new_rows([one.words for one in drawn], columns, upper_first(score.words))
    for row, config in enumerate(drawn):
        value = config.metrics[score]
        is_tested = config.verdict in (*_FILLED, "different")
        ink = INKS[0] if is_tested else GREY
        if value.low is not None and value.high is not None:
            axes.plot([value.low, value.high], [row] * 2, color=ink, gid=f"interval-{config.rank}")
        fill = ink if config.verdict in _FILLED else "white"
        symbol = "D" if config.verdict == "best" else "o" if is_tested else "s"
        axes.plot(
            value.mean, row, symbol, color=ink, markerfacecolor=fill, gid=f"score-{config.rank}"
        )
    return [Drawing("intervals", figure, _intervals_caption(findings, len(drawn)))]


def _intervals_caption(findings: Findings, drawn: int) -> str:
    board, configs = findings.board, findings.scored[:drawn]
    test = f"{name_test(board.variation)}, 5 %, paired by {findings.unit}"
    marks = [f"Diamond: the best by {board.monitor.words}."]
    verdicts = {config.verdict for config in configs}
    if "indistinguishable" in verdicts:
        marks.append(f"Filled circles: statistically indistinguishable from it ({test}).")
    if "different" in verdicts:
        marks.append(f"Open circles: different from it ({test}).")
    if others := sum(one.verdict not in (*_FILLED, "different") for one in configs):
        marks.append(f"Squares: not tested ({count(others, 'config')}).")
    shown = "The" if drawn == len(findings.scored) else f"The best {drawn} of the"
    total = count(len(findings.scored), "config")
    return (
        f"{upper_first(findings.score.words)}. {shown} {total}, best "
        f"first by {board.monitor.words}: {_means_words(findings)}. {' '.join(marks)}"
    )


def _means_words(findings: Findings) -> str:
    """Says what points and bars are: means over n runs with intervals."""
    numbers = {config.metrics[findings.score].n for config in findings.scored}
    if max(numbers) == 1:
        return f"one {findings.unit} each, so there are no intervals"
    runs = count(max(numbers), findings.unit)
    runs = runs if len(numbers) == 1 else f"{min(numbers)} to {runs}"
    varied = f" ({findings.board.variation.words})" if findings.board.variation.resampled else ""
    kind = "corrected resampled t" if findings.board.variation.resampled else "Student's t"
    return f"means over {runs}{varied} with 95 % confidence intervals ({kind})"


def draw_effects(findings: Findings, columns: int) -> Drawn:
    """Draws the main effects: the mean score at each value of a key."""
    effects = [one for one in findings.effects if len(one.values) <= MOST_CONFIGS]
    if len(effects) < 2:
        return "fewer than two keys have a main effect"
    names: list[str] = []
    points: list[tuple[int, float]] = []
    for effect in effects:
        share = "alone" if effect.share is None else f"{effect.share * 100:.0f} %"
        share = "confounded" if effect.confounded else share
        names.append(f"{findings.names[effect.key]} ({share})")
        for value, mean in zip(effect.values, effect.means, strict=True):
            points.append((len(names), mean))
            names.append(findings.names.text(effect.key, value))
    means = [config.metrics[findings.score].mean for config in findings.compared]
    grand = mean_of(means)
    figure, axes = new_rows(names, columns, f"Mean {findings.score.words}")
    axes.axvline(grand, color=GREY, linewidth=0.6, linestyle="--")
    for row, mean in points:
        axes.plot([grand, mean], [row] * 2, color=INKS[0], linewidth=2, alpha=0.5)
        axes.plot(mean, row, "o", color=INKS[0], gid=f"effect-{row}")
    for row in set(range(len(names))) - {row for row, _ in points}:
        axes.get_yticklabels()[row].set_fontweight("bold")
    caption = (
        f"Main effects: the mean {findings.score.words} at each value over the other keys, of "
        f"{count(len(means), 'config')}; the dashed line is the mean of all configs. A percentage "
        "is the share of the variance between configs that the key explains (eta squared)."
    )
    return [Drawing("effects", figure, caption)]


def draw_curves(findings: Findings, columns: int) -> Drawn:
    """Draws the learning curves of the best configs, a figure for each kind of metric."""
    kinds = curve_kinds(findings)
    curves = find_curves(findings, kinds)[: len(INKS)]
    slugs = [re.sub(r"\W+", "_", kind.words) for kind in kinds]
    names = [s if slugs.count(s) == 1 else f"{s}-{n}" for n, s in enumerate(slugs)]
    drawn = [
        _draw_kind(f"curves-{name}", kind, curves, findings, columns)
        for name, kind in zip(names, kinds, strict=True)
        if any(metric in curve.bands for curve in curves for metric in kind.names.values())
    ]
    return drawn or "no run has logged a metric by epoch"


def _draw_kind(
    name: str, kind: Kind, curves: Sequence[Curve], findings: Findings, columns: int
) -> Drawing:
    """Draws one kind of metric: of one config validation and training, else only validation."""
    has_validation = any(kind.names.get("val") in curve.bands for curve in curves)
    shown = [split for split in ("val", "", "train") if split in kind.names]
    if len(curves) > 1 and has_validation:
        shown = [split for split in shown if split != "train"]
    figure, axes = new_figure(columns, 55 + 3.2 * len(curves) * len(shown) / columns)
    bands: list[Band] = []
    for curve in curves:
        for metric in (kind.names[split] for split in shown):
            if band := curve.bands.get(metric):
                words = as_metric(metric).words
                label = words if len(curves) == 1 else curve.label
                _draw_band(axes, band, len(bands), lines_of(label, 44))
                bands.append(band)
    axes.set_xlabel("Epoch")
    words = as_metric(kind.names[shown[0]]).words if len(curves) > 1 else kind.words
    axes.set_ylabel(lines_of(upper_first(words), 40))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    values = [value for band in bands for value in (*band.low, *band.high)]
    is_loss = all(as_metric(metric).lower_is_better for metric in kind.names.values())
    if is_loss and min(values) > 0 and max(values) > 20 * min(values):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_locator(NullLocator())
    figure.legend(loc="outside lower left", handlelength=3, ncols=columns)
    return Drawing(name, figure, _curves_caption(kind, curves, bands, findings))


def _draw_band(axes: Axes, band: Band, index: int, label: str) -> None:
    """Draws a mean with its range; without the range after the first run has ended."""
    ink, epochs = INKS[index], band.epochs
    (line,) = axes.plot(epochs, band.mean, color=ink, marker=SYMBOLS[index], markevery=0.1)
    line.set(linestyle=DASHES[index], label=label, gid=f"curve-{index + 1}")
    if band.low != band.high:
        until = slice(band.whole)
        ends = band.low[until], band.high[until]
        axes.fill_between(epochs[until], *ends, color=ink, alpha=0.15, linewidth=0)


def _curves_caption(
    kind: Kind, curves: Sequence[Curve], bands: Sequence[Band], findings: Findings
) -> str:
    of = "one config" if len(curves) == 1 else f"the best {len(curves)} configs"
    if len(findings.configs) > len(curves):
        of = f"the best {len(curves)} of {count(len(findings.configs), 'config')}"
    of = curves[0].label if len(findings.entries) == 1 else of
    most = max(max(band.seeds) for band in bands)
    text = f"{upper_first(kind.words)} by epoch of {of}."
    if most > 1:
        runs = count(most, findings.unit)
        text += f" Lines are means over {runs}, bands from smallest to largest."
    if any(band.whole < len(band.epochs) for band in bands):
        text += " A line without a band is the mean of the runs that have not ended."
    return text


def draw_matrix(findings: Findings, columns: int) -> Drawn:
    """Draws the confusion matrix of the best config."""
    found, absent = find_confusion(findings.board.rows[0].entries)
    if found is None:
        return absent or "a LightningModule of your own records none"
    figure, axes = new_figure(columns, min(WIDTHS[columns], 110) * 0.9)
    figure.set_layout_engine("compressed")
    image = draw_confusion(axes, found.counts, class_labels(found.classes), 6)
    axes.set(xlabel="Predicted class", ylabel="True class")
    for spine in axes.spines.values():
        spine.set_visible(False)
    figure.colorbar(image, label="Share of the true class", shrink=0.7)
    runs = f", summed over {count(found.seeds, findings.unit)}" if found.seeds > 1 else ""
    of = "" if len(findings.configs) == 1 else f" of {findings.configs[0].words}, the best config"
    caption = (
        f"Confusion matrix{of}: {count(found.total, 'classified sequence')} of the "
        f"{split_words(found.split)} split{runs}. Rows are the true classes, shaded by the share "
        f"of the row. {' '.join(found.words)}"
    )
    return [Drawing("confusion", figure, caption)]


def draw_ranks(across: AcrossSets | None, columns: int) -> Drawn:
    """Draws the critical-difference diagram of Demsar (2006, JMLR 7).

    A bar joins the methods of a clique, see `results.ranks`. Many methods, or long names, have a
    row each instead of lines to both sides.
    """
    if across is None:
        return "there is only one data set"
    if across.ranking is None:
        return "ranks need two data sets on which every config has a score"
    ranks = across.ranking.mean_ranks[:MOST_RANKED]
    names = [
        f"{drawable(method.words)} ({rank:.2f})"
        for method, rank in zip(across.methods, ranks, strict=False)
    ]
    worst, last = len(across.methods), len(ranks) - 1
    cliques = [(start, min(end, last)) for start, end in across.ranking.cliques if start < last]
    label = f"Mean rank in {across.metric.words}"
    if len(names) > _MOST_BESIDE or max(map(len, names)) > _LONGEST_BESIDE * columns:
        figure, axes = new_rows(names, columns, label)
        axes.plot(ranks, range(len(ranks)), "o", color=INKS[0], gid="ranks")
        for level, (start, end) in enumerate(cliques, start=1):
            axes.plot([ranks[-1] + 0.03 * level * worst] * 2, [start, end], **_CLIQUE)
    else:
        figure, axes = _draw_beside(names, ranks, cliques, worst, columns)
        axes.set_xlabel(label)
    return [Drawing("ranks", figure, _ranks_caption(across, len(ranks)))]


def _draw_beside(
    names: Sequence[str],
    ranks: Sequence[float],
    cliques: Sequence[tuple[int, int]],
    worst: int,
    columns: int,
) -> tuple[Figure, Axes]:
    """Draws lines from the axis to the names: the better half on the left.

    A unit of the vertical axis is a row of text, below which there is the next pair of methods.
    """
    left = (len(ranks) + 1) // 2
    first = 0.8 * len(cliques)
    depth = first + 1.3 * left + 0.7
    figure, axes = new_figure(columns, 10 + 3 * depth)
    for level, (start, end) in enumerate(cliques, start=1):
        axes.plot([ranks[start], ranks[end]], [0.8 * level] * 2, **_CLIQUE)
    for index, (name, rank) in enumerate(zip(names, ranks, strict=True)):
        is_left = index < left
        row = first + 1.3 * (index + 1 if is_left else len(ranks) - index)
        xs = [rank, rank, 1 if is_left else worst]
        axes.plot(xs, [0, row, row], color=INKS[0], linewidth=0.7, gid=f"rank-{index + 1}")
        axes.annotate(
            name, (xs[-1], row), (-2 if is_left else 2, 0), textcoords="offset points",
            va="center", ha="right" if is_left else "left", annotation_clip=False,
        )  # fmt: skip
    axes.set(xlim=(1, worst), ylim=(depth, 0))
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axes.set_yticks([])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.spines["top"].set_visible(True)
    return figure, axes


def _ranks_caption(across: AcrossSets, drawn: int) -> str:
    assert across.ranking is not None
    methods = len(across.methods)
    cut = f" The best {drawn} of {methods} are shown." if drawn < methods else ""
    return (
        f"Critical-difference diagram: mean ranks in {across.metric.words} of "
        f"{count(methods, across.noun)} on {count(across.ranking.number, 'data set')}; rank 1 is "
        f"the best.{cut} Bars join {across.noun}s that do not differ: {clique_rule(methods)}."
    )
