"""Draws the critical-difference diagram (Demsar 2006, JMLR 7) as SVG.

The best mean rank is on the right. A bar joins the methods of a clique, see `results.ranks`.
"""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from seqsweep.results.formatting import cut
from seqsweep.results.ranks import Ranking

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
