"""A damaged file in a folder of runs is named and hides no other run."""

import os
from pathlib import Path

import pytest

from seqsweep.runs.identity import SEMANTICS
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweepfile import SweepFile

DEEP = "[" * 200_000
READERS = ("status", "leaderboard", "report", "compare", "watch")


def config(seed: int) -> dict[str, object]:
    return {"model.hidden_size": 8, "seed": seed, "monitor": "val/acc"}


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sweep of three complete runs, r0 to r2."""
    monkeypatch.setenv("COLUMNS", "200")
    folder = tmp_path / "sweep"
    for seed in range(3):
        run = RunFolder(folder / f"r{seed}")
        run.start(config(seed), {"started": "now"}, sync=False)
        (run.path / "metrics.csv").write_text("epoch,val/acc\n0,0.5\n")
        run.finish(
            {"run_id": f"r{seed}", "config": config(seed), "metrics": {"val/acc": 0.5 + seed / 10},
             "best_epoch": 0, "epochs": 1, "params": 1, "train_seconds": 1.0},
            synced=True,
        )  # fmt: skip
    SweepFile(["seqsweep", "train", "-m"], 1.0, {f"r{s}": config(s) for s in range(3)}, ended=2.0
              ).write(folder)  # fmt: skip
    return folder


def arguments(reader: str, folder: Path) -> list[str]:
    return [reader, *([str(folder)] * (2 if reader == "compare" else 1))]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "content", [f'{{"semantics": {SEMANTICS}}}', DEEP, None], ids=["no digest", "deep", "fifo"]
)
def test_a_damaged_record_hides_no_other_run(command, sweep, reader, content):
    record = sweep / "r1/record.json"
    record.unlink()
    os.mkfifo(record) if content is None else record.write_text(content)
    code, out, err = command(*arguments(reader, sweep))
    errors = err.splitlines()
    assert code == int(reader == "watch")  # of a sweep that is not done
    assert [error for error in errors if str(record) in error] == errors[:1] != []
    if reader != "report":
        assert "2 complete" in out or "2 seeds" in out or "1 of 3 runs is not done" in out


NAMES = ("sweep.json", "baselines.json", "r1/config.yaml", "r1/metrics.csv", "r1/provenance.json")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("first", ["fifo", "deep"])
def test_other_damaged_files_of_a_run_hide_no_other_run(command, sweep, reader, first):
    """No reader blocks on a FIFO, and all three runs are listed from their records."""
    paths = [sweep / name for name in NAMES]
    for number, path in enumerate(paths):
        path.unlink(missing_ok=True)
        is_fifo = (number % 2 == 0) == (first == "fifo")
        os.mkfifo(path) if is_fifo else path.write_text(DEEP)
    code, out, err = command(*arguments(reader, sweep))
    errors = err.splitlines()
    assert code == 0
    for error in errors:
        assert any(str(path) in error for path in paths) or "no baselines" in error
    if reader not in ("report", "watch"):
        assert "3 complete" in out or "0.6000" in out
