"""The command `export`: writes a trained network as an ONNX file."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seqsweep.arguments import Parser, add_allow, add_out, check_output
from seqsweep.console import place, say
from seqsweep.runs.files import write_bytes
from seqsweep.text import count, listed

if TYPE_CHECKING:
    from seqsweep.using.load import LoadedRun

_ENDING = ".onnx"


def export_command(arguments: Sequence[str]) -> int:
    """Runs the command `export`; prints how exact the file is, and returns 0."""
    options = _parser().parse(arguments)
    path: Path = options.out
    # Imported after the arguments are checked, because importing torch takes seconds.
    from seqsweep.extras.export.check import BOUND
    from seqsweep.extras.export.contents import channels_beyond_float32
    from seqsweep.using.input_data import open_run

    run, _ = open_run(options)
    difference = export(run, path, options.step)
    channels = count(len(run.source_channels), "channel")
    channels = f"one step of {channels}" if options.step else channels
    say(
        f"{place(path)}: {type(run.network).__name__}, {channels}, "
        f"{len(run.class_names)} classes, {path.stat().st_size:,} bytes; differs from the network "
        f"by at most {1e-6 if difference <= 1e-6 else BOUND:.0e}"  # the digits depend on the CPU
    )
    if precise := channels_beyond_float32(run):
        say(f"x must be given as float64: float32 would round {listed(precise)}")
    return 0


def _parser() -> Parser:
    parser = Parser("export", "Writes a trained network as an ONNX file, for other programs.")
    words = "a run's folder, a sweep's (its best run by validation), a checkpoint or a bundle"
    parser.add_argument("run", type=Path, metavar="RUN", help=words)
    add_out(parser, _ENDING, "the file to write", required=True)
    words = "write a network that reads one step and its states, for streams"
    parser.add_argument("--step", action="store_true", help=words)
    words = "best or last: which weights of the run (best)"
    parser.add_argument("--checkpoint", metavar="NAME", help=words)
    add_allow(parser)
    return parser


def export(run: "LoadedRun", path: Path, step: bool = False) -> float:
    """Writes a run's network as an ONNX file, for whole sequences or for single steps.

    An existing file is replaced only by a correct file.

    Returns:
        The largest difference between the file's outputs and the network's; see `check`.

    Raises:
        ValueError: the path or the network is not suitable, or the difference is too large.
        OSError: the file could not be written.
        ImportError: onnx or onnxruntime is missing.
    """
    check_output(path, _ENDING)
    content, difference = encode(run, str(path), step)
    write_bytes(path, content)
    return difference


def encode(run: "LoadedRun", where: str, step: bool = False) -> tuple[bytes, float]:
    """Returns the content of a run's ONNX file, and the largest difference as in `export`."""
    # These imports are late, because they need torch and optional packages.
    try:
        from seqsweep.extras.export import onnx_file
    except ImportError as error:
        needed = f"{where} needs the package {error.name}"
        raise ImportError(f"{needed}: pip install 'seqsweep[export]'") from error
    from seqsweep.extras.export.check import checked

    content = onnx_file.write(run, step)
    return content, checked(run, onnx_file.read(content), where)
