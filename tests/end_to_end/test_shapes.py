"""Every form of a sweep trains only what is new, and its quoted forms survive a shell."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

FIXED = ("data=random", "trainer.max_epochs=1", "diagnostics=false", "logger=csv")
SIZES, RATES = "model.hidden_size=2,3,4", "optimizer.lr=0.1,0.01,0.001"
ZIP = "sweep.zip=[model.hidden_size,optimizer.lr]"


def _counts(out: str) -> tuple[str, int, int, int]:
    """Returns the folder, and how many runs the sweep has, are done, and are to train."""
    line = re.search(r"sweep of (\d+) runs? in (\S+): (\d+) done, (\d+) to train", out)
    assert line, out
    return line[2], int(line[1]), int(line[3]), int(line[4])


@pytest.mark.durability
def test_every_form_extends_the_same_folder_and_trains_only_what_is_new(seqsweep, tmp_path):
    """The forms sweep the same keys, so they ask one question, in one folder."""
    csv, yaml = tmp_path / "m.csv", tmp_path / "m.yaml"
    csv.write_text("model.hidden_size,optimizer.lr\n2,0.001\n7,0.1\n")
    yaml.write_text("- {model.hidden_size: 7, optimizer.lr: 0.1}\n")
    filtered = (SIZES, RATES, 'sweep.filter="model.hidden_size * optimizer.lr <= 0.03"')
    steps = [
        (("model.hidden_size=2,3", "optimizer.lr=0.1,0.01", ZIP), (2, 0, 2)),
        ((SIZES, RATES, ZIP), (3, 2, 1)),
        (filtered, (5, 2, 3)),
        ((*filtered[:2], 'sweep.filter="model.hidden_size * optimizer.lr <= 0.04"'), (6, 5, 1)),
        (("sweep.list=m.csv",), (2, 1, 1)),
        (("sweep.list=m.yaml",), (1, 1, 0)),
        (("sweep.list=[{model.hidden_size:7,optimizer.lr:0.1}]", "seed=0,1"), (2, 1, 1)),
        ((SIZES, RATES), (9, 7, 2)),
        ((SIZES, RATES, "sweep.sample=4"), (4, 4, 0)),
    ]
    trained: dict[Path, int] = {}
    folders = set[str]()
    for words, expected in steps:
        result = seqsweep("train", "-m", *FIXED, *words)
        assert result.code == 0, result.err
        folder, *counts = _counts(result.out)
        assert tuple(counts) == expected, words
        folders.add(folder)
        now = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("record.json")}
        assert len(now) == len(trained) + expected[2]
        assert {path: now[path] for path in trained} == trained
        trained = now
    assert len(folders) == 1
    assert re.fullmatch(r"outputs/sweeps/random-hidden_size-lr-[0-9a-f]{6}", folders.pop())


def test_data_files_and_groups_are_swept(seqsweep, tmp_path):
    rows = "".join(f"{k},{s},{k % 2 * s}.5,{k % 2}\n" for k in range(40) for s in (1, 2))
    for number, name in enumerate(("one", "two", "three")):
        text = "id,step,x,label\n" + rows.replace(".5", f".{number}")
        (tmp_path / f"{name}.csv").write_text(text)
    words = ("data=csv", "data.batch_size=8", *FIXED[1:])
    files = seqsweep("train", "-m", *words, "data.source.path=glob(*.csv,exclude=[one*])")
    assert _counts(files.out)[1:] == (2, 0, 2), files.err
    groups = seqsweep("plan", *FIXED[1:], "data=digits,temporal_order")
    assert _counts(groups.out)[1:] == (2, 0, 2), groups.err


def test_the_shape_in_a_file_is_that_of_the_command_line(seqsweep, tmp_path):
    """A mistake in the file is reported with its line."""
    file = tmp_path / "conf/sweep/mine.yaml"
    file.parent.mkdir(parents=True)
    text = (
        "# @package _global_\nsweep:\n  zip: [model.hidden_size, optimizer.lr]\n"
        "  filter: >\n    model.hidden_size < 4\n    and model.cell != 'rnn'\n  sample: 3\n"
        "hydra:\n  sweeper:\n    params:\n      model.hidden_size: 2,3,4\n"
        "      optimizer.lr: 0.1,0.01,0.001\n      model.cell: rnn,gru,lstm\n"
    )
    file.write_text(text)
    given = ("--config-dir", "conf", "sweep=mine", *FIXED)
    plan = seqsweep("plan", *given)
    assert plan.code == 0, plan.err
    assert "grid of 9 runs: 3 hidden_size with lr x 3 cell" in plan.out
    assert _counts(plan.out)[1] == 3
    single = seqsweep("train", *given)
    assert single.err.startswith("seqsweep: sweep=mine: is a sweep; add -m: ")
    file.write_text(text.replace("!= 'rnn'", "> 3"))
    wrong = seqsweep("plan", *given)
    assert wrong.code == 2
    assert "'>' not supported between instances of 'str' and 'int' (in " in wrong.err
    assert "conf/sweep/mine.yaml:4)" in wrong.err


def test_a_large_sweep_is_trained_only_with_yes(seqsweep, tmp_path):
    words = (*FIXED, "optimizer.lr=0.01,1e-2,0.02", "sweep.ask_above=1")
    planned = seqsweep("plan", *words).out
    assert "more than sweep.ask_above=1: train -m asks first" in planned
    assert "2 to train (1 given twice)" in planned
    refused = seqsweep("train", "-m", *words)
    assert refused.code == 2
    message = "2 runs to train are more than sweep.ask_above=1: add --yes to train them"
    assert refused.err == f"seqsweep: {message}\n"
    assert not (tmp_path / "outputs").exists()
    assert seqsweep("train", "-m", *words, "--plan-only").code == 0
    assert seqsweep("train", "-m", "--yes", *words).code == 0
