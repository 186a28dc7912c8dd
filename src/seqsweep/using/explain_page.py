"""Writes an explanation as one HTML page with a picture of the unrolled network."""

from collections.abc import Iterator
from html import escape

from seqsweep.using.explain import Block, Explanation, Unrolled

_MOST_STEPS = 6
"""The number of steps that are drawn; of longer sequences the middle is left out."""

_STEP, _ROW, _LEFT, _CELL = 104, 66, 150, 38  # distances of the picture in pixels
_ASIDE = 46
"""Backward states stand this far to the right, so that no arrow crosses another state."""

_READ = {"last": "final states", "mean": "mean over time", "max": "maximum over time"}

_STYLE = """\
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
       color: #1b1b1b; background: #fff; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin: 1.6rem 0 .3rem; }
code, pre, td { font-family: ui-monospace, monospace; font-size: 13px; }
pre { margin: .2rem 0 .5rem; white-space: pre-wrap; }
table { border-collapse: collapse; width: 100%; }
td { padding: .15rem .8rem .15rem 0; vertical-align: top; border-top: 1px solid #e4e4e4; }
td:nth-child(2) { white-space: nowrap; } td:nth-child(3) { color: #555; font-family: inherit; }
.picture { overflow-x: auto; } svg text { font: 12px system-ui, sans-serif; fill: #1b1b1b; }
svg .cell { fill: #e8f0fb; stroke: #3564a8; } svg .back { fill: #fdeedd; stroke: #b06a17; }
svg .data { fill: #f1f1f1; stroke: #777; } svg .head { fill: #e6f4e6; stroke: #3c7a3c; }
svg polyline { fill: none; stroke: #666; stroke-width: 1.2; marker-end: url(#tip); }
"""


