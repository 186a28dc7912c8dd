"""The command `seqsweep explain`: a config's network, tensor by tensor, also as an HTML page."""

import json
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from rich import markup

from seqsweep.arguments import Parser
from seqsweep.config.from_overrides import compose
from seqsweep.console import PlainConsole, say
from seqsweep.runs.files import write_text
from seqsweep.training.build_run import build_module
from seqsweep.training.checks import with_sizes
from seqsweep.training.run_data import build_data, outline
from seqsweep.using.explain import Block, Explanation, Unrolled, explain
from seqsweep.using.prediction_files import check_output

_TEXT = """\
Shows each tensor of a forward pass, layer by layer and direction by direction. Builds the network
of a config and runs one batch through it; trains nothing.
"""

_EXAMPLE = "seqsweep explain data=digits model.cell=gru"

_MOST_STEPS = 6
"""The number of steps that are drawn; of longer sequences the middle is left out."""

_STEP, _ROW, _LEFT, _CELL = 104, 66, 150, 38  # distances of the picture in pixels
_ASIDE = 46
"""Backward states stand this far to the right, so that no arrow crosses another state."""

_READ = {
    "last": "final states",
    "mean": "mean over time",
    "max": "maximum over time",
    "attention": "attention over time",
}

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

_TIP = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6"'
    ' markerHeight="6" orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" fill="#666"/>'
    "</marker></defs>"
)
"""The head of the arrows."""


def explain_command(arguments: Sequence[str]) -> int:
    """Prints a forward pass; with `--html` writes a page too."""
    parser = Parser("explain", _TEXT, "seqsweep explain [KEY=VALUE ...] [--html FILE]")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as in seqsweep train")
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="also write a page with a picture"
    )
    words = "a folder of configs of your own, as in seqsweep train"
    parser.add_argument("--config-dir", type=Path, metavar="FOLDER", help=words)
    options = parser.parse(sorted(arguments, key=lambda word: "=" in word and word[:2] != "--"))
    overrides: list[str] = options.overrides
    for word in overrides:
        if Path(word).is_dir():
            raise ValueError(f"{word}: is a folder; expected overrides, as in: {_EXAMPLE}")
    if options.config_dir is not None:
        if not options.config_dir.is_dir():
            raise ValueError(f"--config-dir {options.config_dir}: no such folder")
        folder = json.dumps(str(options.config_dir.resolve()))
        overrides = [*overrides, f"hydra.searchpath=[{folder}]"]
    if options.html is not None:
        check_output(options.html)
    config = compose(overrides)
    data = build_data(config)
    splits = outline(data, config["data"]["_target_"])
    network = build_module(with_sizes(config, splits), splits).network
    batch = next(iter(data.train_dataloader()))
    explanation = explain(network, batch, splits.class_names)
    _print(explanation)
    if options.html is not None:
        write_text(options.html, page(explanation, " ".join(options.overrides)))
        say(str(options.html))
    return 0


def _print(explanation: Explanation) -> None:
    """Prints each block: its equations, then a line for each tensor in aligned columns."""
    console = PlainConsole()
    console.print(f"[bold]{markup.escape(explanation.title)}[/]", highlight=False)
    rows = [row for block in explanation.blocks for row in block.rows]
    name_width = max(len(row.name) for row in rows)
    shape_width = max(len(str(row.shape)) for row in rows)
    for block in explanation.blocks:
        console.print(f"\n[bold]{markup.escape(block.title)}[/]", highlight=False)
        lines = [f"  {equation}" for equation in block.equations]
        for name, shape, text in block.rows:
            lines.append(f"  {name:{name_width}}  {shape!s:{shape_width}}  {text}".rstrip())
        console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)


def page(explanation: Explanation, config: str) -> str:
    """Returns the page as text; it loads nothing from elsewhere.

    Args:
        explanation: the network and its forward pass.
        config: the overrides of the command, for the heading.
    """
    picture = "" if explanation.unrolled is None else _Picture(explanation.unrolled).svg()
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


