"""The command `seqsweep explain`: shows a config's network, tensor by tensor."""

import json
from collections.abc import Sequence
from pathlib import Path

from seqsweep.arguments import Parser
from seqsweep.config.from_overrides import compose
from seqsweep.console import PlainConsole, print_lines
from seqsweep.data.batch import checked_batch
from seqsweep.runs.identity import is_own_module
from seqsweep.training.build_run import build_module
from seqsweep.training.checks import with_sizes
from seqsweep.training.run_data import build_data, dataloader_of, outline
from seqsweep.using.explain import Explanation, explain

_TEXT = """\
Shows each tensor of a forward pass, layer by layer and direction by direction. Builds the network
of a config and runs one batch through it; trains nothing.
"""

_EXAMPLE = "seqsweep explain data=digits model.cell=gru"


def explain_command(arguments: Sequence[str]) -> int:
    """Runs the command `explain`: prints a forward pass. Returns the exit code."""
    parser = Parser("explain", _TEXT, "seqsweep explain [KEY=VALUE ...]")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as in seqsweep train")
    words = "a folder of configs of your own, as in seqsweep train"
    parser.add_argument("--config-dir", type=Path, metavar="FOLDER", help=words)
    options = parser.parse(arguments, intermixed=True)
    overrides: list[str] = options.overrides
    for word in overrides:
        if Path(word).is_dir():
            raise ValueError(f"{word}: is a folder; expected overrides, as in: {_EXAMPLE}")
    if options.config_dir is not None:
        if not options.config_dir.is_dir():
            raise ValueError(f"--config-dir {options.config_dir}: no such folder")
        folder = json.dumps(str(options.config_dir.resolve()))
        overrides = [*overrides, f"hydra.searchpath=[{folder}]"]
    config = compose(overrides)
    if is_own_module(config):
        name = config["model"]["_target_"]
        raise ValueError(
            f"model._target_={name}: is a LightningModule of your own; explain shows networks, such"
            " as the one inside it"
        )
    data = build_data(config)
    splits = outline(data, config["data"]["_target_"], config["model"])
    network = build_module(with_sizes(config, splits), splits).network
    batch = checked_batch(next(iter(dataloader_of(data, "train"))))
    print_explanation(explain(network, batch, splits.class_names), PlainConsole())
    return 0


def print_explanation(explanation: Explanation, console: PlainConsole) -> None:
    """Prints the equations of each block, then its tensors in columns."""
    print_lines(console, explanation.title, style="bold")
    rows = [row for block in explanation.blocks for row in block.rows]
    name_width = max(len(row.name) for row in rows)
    shape_width = max(len(str(row.shape)) for row in rows)
    for block in explanation.blocks:
        print_lines(console, "", block.title, style="bold")
        lines = [f"  {equation}" for equation in block.equations]
        for name, shape, text in block.rows:
            lines.append(f"  {name:{name_width}}  {shape!s:{shape_width}}  {text}".rstrip())
        console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)
