"""The commands `status` and `clean` on folders of sweeps."""

import json
import os
from pathlib import Path

import pytest
from made_sweeps import finish_run, start_run
from rich.console import Console

from seqsweep.results.status import folders_below, print_status
from seqsweep.runs.sweepfile import SweepFile


def make(root: Path, name: str, size: int, state: str = "complete") -> None:
    run = {"seed": 0, "model.hidden_size": size}
    if state == "complete":
        finish_run(root / name, run, 0.5)
    else:
        start_run(root / name, run).fail(ValueError("no"))
    (root / name / "checkpoints/last.ckpt").write_bytes(b"0" * 8192)


@pytest.fixture
def outputs(tmp_path) -> Path:
    """Two sweeps, the first of which changed last, and single runs."""
    for sweep, state in (("one", "complete"), ("two", "failed")):
        for size in (4, 8):
            make(tmp_path / "outputs/sweeps" / sweep, f"{sweep}{size}", size, state)
    make(tmp_path / "outputs/runs/default", "single", 4)
    for number, folder in enumerate(("runs/default", "sweeps/two", "sweeps/one")):
        os.utime(tmp_path / "outputs" / folder, (number, number))
    return tmp_path / "outputs"


def test_every_folder_of_runs_is_listed_the_newest_last(outputs, output_of):
    code, text = output_of("status", "outputs")
    rows = [line.split() for line in text.splitlines() if line.startswith(" outputs")]
    assert code == 0
    assert [row[:3] for row in rows] == [
        ["outputs/runs/default", "1", "1"],
        ["outputs/sweeps/two", "2", "2"],
        ["outputs/sweeps/one", "2", "2"],
    ]
    assert "complete   failed" in text
    assert "3 folders, 5 runs, " in text
    assert folders_below(outputs / "sweeps") == [outputs / "sweeps/two", outputs / "sweeps/one"]
    assert "2 folders, 4 runs, " in output_of("status", "outputs/sweeps")[1]
    assert folders_below(outputs / "sweeps/one") == folders_below(outputs / "nothing") == []
    assert folders_below(outputs / "sweeps/one/one4") == []


@pytest.mark.parametrize("verb", ["leaderboard", "tensorboard", "clean"])
def test_a_command_on_a_folder_of_sweeps_names_them(outputs, output_of, verb):
    code, text = output_of(verb, "outputs")
    assert code == 2
    assert "there are runs in its folders runs/default, sweeps/one, sweeps/two" in text
    assert "no runs in it" in text


def test_clean_deletes_nothing_without_yes(outputs, output_of):
    before = sorted(outputs.rglob("*"))
    for choice in ((), ("--failed",), ("--checkpoints",), ("model.hidden_size=4",)):
        for sweep in ("one", "two"):
            code, text = output_of("clean", f"outputs/sweeps/{sweep}", *choice)
            assert code == 0
            assert "deleted" not in text.replace("nothing is deleted without --yes", "")
    assert sorted(outputs.rglob("*")) == before
    code, text = output_of("clean", "outputs/sweeps/two", "--failed")
    assert "two4  failed" in text and "hidden_size=8" in text
    assert "2 runs, " in text and "nothing is deleted without --yes" in text


def test_a_deleted_run_of_a_sweep_counts_as_not_started_and_leaves_the_report(outputs, output_of):
    folder = outputs / "sweeps/one"
    base = {"monitor": "val/acc", "seed": 0}
    configs = {f"one{size}": base | {"model.hidden_size": size} for size in (4, 8)}
    SweepFile(["seqsweep"], 0.0, configs, ended=1.0).write(folder)
    assert output_of("report", str(folder))[0] == 0
    code, text = output_of("clean", "outputs/sweeps/one", "--yes", "model.hidden_size=4")
    assert code == 0
    assert text.splitlines()[-1].startswith("deleted: 1 run, ")
    assert "1 run of the sweep has not started" in output_of("status", "outputs/sweeps/one")[1]
    assert "1 of 2 runs not complete (1 not started)" in output_of("leaderboard", str(folder))[1]
    report = json.loads((folder / "report.json").read_text())
    assert [config["runs"] for config in report["configs"]] == [["one8"]]
    assert output_of("clean", str(folder), "--yes", "model.hidden_size=8")[0] == 0
    assert not list(folder.glob("report.*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("outputs/sweeps/tow",), "no such folder"),
        (("outputs/sweeps/one", "--yes"), "--yes: choose what to delete"),
        (("outputs/sweeps/one", "hidden_size=4"), "did you mean 'model.hidden_size'"),
        (("model.hidden_size=4", "outputs/sweeps/one"), "sweeps/one: must be KEY=VALUE"),
    ],
)
def test_a_wrong_argument_of_status_or_clean_is_one_line(outputs, output_of, arguments, message):
    code, text = output_of("clean", *arguments)
    assert code == 2
    assert len(text.splitlines()) == 1
    assert message in text


def test_status_names_the_option_that_lists_all_runs(outputs, capsys):
    folder = outputs / "sweeps/one"
    for size in range(20, 24):
        make(folder, f"more{size}", size)
    for most, shown in ((3, 3), (6, 6), (None, 6)):
        print_status(folder, Console(width=200), most)
        text = capsys.readouterr().out
        assert ("and 3 more runs: --all lists them" in text) == (most == 3)
        assert ("--all" in text) == (most == 3)
        assert sum("complete  " in line for line in text.splitlines()) == shown
