"""The command `figures`: which files it writes, and what it refuses."""

import shutil
from pathlib import Path

import pytest
from report_pages import grid, started


@pytest.mark.slow
def test_a_run_has_figures_and_a_table(trained, command, tmp_path: Path):
    run = shutil.copytree(trained.run, tmp_path / "run")
    done = command("figures", run, "--tables")
    assert done.code == 0, done
    names = {path.name for path in (run / "figures").iterdir()}
    assert names == {
        *(f"{name}.{end}" for name in ("curves-loss", "curves-accuracy", "confusion")
          for end in ("svg", "pdf", "txt")),
        "table.tex", "table.md",
    }  # fmt: skip
    assert {Path(line).name for line in done.out.splitlines()} == names
    assert "left out: intervals: fewer than two configs have a score" in done.err


def test_wrong_input_costs_one_line(command, tmp_path: Path):
    runs = grid(tmp_path / "runs", [8, 16], [1], 2)
    started(tmp_path / "begun", {"seed": 0})
    (tmp_path / "file").write_text("mine")
    for words, message in (
        ((tmp_path / "begun", "--out", "o"), "begun: has no complete run (1 run)"),
        ((runs, "--out", tmp_path / "file"), "file: is a file; expected a folder"),
        ((runs, "--out", "o", "--columns", "3"), "--columns: invalid choice: 3"),
        ((runs, "--out", "o", "--best-by", "model.size"), "model.size: no run has this key"),
        ((runs, "--out", "o", "--best-by", "model.hidden_size"), "there is only one"),
    ):
        done = command("figures", *words)
        assert (done.code, done.out) == (2, "") and message in done.err, done
        assert done.err.count("\n") == 1
    assert not Path("o").exists() and (tmp_path / "file").read_text() == "mine"
