"""The command `bundle`: writes a trained run as one file."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from seqsweep.arguments import Parser, add_allow, add_out
from seqsweep.console import place, say, say_error
from seqsweep.results.formatting import key_names, run_label
from seqsweep.runs.files import read_object
from seqsweep.runs.identity import FlatConfig, flatten, targets
from seqsweep.runs.provenance import version
from seqsweep.runs.record import NO_RECORD, Record
from seqsweep.runs.run_folder import RunFolder
from seqsweep.text import count, plain_text, visible
from seqsweep.using.bundle_file import ONNX, PROVENANCE, README, encode, is_bundle, write_bundle
from seqsweep.using.input_data import open_run
from seqsweep.using.load import LoadedRun, read_content

_OF_RECORD = (
    *("run_id", "status", "metrics", "best_epoch", "epochs", "confusion", "splits"),
    "data_fingerprint",
)
"""The keys of record.json that a bundle holds."""


def bundle(
    arguments: Sequence[str], encode_onnx: Callable[[LoadedRun, str], tuple[bytes, float]]
) -> int:
    """Runs the command `bundle`: writes a run into a zip file. Returns the exit code.

    Args:
        encode_onnx: maps a run and a file name to the ONNX file's content and its largest error.

    Raises:
        ValueError, TypeError, OSError: an argument or the run is refused.
    """
    options = _parser().parse(arguments)
    if options.run.is_file() and is_bundle(options.run):
        raise ValueError(f"{options.run}: is a bundle already; copy it")
    run, choice = open_run(options)
    _, content = read_content(run.checkpoint)
    record = (run.folder and RunFolder(run.folder).record()) or NO_RECORD
    # ONNX may not support a user's own network; the bundle is useful without the ONNX file.
    onnx = dict[str, bytes]()
    try:
        onnx = {ONNX: encode_onnx(run, ONNX)[0]}
    except (ImportError, ValueError, TypeError) as error:
        say_error(f"without {ONNX}: {error}")
    text = readme(run, record, choice).encode()
    files = encode(content) | {README: text, PROVENANCE: _provenance(run, record)} | onnx
    write_bundle(options.out, files)
    say(f"{place(options.out)}: {', '.join(files)} ({options.out.stat().st_size:,} bytes)")
    return 0


def _parser() -> Parser:
    text = "Writes one file to pass on: weights, config, class names, scaling, ONNX."
    parser = Parser("bundle", text)
    words = "a run's folder, a sweep's (its best run by validation), or a checkpoint"
    parser.add_argument("run", type=Path, metavar="RUN", help=words)
    add_out(parser, ".zip", "the file to write", required=True)
    words = "best or last: which weights of the run (best)"
    parser.add_argument("--checkpoint", metavar="NAME", help=words)
    add_allow(parser)
    return parser


def _provenance(run: LoadedRun, record: Record) -> bytes:
    """Returns the origin of the weights as JSON, without local paths."""
    folder = run.folder
    training = {} if folder is None else read_object(folder / "provenance.json")
    # A bundle is for other people, so it must not name folders of this machine.
    files = training.pop("data_files", {})
    content = {
        "bundled_by": f"seqsweep {version()}",
        "epoch": run.epoch,
        "data_files": {key: Path(str(path)).name for key, path in files.items()},
        "training": training,
        "record": {key: value for key, value in record.content.items() if key in _OF_RECORD},
    }
    return (json.dumps(content, indent=1) + "\n").encode()


_SETTINGS = (
    *("optimizer._target_", "optimizer.lr", "data.batch_size", "trainer.max_epochs"),
    *("data.split_seed", "data.standardize", "data.missing", "seed"),
)
_PATHS = ("path", "test_path", "labels")


def readme(run: LoadedRun, record: Record, choice: str | None) -> str:
    """Returns the README, which describes a bundle and how to use it.

    Args:
        record: the record of the run; empty if only its checkpoint exists.
        choice: how the run was chosen from a sweep; None if there was no choice.
    """
    config = dict(flatten(run.config))
    parameters = sum(weights.numel() for weights in run.network.parameters())
    settings = run_label(config, key_names([key for key in _SETTINGS if key in config]))
    sizes = [f"{part.get('sequences', 0):,} {name}" for name, part in record.splits.items()]
    facts = {
        "network": f"{config['model._target_']}, {parameters:,} parameters",
        "classes": ", ".join(map(_literal, run.class_names)),
        "channels": ", ".join(map(_literal, run.source_channels)),
        "symbols": run.vocabulary and f"{len(run.vocabulary)} {run.vocabulary.tokens}",
        "data": " ".join(_data(config)),
        "sequences": ", ".join(sizes),
        "settings": f"{settings}; all: config.json",
        "choice": choice,
        "weights": f"of epoch {run.epoch}, counted from 0",
    }
    # The record's metrics belong to the best epoch, so other epochs show none.
    if record.best_epoch == run.epoch:
        metrics = record.metrics.items()
        facts |= {n: f"{value:.4f}" for n, value in metrics if n.startswith(("val/", "test/"))}
    lines = [f"{name}: {value}" for name, value in facts.items() if value]
    # Names come from files, so they must not start a new line or control a terminal.
    lines = [visible(" ".join(line.splitlines())) for line in lines]
    return "\n".join([*lines, "", *_use(run)]) + "\n"


def _literal(name: str) -> str:
    """Escapes a name, so that Markdown and HTML show it unchanged."""
    return re.sub(r"([\\`*<>\[\]&~|])", r"\\\1", name)


def _data(config: FlatConfig) -> Iterator[str]:
    """Yields the source of the data, then its options."""
    yield str(config.get("data.source._target_", config.get("data._target_")))
    for key, value in config.items():
        name = key.removeprefix("data.source.")
        if name not in (key, "_target_") and value is not None:
            # The full path on the training machine would mean nothing on another machine.
            text = Path(str(value)).name if name in _PATHS else plain_text(value)
            yield f"{name}={_literal(text)}"


def _use(run: LoadedRun) -> list[str]:
    """Returns the lines that show how to use the bundle."""
    names = [str(name) for _, name in targets(run.config["model"])]
    foreign = [name for name in names if not name.startswith("seqsweep.")]
    allow = f", allow={json.dumps(foreign)}" if foreign else ""
    load = f'seqsweep.load_run("bundle.zip"{allow})'
    if run.is_module:
        return ["Use it in Python, where its code can be imported:", "", f"    {load}.module"]
    option = "".join(f" --allow {name}" for name in foreign)
    x = f"a list of arrays (steps, {count(len(run.source_channels), 'channel')})"
    if run.transform.window is not None:
        x = f"{x}, windows of {run.transform.window} steps; the commands cut files by themselves"
    new, x = ("npz", x) if run.vocabulary is None else ("csv", "a list of texts")
    return [
        "Use it with the package seqsweep. Data are given raw:",
        "",
        f"    seqsweep predict bundle.zip new.{new} --out predictions.csv{option}",
        f"    seqsweep evaluate bundle.zip labelled.{new}{option}",
        "",
        f"    run = {load}",
        f"    run.predict(x), run.predict_proba(x)  # x: {x}",
    ]
