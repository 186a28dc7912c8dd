"""Data sets and their splits in a report, with the critical-difference diagram.

The diagram is that of Demsar (2006, JMLR 7). The best mean rank is on the right. A bar joins the
methods of a clique, see `results.ranks`.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from seqsweep.results.across_sets import AcrossSets
from seqsweep.results.formatting import (
    count,
    cut,
    key_names,
    metric_words,
    split_words,
    upper_first,
)
from seqsweep.results.ranks import Ranking
from seqsweep.results.report.findings import TEMPLATES, Facts, Section
from seqsweep.results.report.words import Answer
from seqsweep.results.words import (
    clique_rule,
    left_out_words,
    rank_cells,
    ranking_words,
    uneven_words,
)
from seqsweep.runs.ledger import Entry

_NO_MEAN = (
    "Accuracies of different test sets have no common scale, so no mean over data sets is shown."
)
Splits = Mapping[str, Mapping[str, Any]]
"""The values of a split in record.json: `sequences`, `fingerprint`, `also_in_train`."""

MOST_DRAWN = 24
"""The most methods of a diagram, the best first: more lines could not be followed."""

_WIDTH = 900
_CHARACTER = 7.4
"""The width of a character in pixels: wide enough for all usual fonts."""

_LONGEST = 42
_AXIS = 34.0
_BAR, _ROW, _TICK = 9.0, 22.0, 6.0


class Leader(NamedTuple):
    """The line that leads from a mean rank on the axis to the method's name.

    Args:
        x: The place of the mean rank on the axis.
        y: The height of the name.
        end: The place at which the name begins or, on the left, ends.
    """

    x: float
    y: float
    end: float
    is_left: bool


class Layout(NamedTuple):
    """The places of a diagram's parts, in pixels from its upper left corner.

    Args:
        axis: The ends of the axis: the worst and the best possible rank.
        ticks: The place of each whole rank from 1.
        bars: The ends and the height of the bar of each clique.
    """

    height: float
    axis: tuple[float, float]
    ticks: list[float]
    leaders: list[Leader]
    bars: list[tuple[float, float, float]]


def sets_section(facts: Facts) -> Section:
    """The configs compared over all data sets, if there are several."""
    across = facts.across
    return Section(
        "sets",
        "Data sets",
        TEMPLATES / "sets.html.j2",
        {"across": across},
        view=_sets_view(across) if across else {},
        is_shown=bool(across and facts.configs),
    )


def _sets_view(across: AcrossSets) -> dict[str, Any]:
    ranking = across.ranking
    return {
        "across_names": list(key_names(across.methods[0].keys).values()),
        "across_ranks": ranking and [rank_cells(across, i) for i in range(len(across.methods))],
        "across_notes": [
            *(f"{upper_first(words)}." for words in ranking_words(across)),
            *(f"{words}." for words in left_out_words(across)),
            *(f"{upper_first(words)}." for words in uneven_words(across)),
            _NO_MEAN,
        ],
        "across_diagram": ranking and diagram([one.words for one in across.methods], ranking),
        "bars_rule": clique_rule(len(across.methods)),
        "across_cut": len(across.methods) > MOST_DRAWN,
    }


def answer_over_sets(across: AcrossSets) -> Answer | None:
    """The first sentences of a report on several data sets; None without ranks."""
    ranking = across.ranking
    if ranking is None:
        return None
    mean, sets = ranking.mean_ranks[0], count(ranking.number, "data set")
    equal = sum(rank == mean for rank in ranking.mean_ranks)
    tied = f", shared with {count(equal - 1, 'other config')}" if equal > 1 else ""
    # The sentence after the first says whether the ranks differ at all.
    verdict = upper_first(ranking_words(across)[1])
    return Answer(
        lead=f"Lowest mean rank in {metric_words(across.metric)} on {sets}: ",
        best=across.methods[0].words,
        rest=f", mean rank {mean:.2f} of {count(len(across.methods), 'config')}{tied}. {verdict}.",
        choice=(
            "Best epochs are chosen by validation. The ranks describe the configs on "
            f"{metric_words(across.metric)}; each data set has its own leaderboard, ranked by "
            "validation."
        ),
    )


def splits_of(entries: Sequence[Entry]) -> Splits:
    """The splits of the first run; empty if its record lacks them."""
    record = entries[0].record if entries else None
    splits = (record or {}).get("splits")
    if not isinstance(splits, dict):
        return {}
    return {
        name: part
        for name, part in splits.items()
        if isinstance(part, dict) and isinstance(part.get("sequences"), int)
    }


def size_words(splits: Splits) -> str:
    """The number of sequences in each split, in words.

    >>> size_words({"train": {"sequences": 1216}, "test": {"sequences": 370}})
    '1,216 training and 370 test sequences'
    """
    parts = [f"{part['sequences']:,} {split_words(name)}" for name, part in splits.items()]
    *most, last = parts or [""]
    return f"{', '.join(most)} and {last} sequences" if most else last and f"{last} sequences"


def overlap_words(entries: Sequence[Entry]) -> list[str]:
    """A sentence for each split that shares sequences with training."""
    sentences: dict[str, None] = {}  # runs on the same data give the same sentence
    for entry in entries:
        for name, part in splits_of([entry]).items():
            if shared := part.get("also_in_train"):
                split, verb = split_words(name), "is" if shared == 1 else "are"
                total = count(part["sequences"], f"{split} sequence")
                head = f"{shared:,} of {total} {verb} also in train"
                sentences[f"{head}, so the {split} accuracy is optimistic."] = None
    return list(sentences)


def diagram(names: Sequence[str], ranking: Ranking) -> str:
    """The diagram as an SVG element in the colours of the page.

    Args:
        names: The names of the methods, in the order of their mean ranks.
        ranking: The ranks of the methods in the same order.
    """
    drawn = [cut(name, _LONGEST) for name in names[:MOST_DRAWN]]
    texts = [f"{n} ({r:.2f})" for n, r in zip(drawn, ranking.mean_ranks, strict=False)]
    layout = lay_out(texts, ranking)
    left, right = layout.axis
    parts = [_line(left, _AXIS, right, _AXIS, 1.5)]
    for rank, x in enumerate(layout.ticks, start=1):
        parts += [_line(x, _AXIS - _TICK, x, _AXIS, 1.5), _text(x, _AXIS - 11, str(rank), "middle")]
    for leader, text, name in zip(layout.leaders, texts, names, strict=False):
        points = f"{leader.x:.1f},{_AXIS} {leader.x:.1f},{leader.y} {leader.end:.1f},{leader.y}"
        parts.append(f'<polyline points="{points}" fill="none" stroke="currentColor"/>')
        x, anchor = (leader.end - 5, "end") if leader.is_left else (leader.end + 5, "start")
        parts.append(_text(x, leader.y + 4, text, anchor, name))
    parts += [_line(start, y, end, y, 4) for start, end, y in layout.bars]
    title = escape(f"Critical-difference diagram of {len(drawn)} methods by mean rank")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ranks" role="img" '
        f'viewBox="0 0 {_WIDTH} {layout.height:.0f}" '
        f'aria-label="{title}" font-size="13" fill="currentColor">{"".join(parts)}</svg>'
    )


def lay_out(texts: Sequence[str], ranking: Ranking) -> Layout:
    """The places of all parts: names of better methods right of the axis, others left.

    Args:
        texts: The drawn names, in the order of the mean ranks.
    """
    total, drawn = len(ranking.mean_ranks), len(texts)
    better = (drawn + 1) // 2
    left = 10 + _CHARACTER * max(map(len, texts[better:]), default=0)
    right = _WIDTH - 10 - _CHARACTER * max(map(len, texts[:better]))
    cliques = [(start, min(end, drawn - 1)) for start, end in ranking.cliques if start < drawn - 1]
    top = _AXIS + 14 + _BAR * len(cliques) + 12

    def place(rank: float) -> float:
        # Leaders need some room beyond the ends of the axis.
        return right - 16 - (rank - 1) / max(total - 1, 1) * (right - left - 32)

    leaders = [
        Leader(place(rank), top + _ROW * row, left if is_left else right, is_left)
        for index, rank in enumerate(ranking.mean_ranks[:drawn])
        # The best and the worst method are on top, so that no two leaders cross.
        for is_left in [index >= better]
        for row in [drawn - 1 - index if is_left else index]
    ]
    bars = [
        (leaders[end].x - 4, leaders[start].x + 4, _AXIS + 14 + _BAR * level)
        for level, (start, end) in enumerate(cliques)
    ]
    ticks = [place(rank) for rank in range(1, total + 1)]
    height = top + _ROW * (better - 1) + 14
    return Layout(height, (ticks[-1], ticks[0]), ticks, leaders, bars)


def _line(x1: float, y1: float, x2: float, y2: float, width: float) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="currentColor" stroke-width="{width}"/>'


def _text(x: float, y: float, text: str, anchor: str, title: str = "") -> str:
    whole = f"<title>{escape(title)}</title>" if title else ""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f"<text {place}>{escape(text)}{whole}</text>"
