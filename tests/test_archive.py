"""The archive script trains every set that can be read, once, and ranks it by published results."""

import csv
import importlib
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from made_sweeps import sweep_of

SCRIPT = Path(__file__).parents[1] / "scripts" / "archive.py"
TOY = ("model.hidden_size=3,4", "model.num_layers=1", "model.bidirectional=false",
       "trainer.max_epochs=2", "sweep.report=false", "diagnostics=false")  # fmt: skip


@pytest.fixture(name="archive")
def _script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(SCRIPT.parent)
    return importlib.import_module("archive")


def write_set(folder: Path, name: str, train: int, seed: int) -> None:
    """Writes a set of two classes that differ in their mean."""
    source = random.Random(seed)
    (folder / name).mkdir(parents=True)
    for part, cases in (("TRAIN", train), ("TEST", 12)):
        lines = [f"@problemName {name}", "@univariate true", "@classLabel true a b", "@data"]
        for case in range(cases):
            values = [f"{source.gauss(case % 2, 1):.3f}" for _ in range(5)]
            lines.append(f"{','.join(values)}:{'ab'[case % 2]}")
        (folder / name / f"{name}_{part}.ts").write_text("\n".join(lines) + "\n")


@pytest.fixture(name="sets")
def _sets(tmp_path: Path) -> Path:
    """Two sets, one of them smaller than a batch, and one that is damaged."""
    folder = tmp_path / "mine"
    write_set(folder, "Large", 60, 1)
    write_set(folder, "Small", 20, 2)
    write_set(folder, "Torn", 20, 3)
    torn = folder / "Torn" / "Torn_TRAIN.ts"
    torn.write_text(torn.read_text().replace(":b", ":c", 1))
    return folder


def published(folder: Path, text: str) -> Path:
    path = folder / "published.csv"
    path.write_text(text)
    return path


def command(folder: Path, sets: Path, *more: str) -> list[str]:
    output = f"output_dir={folder}/outputs"
    return [sys.executable, str(SCRIPT), str(sets), "--seeds", "2", *more, *TOY, output]


def records(folder: Path) -> dict[str, int]:
    """The time of each record in nanoseconds, by run_id."""
    paths = (folder / "outputs/sweeps/mine").glob("*/record.json")
    return {path.parent.name: path.stat().st_mtime_ns for path in paths}


@pytest.mark.durability
def test_a_killed_archive_resumes_repeats_nothing_and_ends_the_same(
    tmp_path: Path, sets: Path, archive: Any, capsys: pytest.CaptureFixture[str]
):
    file = published(tmp_path, "dataset,Lo,Hi\nLarge,0.1,1\nSmal,0.5,0.5\n")
    long = "trainer.max_epochs=300"  # the second set trains when the first one has its records
    killed = [*command(tmp_path / "killed", sets, "--published", str(file)), long]
    process = subprocess.Popen(killed, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not records(tmp_path / "killed") and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = records(tmp_path / "killed")
    assert 0 < len(before) < 8
    whole = [*command(tmp_path / "whole", sets, "--published", str(file)), long]
    # The damaged set is named, costs the exit code, and stops no other.
    for _, _, *arguments in (killed, whole):
        assert archive.main(arguments) == 1
        printed = capsys.readouterr()
        assert "Torn: left out: " in printed.err and "Torn_TRAIN.ts:6: " in printed.err
        assert "Small: no published results; did you mean 'Smal'?" in printed.err
        assert "left out of the ranks: Small (2 methods have no score on it)" in printed.out
    after = records(tmp_path / "killed")
    assert len(after) == 2 * 2 * 2
    assert {run: after[run] for run in before} == before
    folders = [tmp_path / name / "outputs/sweeps/mine" for name in ("killed", "whole")]
    for name in ("archive.csv", "archive.md"):
        first, second = ((folder / name).read_bytes() for folder in folders)
        assert first == second
    rows = list(csv.DictReader((folders[0] / "archive.csv").read_text().splitlines()))
    methods = [(row["dataset"], row["method"]) for row in rows]
    assert methods == [("Large", name) for name in ("seqsweep", "Lo", "Hi")] + [
        ("Small", "seqsweep")
    ]
    assert [row["test/acc"] for row in rows[1:3]] == ["0.1", "1.0"]
    assert {row["runs"] for row in rows if row["config"]} == {"2"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,HC2\nGunPoint,1\n", r":1: expected the columns dataset and one for each method"),
        ("dataset,HC2\nGunPoint,97.5\n", r":2: HC2=97.5: must be between 0 and 1"),
        ("dataset,HC2\nGunPoint,1\nGunPoint,1\n", r":3: GunPoint: is there twice"),
        ("dataset,seqsweep\nGunPoint,1\n", r":1: seqsweep: this column is added by the script"),
    ],
)
def test_a_file_that_is_not_of_published_accuracies_is_refused(
    text: str, message: str, tmp_path: Path, archive: Any
):
    with pytest.raises(ValueError, match=message):
        archive.read_published(published(tmp_path, text))


def test_validation_chooses_the_config_and_the_test_split_reports_it(tmp_path: Path, archive: Any):
    scores = {3: (0.9, 0.5), 4: (0.6, 0.8)}
    sweep_of(
        tmp_path, {"data.source.name": ["Large"], "h": scores}, 2,
        lambda c: {"val/acc": scores[c["h"]][0], "test/acc": scores[c["h"]][1] + 0.02 * c["seed"]},
        recordings="large",
    )  # fmt: skip
    texts = archive.results(tmp_path, ["Large", "Small"], None, {"Large": {"A": 0.4}})
    assert texts["archive.csv"].splitlines()[1:] == [
        "Large,seqsweep,h=3,val/acc,0.9,2,0.51,0.014142135623730963",
        "Large,A,,,,,0.4,",
    ]
    assert texts["archive.md"].startswith("| data set | seqsweep | A |\n")
    # With a key, validation chooses for each of its values.
    by_size = archive.results(tmp_path, ["Large"], "h", {})
    rows = [row.split(",")[1:3] for row in by_size["archive.csv"].splitlines()[1:]]
    assert rows == [["3", ""], ["4", ""], ["seqsweep", "h=3"]]
    assert by_size["archive.md"].startswith("| data set | 3 | 4 |\n")


def test_the_steps_and_epochs_of_each_set_follow_from_its_size(sets: Path, archive: Any):
    shared = ["data=aeon", f"data.source.folder={sets}", "data.batch_size=20"]
    assert archive.fitting("Large", shared, steps=2, updates=10) == {
        "data.source.name": "Large",
        "data.transform.frame": 3,  # 5 steps in 2 frames
        "trainer.max_epochs": 4,  # of 48 sequences in 3 batches
    }


def test_the_page_has_the_numbers_of_its_csv_rounded_once():
    docs = SCRIPT.parents[1] / "docs"
    with (docs / "cells.csv").open(newline="") as file:
        scores = {(r["dataset"], r["method"]): float(r["test/acc"]) for r in csv.DictReader(file)}
    header, _, *rows = re.findall(r"^\| .*(?=\|$)", (docs / "cells.md").read_text(), re.MULTILINE)
    cells = [cell.strip() for cell in header.split("|")[2:]]
    sets = dict.fromkeys(name for name, _ in scores)
    for row in rows[: len(sets)]:
        name, *values = (cell.strip() for cell in row.split("|")[1:])
        for cell, value in zip(cells, values, strict=True):
            assert f"{scores[name, cell]:.3f}".removeprefix("0") == value, (name, cell)