def page(explanation: Explanation, config: str) -> str:
    """Returns the page as text; it loads nothing from elsewhere.

    Args:
        explanation: the network and its forward pass.
        config: the overrides of the command, for the heading.
    """
    picture = "" if explanation.unrolled is None else _picture(explanation.unrolled)
    blocks = "\n".join(_block(block) for block in explanation.blocks)
    command = escape(f"seqsweep explain {config}".strip())
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(explanation.title)}</title><style>
{_STYLE}</style></head><body>
<h1>{escape(explanation.title)}</h1>
<p><code>{command}</code></p>
{picture}
{blocks}
</body></html>
"""


def _block(block: Block) -> str:
    equations = "\n".join(escape(equation) for equation in block.equations)
    rows = "\n".join(
        f"<tr><td>{escape(row.name)}</td><td>{row.shape}</td><td>{escape(row.text)}</td></tr>"
        for row in block.rows
    )
    formula = f"<pre>{equations}</pre>" if equations else ""
    return f"<h2>{escape(block.title)}</h2>{formula}<table>{rows}</table>"


def _picture(unrolled: Unrolled) -> str:
    """Returns the unrolled network: steps as columns, directions as rows."""
    columns = _columns(unrolled.steps)
    names = _row_names(unrolled)
    height = _ROW * (len(names) + 2)
    width = _LEFT + _STEP * len(columns) + _ASIDE
    parts = [
        *_labels(names, height),
        *_inputs(columns, height),
        *(
            part
            for index, name in enumerate(names)
            for part in _states(name, index, columns, height, unrolled)
        ),
        *_readout(names, columns, height, unrolled),
    ]
    tip = (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6"'
        ' markerHeight="6" orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" fill="#666"/>'
        "</marker></defs>"
    )
    return (
        f'<div class="picture"><svg viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" role="img" aria-label="the network unrolled over time">{tip}'
        f"{''.join(parts)}</svg></div>"
    )


def _columns(steps: int) -> list[str]:
    """Returns the names of the drawn steps; one column stands for those left out."""
    if steps <= _MOST_STEPS:
        return [str(step) for step in range(1, steps + 1)]
    return ["1", "2", "3", "...", str(steps - 1), str(steps)]


def _row_names(unrolled: Unrolled) -> list[str]:
    """Returns the rows from the first layer up."""
    ways = ("forward", "backward") if unrolled.bidirectional else ("forward",)
    return [f"layer {n + 1} {way}" for n in range(unrolled.num_layers) for way in ways]


def _x(column: int) -> int:
    return _LEFT + _STEP * column + _STEP // 2


def _y(row: int, height: int) -> int:
    """Returns the middle of a row; row 0 is the input at the bottom."""
    return height - _ROW * row - _ROW // 2


def _labels(names: list[str], height: int) -> Iterator[str]:
    for row, name in enumerate(["input x", *names, "head"]):
        yield f'<text x="8" y="{_y(row, height) + 4}">{name}</text>'


def _inputs(columns: list[str], height: int) -> Iterator[str]:
    for column, step in enumerate(columns):
        yield _box(_x(column), _y(0, height), "data", "..." if step == "..." else f"x{step}")


def _states(
    name: str, index: int, columns: list[str], height: int, unrolled: Unrolled
) -> Iterator[str]:
    """Yields the states of one direction, the arrows between them and those from below."""
    ways = 2 if unrolled.bidirectional else 1
    back, y = _is_back(name), _y(index + 1, height)
    aside = _ASIDE if back else 0
    for column, step in enumerate(columns):
        text = step if step == "..." else f"h{step}"
        yield _box(_x(column) + aside, y, "back" if back else "cell", text)
        if column:
            ends = _x(column - 1) + aside + _CELL // 2, _x(column) + aside - _CELL // 2
            before, after = reversed(ends) if back else ends
            yield _line((before, y), (after, y))
    # Each direction reads the whole output of the layer below, or the input (row 0).
    below = index // ways * ways
    for source in range(below - ways + 1, below + 1) if below else [0]:
        shift = _ASIDE if below and source == below and ways == 2 else 0
        for column in range(len(columns)):
            start = _x(column) + shift, _y(source, height) - 14
            yield _line(start, (_x(column) + aside, y + 14), faint=True)


def _readout(
    names: list[str], columns: list[str], height: int, unrolled: Unrolled
) -> Iterator[str]:
    """Yields the head and the arrows from the states that it reads."""
    top, last = _y(len(names) + 1, height), len(columns) - 1
    middle, half = (_x(0) + _x(last)) // 2, 105
    text = f"{_READ[unrolled.pooling]}, fc, logits"
    yield _box(middle, top, "head", text, width=2 * half)
    ways = 2 if unrolled.bidirectional else 1
    for index in range(len(names) - ways, len(names)):
        back, y = _is_back(names[index]), _y(index + 1, height) - 14
        if unrolled.pooling == "last":
            # The final state of the backward direction is that of the first step.
            x = _x(0) + _ASIDE if back else _x(last) + (last == 0) * half
            side = middle - half if back else middle + half
            yield _line((x, y), (x, top), (side, top))
            continue
        for column in range(len(columns)):
            x = _x(column) + (_ASIDE if back else 0)
            yield _line((x, y), (x, top + 30), (middle, top + 30), (middle, top + 15), faint=True)


def _is_back(name: str) -> bool:
    return name.endswith("backward")


def _box(x: int, y: int, kind: str, text: str, width: int = _CELL) -> str:
    return (
        f'<rect class="{kind}" x="{x - width // 2}" y="{y - 14}" width="{width}" height="28"'
        f' rx="5"/><text x="{x}" y="{y + 4}" text-anchor="middle">{escape(text)}</text>'
    )


def _line(*points: tuple[int, int], faint: bool = False) -> str:
    """Returns an arrow along the points."""
    style = ' style="opacity:.5"' if faint else ""
    way = " ".join(f"{x},{y}" for x, y in points)
    return f'<polyline points="{way}"{style}/>'
