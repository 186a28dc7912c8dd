"""`seqsweep data` prints what is in a data set, and the command that trains on it."""

import os
import shlex
from typing import Any

import numpy as np
import pytest

from seqsweep.config.from_overrides import compose
from seqsweep.training.planned_run import plan
from seqsweep.training.run_data import data_of

X = np.random.default_rng(0).normal(size=(60, 7, 2)).astype(np.float32)
Y = np.arange(60) % 3


@pytest.fixture
def run(command, tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", X=X, y=Y)
    monkeypatch.setenv("COLUMNS", "80")
    return lambda *arguments: command("data", *arguments)


def overrides_in(command: str) -> list[str]:
    """Returns the overrides of a printed command, without the quotes of the shell."""
    words = shlex.split(command)
    assert words[:2] == ["seqsweep", "train"]
    return words[2:]


@pytest.mark.parametrize(
    "source", ["a.npz", "digits", pytest.param("aeon:GunPoint", marks=pytest.mark.durability)]
)
def test_info_fits_80_columns_and_ends_with_a_command_that_reads_the_data(source, run):
    code, out, err = run("info", source)
    lines = out.rstrip().splitlines()
    assert (code, err) == (0, "")
    assert max(map(len, lines)) <= 80
    config = compose(overrides_in(lines[-1]))
    assert plan(config).data_fingerprint == data_of(config["data"]).fingerprint
    assert lines[0].startswith(f"{source}: ")


NEEDS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing": ({"X": X, "y": Y}, []),
    "missing values": ({"X": np.where(X < 2, X, np.nan), "y": Y}, ["data.missing=mean"]),
    "no value": ({"X": np.where([True, False], X, np.nan), "y": Y}, ["data.missing=zero"]),
    "no room for both cuts": ({"X": X[:5], "y": [0, 1, 2, 3, 0]}, ["data.val_fraction=0"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("need", NEEDS)
def test_the_command_has_the_options_that_the_data_need(need, run, tmp_path):
    arrays, expected = NEEDS[need]
    np.savez(tmp_path / "need.npz", **arrays)
    code, out, _ = run("info", "need.npz")
    *_, command = out.rstrip().splitlines()
    overrides = overrides_in(command)
    assert code == 0
    assert overrides == ["data=npz", "data.source.path=need.npz", *expected]
    plan(compose(overrides))


FILES = {
    "names.txt": "".join(f"{'de' if i % 2 else 'en'}\tName {i}\n" for i in range(20)),
    "reviews.csv": "text,label\n" + "".join(f"It is {i},{i % 2}\n" for i in range(20)),
    "walks.tsv": "id\tx\tlabel\n" + "".join(f"{i // 3}\t{i}.5\t{i // 3 % 2}\n" for i in range(60)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_texts_and_tables_of_each_ending_are_described(name, run, tmp_path):
    (tmp_path / name).write_text(FILES[name])
    code, out, err = run("info", name)
    assert (code, err) == (0, "")
    assert out.startswith(f"{name}: 20 sequences, 1 channel, 2 classes\n")
    overrides = overrides_in(out.rstrip().splitlines()[-1])
    assert overrides[0] == ("data=csv" if name == "walks.tsv" else "data=text")
    plan(compose(overrides))


@pytest.mark.slow
def test_repeats_and_notes_are_said(run, tmp_path):
    x, y = X.copy(), Y.copy()
    y[:2] = 7, 8
    x[10] = x[11]
    x[:, :, 1] = 0
    names = ["[b]", "\x1b[2J"]
    np.savez(tmp_path / "b.npz", X=x, y=y, more=y, channel_names=names)
    _, out, _ = run("info", "b.npz")
    assert "[b]" in out and "\x1b" not in out  # a name neither styles nor moves the cursor
    assert "duplicates: 1 within train" in out
    assert "equal values with different labels: 2 sequences" in out
    assert out.count("constant in train") == 1
    assert "keys not used: more" in out
    x[:, :, 1] = X[:, :, 1] * 1e-30
    far = x[:6].copy()
    far[0, 0, 1] = 1e30
    np.savez(tmp_path / "far.npz", X_train=x, y_train=Y, X_test=far, y_test=Y[:6])
    _, out, _ = run("info", "far.npz")
    assert "no run can train on these data: test: channel 'channel_1' is too far" in out
    assert "seqsweep train" not in out


@pytest.mark.parametrize("name", ["a,b=c.npz", 'it\'s "1".npz', "1e5.npz"])
def test_any_path_can_be_named(name, run, tmp_path):
    os.rename(tmp_path / "a.npz", tmp_path / name)
    code, out, _ = run("info", name)
    overrides = overrides_in(out.rstrip().splitlines()[-1])
    assert code == 0
    assert compose(overrides)["data"]["source"]["path"] == name
