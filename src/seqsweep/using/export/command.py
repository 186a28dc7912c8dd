"""The command `seqsweep export`."""

from collections.abc import Sequence
from pathlib import Path

from seqsweep.arguments import Parser, add_allow
from seqsweep.console import place, say
from seqsweep.suggest import listed


def export_command(arguments: Sequence[str]) -> int:
    """Writes a run's network as a file, and prints how exactly the file computes it."""
    from seqsweep.using.export import ENDINGS, check_path, export

    parser = Parser("export", "Writes a trained network as a file for other programs.")
    words = "a run's folder, or a checkpoint file"
    parser.add_argument("run", type=Path, metavar="RUN", help=words)
    words = f"the file; its ending decides the format: {', '.join(ENDINGS)}"
    parser.add_argument("--to", type=Path, required=True, metavar="FILE", help=words)
    words = "the weights of the best epoch or of the last (best)"
    choices = ("best", "last")
    parser.add_argument("--checkpoint", choices=choices, default="best", help=words)
    add_allow(parser)
    options = parser.parse(arguments)
    # A wrong name should not take the seconds that the import of torch takes.
    check_path(options.to)
    from seqsweep.using.load import load_run

    run = load_run(options.run, options.checkpoint, options.allow)
    difference = export(run, options.to)
    size = options.to.stat().st_size
    say(
        f"{place(options.to)}: {type(run.network).__name__}, {len(run.source_channels)} channels,"
        f" {len(run.class_names)} classes, {size:,} bytes; differs from the network by at most"
        f" {difference:.1e}"
    )
    from seqsweep.using.export.contents import channels_beyond_float32

    precise = channels_beyond_float32(run)
    if precise and options.to.suffix != ".safetensors":
        say(f"x must be given as float64: float32 would round {listed(precise)}")
    return 0
