"""Wrong input to a command on runs or data gives one message and leaves no file."""

import re
import shutil
from typing import Any

import numpy as np
import pytest


@pytest.fixture
def files(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = trained.make_data(6, 3)
    x, y, lengths = data["X"], data["y"], data["lengths"]
    far = x.copy()
    far[1, 0, 1] = 1e300
    contents: dict[str, Any] = {
        "good.npz": {"X": x, "y": y, "lengths": lengths},
        "unlabelled.npz": {"X": x, "lengths": lengths},
        "turned.npz": {"X": x.swapaxes(1, 2), "y": y},
        "names.npz": {"X": x, "y": y, "channel_names": ["up", "down"]},
        "odd.npz": {"X": x, "y": ["fall", "rise", "stil", "fall", "rise", "still"]},
        "far.npz": {"X": far, "y": y},
        "regression.npz": {"X": x, "y": np.linspace(0, 1, 6)},
        "two.npz": {"X_train": x, "y_train": y, "X_val": x, "y_val": y},
    }
    for name, arrays in contents.items():
        np.savez(tmp_path / name, **arrays)
    content = bytearray((trained.run / "checkpoints" / "best.ckpt").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "damaged.ckpt").write_bytes(content)
    (tmp_path / "run").symlink_to(trained.run)
    (tmp_path / "sweep").symlink_to(trained.sweep)
    shutil.copytree(trained.run, tmp_path / "moved")
    moved = (tmp_path / "moved" / "config.yaml").read_text()
    (tmp_path / "moved" / "config.yaml").write_text(moved.replace("train.npz", "gone.npz"))
    (tmp_path / "moved" / "provenance.json").unlink()
    return tmp_path


CASES = [
    ("predict", "RUN is missing; usage: seqsweep predict"),
    ("predict rum good.npz", "rum: no such folder .*; did you mean 'run'"),
    ("predict good.npz run", "good.npz: is a file of sequences; expected a run's folder, a sweep"),
    ("predict run good.npz --checkpoint worst", "checkpoint='worst': must be best or last"),
    ("predict damaged.ckpt good.npz", "damaged.ckpt is damaged: its content does not"),
    ("predict damaged.ckpt good.npz --checkpoint last", "is a file, which holds one network"),
    ("predict run good.npz --out p.txt", r"--out=p.txt: unknown ending; expected .csv, .parquet"),
    ("predict run good.npz --format cvs", "--format=cvs: must be one of .*; did you mean 'csv'"),
    ("predict run good.npz --format parquet", "--format=parquet: needs a file; give --out"),
    ("predict run good.npz --split tset", "--split=tset: good.npz has only train"),
    ("predict run two.npz", "two.npz: has the splits train, val; choose one: --split train"),
    ("predict run good.npz extra", "extra: must be KEY=VALUE, an option to read good.npz"),
    ("predict run turned.npz", "has 9 channels, .* trained on 2: .*; it looks like channels first"),
    ("predict run names.npz", "names.npz: has other channels: up, down; .* left, right"),
    ("predict run far.npz", "far.npz: x: x is 1e.300 at sequence 1, step 0, channel 1"),
    ("predict run regression.npz", "regression.npz: sequence 1 has label .* a number to predict"),
    ("evaluate run unlabelled.npz", "has no labels; expected y"),
    ("evaluate run odd.npz", "odd.npz: sequence 2 has label 'stil'; .* knows only fall, rise"),
    ("evaluate run --split tset", "--split=tset: the run's data have only .*did you mean 'test'"),
    ("evaluate moved", "no file .*gone.npz"),
    ("bundle run --out out.tar", "--out=out.tar: must end with .zip"),
    ("export run --out mine", "--out=mine: must end with .onnx"),
    ("data info digit", "neither a file nor the name of bundled data; did you mean 'digits'"),
    ("data info good.npz standardize=false --json missing=men", "data.missing='men': must be"),
    ("explain run", "run: is a folder; expected overrides, as in: seqsweep explain data=digits"),
]


@pytest.mark.parametrize(("arguments", "message"), CASES, ids=[case[0] for case in CASES])
def test_wrong_use_gives_one_message_and_no_file(command, files, arguments, message):
    before = sorted(path.name for path in files.iterdir())
    done = command(*arguments.split())
    assert done.code == 2, done
    assert done.out == ""
    lines = done.err.strip().splitlines()
    assert len(lines) == 1, done.err
    assert lines[0].startswith("seqsweep: ")
    assert re.search(message, lines[0]), lines[0]
    assert sorted(path.name for path in files.iterdir()) == before
