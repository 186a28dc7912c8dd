"""The command `bundle`: writes a trained run as one file to pass on."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from seqsweep.arguments import Parser, add_allow
from seqsweep.console import place, say, say_error
from seqsweep.runs.files import read_object
from seqsweep.runs.provenance import version
from seqsweep.runs.run_folder import RunFolder
from seqsweep.using.bundle_file import (
    ONNX,
    PROVENANCE,
    README,
    encode,
    is_bundle,
    write_bundle,
)
from seqsweep.using.bundle_readme import readme
from seqsweep.using.find_run import replicates_of
from seqsweep.using.input_data import open_run
from seqsweep.using.load import LoadedRun, read_content
from seqsweep.using.prediction_files import check_output

_OF_RECORD = (
    *("run_id", "status", "metrics", "best_epoch", "epochs", "confusion", "splits"),
    "data_fingerprint",
)


def bundle(
    arguments: Sequence[str], encode_onnx: Callable[[LoadedRun, str], tuple[bytes, float]]
) -> int:
    """Writes a run into a zip file. Returns the exit code.

    Args:
        encode_onnx: returns the ONNX file of a run and its error, as a number.
    """
    options = _parser().parse(arguments)
    check_output(options.out)
    if options.out.suffix.lower() != ".zip":
        raise ValueError(f"{options.out}: must end with .zip")
    if options.run.is_file() and is_bundle(options.run):
        raise ValueError(f"{options.run}: is a bundle already; copy it")
    run, choice = open_run(options)
    _, content = read_content(run.checkpoint)
    record = None if run.folder is None else RunFolder(run.folder).record()
    replicates = None if run.folder is None else replicates_of(run.folder)
    onnx = dict[str, bytes]()
    try:
        onnx = {ONNX: encode_onnx(run, ONNX)[0]}
    except (ImportError, ValueError, TypeError) as error:
        say_error(f"without {ONNX}: {error}")
    text = readme(run, record, replicates, choice).encode()
    files = encode(content) | {README: text, PROVENANCE: _provenance(run, record)} | onnx
    write_bundle(options.out, files)
    say(f"{place(options.out)}: {', '.join(files)} ({options.out.stat().st_size:,} bytes)")
    return 0


def _parser() -> Parser:
    text = "Writes one file to pass on: weights, config, class names, scaling, ONNX."
    parser = Parser("bundle", text)
    words = "a run's folder, a sweep's (its best run by validation), or a checkpoint"
    parser.add_argument("run", type=Path, metavar="RUN", help=words)
    parser.add_argument("out", type=Path, metavar="OUT.zip", help="the file to write")
    words = "best or last: which weights of the run (best)"
    parser.add_argument("--checkpoint", metavar="NAME", help=words)
    add_allow(parser)
    return parser


def _provenance(run: LoadedRun, record: dict[str, Any] | None) -> bytes:
    """Returns the origin of the weights as JSON, without paths of this machine."""
    folder = run.folder
    training = {} if folder is None else read_object(folder / "provenance.json")
    files = training.pop("data_files", {})
    content = {
        "bundled_by": f"seqsweep {version()}",
        "epoch": run.epoch,
        "data_files": {key: Path(str(path)).name for key, path in files.items()},
        "training": training,
        "record": {key: value for key, value in (record or {}).items() if key in _OF_RECORD},
    }
    return (json.dumps(content, indent=1) + "\n").encode()
