"""A damaged file in a folder of runs is named and hides no other run."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import seqsweep
from seqsweep.cli import main
from seqsweep.results.tensorboard.view import renew
from seqsweep.runs.identity import SEMANTICS
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweepfile import SweepFile

Ended = Callable[..., tuple[object, str, list[str]]]
DEEP = "[" * 200_000
READERS = ("status", "leaderboard", "report", "compare", "watch")


def config(seed: int) -> dict[str, object]:
    return {"model.hidden_size": 8, "seed": seed, "monitor": "val/acc"}


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """A sweep of three complete runs, r0 to r2."""
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


@pytest.fixture
def ended(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ended:
    """Runs a command. Returns its exit code, its output and the lines of its errors."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> tuple[object, str, list[str]]:
        with pytest.raises(SystemExit) as end:
            main(arguments)
        printed = capsys.readouterr()
        return end.value.code, printed.out, printed.err.splitlines()

    return run


def arguments(reader: str, folder: Path) -> list[str]:
    return [reader, *([str(folder)] * (2 if reader == "compare" else 1))]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "content", [f'{{"semantics": {SEMANTICS}}}', DEEP, None], ids=["no digest", "deep", "fifo"]
)
def test_a_damaged_record_hides_no_other_run(ended, sweep, reader, content):
    record = sweep / "r1/record.json"
    record.unlink()
    os.mkfifo(record) if content is None else record.write_text(content)
    code, out, errors = ended(*arguments(reader, sweep))
    assert code == int(reader == "watch")  # of a sweep that is not done
    assert [error for error in errors if str(record) in error] == errors[:1] != []
    if reader != "report":
        assert "2 complete" in out or "2 seeds" in out or "1 of 3 runs is not done" in out


@pytest.mark.parametrize("reader", [*READERS, "load_curves", "tensorboard"])
def test_a_metrics_csv_that_lacks_epochs_is_named_and_the_other_runs_are_shown(
    ended, sweep, reader, capsys
):
    for seed in range(3):
        rows = [f"{epoch},0.5\n" for epoch in range(3)]
        path = sweep / f"r{seed}/metrics.csv"
        path.write_text("epoch,val/acc\n" + "".join(rows[2:] if seed == 1 else rows))
    message = f"seqsweep: {sweep}/r1/metrics.csv: row 1 must be epoch 0, got 2"
    if reader == "load_curves":
        assert list(seqsweep.load_curves(sweep)["run_id"].unique()) == ["r0", "r2"]
        assert message in capsys.readouterr().err
    elif reader == "tensorboard":
        assert len(renew(sweep, images=3).folders) == 3
    else:
        code, out, errors = ended(*arguments(reader, sweep))
        assert code == 0 and all(message in error for error in errors if "metrics" in error)
        assert len([error for error in errors if message in error]) == int(reader == "report")
        if reader in ("status", "leaderboard"):
            assert "3 complete" in out or "0.6000" in out
    if reader == "report":
        bands = json.loads((sweep / "report.json").read_text())["curves"][0]["bands"]
        assert bands["val/acc"]["seeds"] == [2, 2, 2]


NAMES = ("sweep.json", "baselines.json", "r1/config.yaml", "r1/metrics.csv", "r1/provenance.json")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("first", ["fifo", "deep"])
def test_other_damaged_files_of_a_run_hide_no_other_run(ended, sweep, reader, first):
    """No reader blocks on a FIFO, and all three runs are listed from their records."""
    paths = [sweep / name for name in NAMES]
    for number, path in enumerate(paths):
        path.unlink(missing_ok=True)
        is_fifo = (number % 2 == 0) == (first == "fifo")
        os.mkfifo(path) if is_fifo else path.write_text(DEEP)
    code, out, errors = ended(*arguments(reader, sweep))
    assert code == 0
    for error in errors:
        assert any(str(path) in error for path in paths) or "no baselines" in error
    if reader not in ("report", "watch"):
        assert "3 complete" in out or "0.6000" in out
