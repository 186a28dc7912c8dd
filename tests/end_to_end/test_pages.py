"""The examples of the docs on the first hour and large data run; those of users' code are short."""

import importlib
import json
import re
import shlex
import shutil
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
    (option,) = blocks(text, "yaml")
    shutil.copy(DOCS.parent / "scripts/example_mapped.py", ".")
    subprocess.run([sys.executable, "example_mapped.py"], check=True)
    Path("conf/data").mkdir(parents=True)
    Path("conf/data/mapped.yaml").write_text(option)
    (arguments,) = commands(text)

    trained = seqsweep(*arguments, PYTHONPATH="", PYTHONSAFEPATH="1")
    assert trained.code == 0, trained.err
    (record,) = records(tmp_path)
    assert record["metrics"]["test/acc"] > 0.9
    data: Any = importlib.import_module("example_mapped").Mapped(".")
    assert isinstance(data.splits.train.x, np.memmap) and len(data.splits.train) == 1_600
    # The checkpoint scales raw values as the DataModule does.
    (folder,) = tmp_path.glob("outputs/runs/*/*")
    run, rows = load_run(folder), range(100)
    batch = data.test_dataloader().collate_fn(list(rows))
    assert torch.equal(run.prepare(data.splits.test.x[rows]).x, batch.x)
    accuracy = run.evaluate(data.splits.test.x, data.splits.test.labels, resamples=0).metrics
    assert accuracy["accuracy"].value == pytest.approx(record["metrics"]["test/acc"])


def test_the_commands_of_the_first_hour_lead_to_a_file_that_predicts(seqsweep, tmp_path):
    text = section("data.md", "The first hour")
    assert len(text.splitlines()) < 40
    lines = re.findall(r"^\$ seqsweep (.*)$", text, re.MULTILINE)
    printed: list[str] = []
    for line in lines:
        done = seqsweep(*shlex.split(line))
        assert done.code == 0, done.err
        printed.append(done.out)
    assert lines[0] == "data example" and (tmp_path / "gestures.csv").is_file()
    assert printed[1].rstrip().endswith(f"seqsweep {lines[2]}")
    assert "majority class" in printed[2]
    assert (tmp_path / "outputs/sweeps/first/report.html").is_file()
    first, again = ((tmp_path / name).read_text() for name in ("predictions.csv", "again.csv"))
    assert first == again and len(first.splitlines()) == 51
