"""The command `seqsweep export`."""

from collections.abc import Sequence
from pathlib import Path

from seqsweep.arguments import Parser, add_allow
from seqsweep.console import place, say
from seqsweep.results.formatting import count
from seqsweep.suggest import listed
from seqsweep.using.export import check_path, export


def export_command(arguments: Sequence[str]) -> int:
    """Writes a run's network as a file, and prints how exactly the file computes it."""
    options = _parser().parse(arguments)
    path: Path = options.to
    # A wrong name should not take the seconds that the import of torch takes.
    check_path(path)
    from seqsweep.using.export.contents import channels_beyond_float32
    from seqsweep.using.find_run import open_run

    run, _ = open_run(options)
    difference = export(run, path)
    channels = count(len(run.source_channels), "channel")
    say(
        f"{place(path)}: {type(run.network).__name__}, {channels}, "
        f"{len(run.class_names)} classes, {path.stat().st_size:,} bytes; differs from the network "
        f"by at most {difference:.1e}"
    )
    if precise := channels_beyond_float32(run):
        say(f"x must be given as float64: float32 would round {listed(precise)}")
    return 0


def _parser() -> Parser:
    parser = Parser("export", "Writes a trained network as an ONNX file, for other programs.")
    words = "a run's folder, a sweep's (its best run by validation), a checkpoint or a bundle"
    parser.add_argument("run", type=Path, metavar="RUN", help=words)
    words = "the file, which ends with .onnx"
    parser.add_argument("--to", type=Path, required=True, metavar="FILE", help=words)
    words = "best or last: which weights of the run (best)"
    parser.add_argument("--checkpoint", metavar="NAME", help=words)
    add_allow(parser)
    return parser
