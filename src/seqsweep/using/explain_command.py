"""The command `seqsweep explain`: a config's network, tensor by tensor."""

from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape

from seqsweep.arguments import Parser
from seqsweep.config.from_overrides import compose
from seqsweep.console import PlainConsole, say
from seqsweep.runs.files import write_text
from seqsweep.training.build_run import build_data, build_module
from seqsweep.using.explain import Explanation, explain
from seqsweep.using.explain_page import page
from seqsweep.using.prediction_files import check_output

_TEXT = """\
Shows each tensor of a forward pass, layer by layer and direction by direction. Builds the network
of a config and runs one batch through it; trains nothing.
"""


def explain_command(arguments: Sequence[str]) -> int:
    """Prints a forward pass; with `--html` writes a page too."""
    parser = Parser("explain", _TEXT, "seqsweep explain [KEY=VALUE ...] [--html FILE]")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as in seqsweep train")
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="also write a page with a picture"
    )
    options = parser.parse(sorted(arguments, key=lambda word: "=" in word and word[:2] != "--"))
    if options.html is not None:
        check_output(options.html)
    config = compose(options.overrides)
    data = build_data(config)
    network = build_module(config, data).network
    batch = next(iter(data.train_dataloader()))
    explanation = explain(network, batch, data.splits.class_names)
    _print(explanation)
    if options.html is not None:
        write_text(options.html, page(explanation, " ".join(options.overrides)))
        say(str(options.html))
    return 0


def _print(explanation: Explanation) -> None:
    """Prints each block: its equations, then a line for each tensor in aligned columns."""
    console = PlainConsole()
    console.print(f"[bold]{escape(explanation.title)}[/]", highlight=False)
    rows = [row for block in explanation.blocks for row in block.rows]
    name_width = max(len(row.name) for row in rows)
    shape_width = max(len(str(row.shape)) for row in rows)
    for block in explanation.blocks:
        console.print(f"\n[bold]{escape(block.title)}[/]", highlight=False)
        lines = [f"  {equation}" for equation in block.equations]
        for name, shape, text in block.rows:
            lines.append(f"  {name:{name_width}}  {shape!s:{shape_width}}  {text}".rstrip())
        console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)
