"""The examples of the docs on the first hour, texts, large data and what is your own run."""

import importlib
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seqsweep import load_run

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parents[2] / "docs"
FENCED = re.MULTILINE | re.DOTALL


def section(page: str, title: str) -> str:
    """The text of a page below a heading, up to the next heading of its level."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return text.partition(f"\n## {title}\n")[2].split("\n## ")[0]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, FENCED)


def commands(text: str) -> list[list[str]]:
    lines = re.findall(r"^\$ seqsweep (.*)$", "".join(blocks(text, "console")), re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in folder.rglob("record.json")]


@pytest.mark.durability
def test_the_example_of_data_larger_than_memory_trains(seqsweep, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    text = section("data.md", "Data larger than memory")
    make, module = blocks(text, "python")
    exec(compile(make, "data.md", "exec"), {})
    (option,) = blocks(text, "yaml")
    Path("big.py").write_text(module)
    Path("conf/data").mkdir(parents=True)
    Path("conf/data/mapped.yaml").write_text(option)
    (arguments,) = commands(text)

    trained = seqsweep(*arguments, PYTHONPATH="", PYTHONSAFEPATH="1")
    assert trained.code == 0, trained.err
    (record,) = records(tmp_path)
    assert record["metrics"]["test/acc"] > 0.9
    data: Any = importlib.import_module("big").Mapped(".")
    assert isinstance(data.splits.train.x, np.memmap) and len(data.splits.train) == 1_600
    # The checkpoint scales raw values as the DataModule does.
    (folder,) = tmp_path.glob("outputs/runs/*/*")
    run, rows = load_run(folder), range(100)
    batch = data.test_dataloader().collate_fn(list(rows))
    assert torch.equal(run.prepare(data.splits.test.x[rows]).x, batch.x)
    accuracy = run.evaluate(data.splits.test.x, data.splits.test.labels, resamples=0).metrics
    assert accuracy["accuracy"].value == pytest.approx(record["metrics"]["test/acc"])


@pytest.mark.durability
def test_the_example_of_texts_trains_and_reads(seqsweep, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = section("data.md", "text: characters and words")
    (make,) = blocks(text, "python")
    exec(compile(make, "data.md", "exec"), {})
    single, predict = commands(text)

    trained = seqsweep(*single)
    assert trained.code == 0, trained.err
    assert "model.embedding_dim: autograd trains 1 run, one at a time" in trained.out + trained.err
    (record,) = records(tmp_path)
    assert record["metrics"]["test/acc"] > 0.95
    assert f"outputs/runs/default/{record['run_id']}  (" in text
    run = load_run(tmp_path / "outputs" / "runs" / "default" / record["run_id"])
    x, lengths = run.prepare(["The film was not weak, and really lovely.", "It was really awful."])
    with torch.inference_mode():
        best = run.network(x, lengths).argmax(dim=1)
    assert [run.class_names[index] for index in best] == ["good", "bad"]

    (tmp_path / "new.csv").write_text("text\nThe film Oslo was really weak.\n")
    predicted = seqsweep(*predict)
    assert predicted.code == 0, predicted.err
    assert predicted.out.startswith("id,prediction,p_bad,p_good\n0,bad,0.99")


@pytest.mark.durability
def test_the_module_of_the_page_is_swept_and_loaded(seqsweep, tmp_path, monkeypatch):
    text = (DOCS / "your-module.md").read_text(encoding="utf-8")
    for name, content in re.findall(r"^<!-- file: (\S+) -->\n```\w+\n(.*?)^```$", text, FENCED):
        assert name.endswith(".py") or content.count("\n") <= 6
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert "seqsweep" not in (tmp_path / "mine.py").read_text()
    (sweep,) = [arguments for arguments in commands(text) if "-m" in arguments]
    done = seqsweep(*sweep, PYTHONPATH="", PYTHONSAFEPATH="1")
    assert done.code == 0, done.err
    runs = records(tmp_path / "outputs" / "sweeps" / "sines")
    assert len(runs) == 12 and max(run["metrics"]["test/acc"] for run in runs) > 0.9
    assert next(iter(runs[0]["directions"])) == "val/acc"
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(blocks(text, "python")[1], "your-module.md", "exec"), names)
    assert type(names["module"]).__name__ == "SinesModule" and not names["module"].training


def test_the_commands_of_the_first_hour_lead_to_a_file_that_predicts(seqsweep, tmp_path):
    text = section("data.md", "The first hour")
    assert len(text.splitlines()) < 40
    script = re.search(r"`python (scripts/\S+\.py)`", text)
    assert script is not None
    subprocess.run([sys.executable, DOCS.parent / script[1]], cwd=tmp_path, check=True)
    lines = re.findall(r"^\$ seqsweep (.*)$", text, re.MULTILINE)
    printed: list[str] = []
    for line in lines:
        done = seqsweep(*shlex.split(line))
        assert done.code == 0, done.err
        printed.append(done.out)
    assert printed[0].rstrip().endswith(f"seqsweep {lines[1]}")
    assert "majority class" in printed[1]
    assert (tmp_path / "outputs/sweeps/first/report.html").is_file()
    first, again = ((tmp_path / name).read_text() for name in ("predictions.csv", "again.csv"))
    assert first == again and len(first.splitlines()) == 51


@pytest.mark.durability
def test_the_example_of_a_cell_of_your_own_trains_beside_ours_and_anew_after_an_edit(
    seqsweep, tmp_path
):
    text = section("models.md", "A cell of your own")
    (module,), (option,) = blocks(text, "python"), blocks(text, "yaml")
    assert len([line for line in module.splitlines() if line]) <= 25
    source = tmp_path / "mine.py"
    source.write_text(module)
    (tmp_path / "conf/model").mkdir(parents=True)
    (tmp_path / "conf/model/leaky.yaml").write_text(option)
    (arguments,) = commands(text)
    first = seqsweep(*arguments)
    assert first.code == 0, first.err
    assert "3 of 3 runs complete" in first.out
    again = seqsweep(*arguments)
    assert "3 done, 0 to train" in again.out
    source.write_text(module.replace("x.tanh()", "x.sigmoid()"))
    edited = seqsweep(*arguments)
    assert "the code has changed" in edited.err and "mine.py" in edited.err
    assert len(records(tmp_path / "outputs" / "sweeps")) == 4