class _Picture:
    """Draws the unrolled network: steps as columns, directions as rows."""

    def __init__(self, unrolled: Unrolled) -> None:
        self.pooling = unrolled.pooling
        self.ways = 2 if unrolled.bidirectional else 1
        self.rows = unrolled.num_layers * self.ways
        self.height = _ROW * (self.rows + 2)
        self.steps = [str(step) for step in range(1, unrolled.steps + 1)]
        if unrolled.steps > _MOST_STEPS:
            # One column stands for the steps that are left out.
            self.steps = [*self.steps[:3], "...", *self.steps[-2:]]

    def svg(self) -> str:
        width = _LEFT + _STEP * len(self.steps) + _ASIDE
        states = "".join(part for row in range(1, self.rows + 1) for part in self.states(row))
        return (
            f'<div class="picture"><svg viewBox="0 0 {width} {self.height}" width="{width}"'
            f' height="{self.height}" role="img" aria-label="the network unrolled over time">'
            f"{_TIP}{''.join(self.below())}{states}{''.join(self.readout())}</svg></div>"
        )

    def is_back(self, row: int) -> bool:
        """Returns whether a row, the first one is 1, is of a backward direction."""
        return self.ways == 2 and row > 0 and row % 2 == 0

    def x(self, column: int, row: int = 0) -> int:
        return _LEFT + _STEP * column + _STEP // 2 + _ASIDE * self.is_back(row)

    def y(self, row: int) -> int:
        """Returns the middle of a row; row 0 is the input at the bottom."""
        return self.height - _ROW * row - _ROW // 2

    def below(self) -> Iterator[str]:
        """Yields the names of the rows, and the input."""
        ways = ("forward", "backward")[: self.ways]
        layers = range(1, self.rows // self.ways + 1)
        names = ["input x", *(f"layer {n} {way}" for n in layers for way in ways), "head"]
        for row, name in enumerate(names):
            yield f'<text x="8" y="{self.y(row) + 4}">{name}</text>'
        for column, step in enumerate(self.steps):
            yield _box(self.x(column), self.y(0), "data", _name("x", step))

    def states(self, row: int) -> Iterator[str]:
        """Yields the states of one direction, the arrows between them and those from below."""
        back, y = self.is_back(row), self.y(row)
        for column, step in enumerate(self.steps):
            yield _box(self.x(column, row), y, "back" if back else "cell", _name("h", step))
            if column:
                ends = self.x(column - 1, row) + _CELL // 2, self.x(column, row) - _CELL // 2
                before, after = reversed(ends) if back else ends
                yield _line((before, y), (after, y))
        # Each direction reads the whole output of the layer below, or the input (row 0).
        below = (row - 1) // self.ways * self.ways
        for source in range(below - self.ways + 1, below + 1) if below else [0]:
            for column in range(len(self.steps)):
                start = self.x(column, source), self.y(source) - 14
                yield _line(start, (self.x(column, row), y + 14), faint=True)

    def readout(self) -> Iterator[str]:
        """Yields the head and the arrows from the states that it reads."""
        top, last = self.y(self.rows + 1), len(self.steps) - 1
        middle, half = (self.x(0) + self.x(last)) // 2, 105
        yield _box(middle, top, "head", f"{_READ[self.pooling]}, fc, logits", width=2 * half)
        for row in range(self.rows - self.ways + 1, self.rows + 1):
            y = self.y(row) - 14
            if self.pooling == "last":
                # The final state of the backward direction is that of the first step.
                back = self.is_back(row)
                x = self.x(0, row) if back else self.x(last) + (last == 0) * half
                side = middle - half if back else middle + half
                yield _line((x, y), (x, top), (side, top))
                continue
            for column in range(len(self.steps)):
                x = self.x(column, row)
                way = (x, y), (x, top + 30), (middle, top + 30), (middle, top + 15)
                yield _line(*way, faint=True)


def _name(letter: str, step: str) -> str:
    return step if step == "..." else f"{letter}{step}"


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
