"""The display of a sweep while it trains."""

import io
import time
from pathlib import Path

import pytest
from rich.console import Console

from seqsweep.live.display import LiveView, show_progress
from seqsweep.live.sweep_state import SweepProgress
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweepfile import SweepFile


def run_folders(root: Path, count: int) -> list[RunFolder]:
    return [RunFolder(root / f"run{index}") for index in range(count)]


def finish(run: RunFolder) -> None:
    run.start({}, {}, sync=False)
    metrics = {"val/acc": 0.9, "test/acc": 0.8}
    run.finish({"config": {}, "metrics": metrics, "train_seconds": 1.5}, synced=True)


def test_the_lines_of_the_display_count_the_runs_to_train(tmp_path: Path) -> None:
    out = io.StringIO()
    runs = run_folders(tmp_path, 3)
    finish(runs[0])
    configs = {run.run_id: {"h": n} for n, run in enumerate(runs)}
    SweepFile(("x",), time.time(), configs, frozenset(["run0"])).write(tmp_path)
    with show_progress(runs[1:], Console(file=out, width=200)):
        finish(runs[2])
    assert out.getvalue().startswith("[1/2] h=2  val/acc 0.9000  test/acc 0.8000  1.5 s")


def test_a_log_gets_a_line_at_least_every_half_minute(tmp_path: Path) -> None:
    """It tells how many epochs are done while no run ends."""
    out, now = io.StringIO(), [1_000.0]
    run = run_folders(tmp_path, 1)[0]
    run.start({}, {}, sync=False)
    sweep = SweepFile(("x",), now[0], {run.run_id: {"trainer.max_epochs": 40}})
    progress = SweepProgress(tmp_path, sweep, clock=lambda: now[0])
    view = LiveView(progress, Console(file=out, width=200), screen=None)
    for seconds in (1, 28, 2, 28, 3):
        now[0] += seconds
        view.renew()
    assert out.getvalue() == "[0/1] 0 of 40 epochs\n" * 2


def test_a_reader_that_has_gone_is_not_an_error_of_the_display(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(self: LiveView) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(LiveView, "draw", gone)
    with show_progress(run_folders(tmp_path, 1), Console(file=io.StringIO())):
        pass
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["start", "look", "draw", "stop"])
def test_an_error_of_the_display_is_reported_and_does_not_stop_the_training(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(self: LiveView) -> None:
        raise OSError("no\nterminal")

    monkeypatch.setattr(LiveView, name, broken)
    runs = run_folders(tmp_path, 1)
    SweepFile(("x",), time.time(), {"run0": {}}).write(tmp_path)
    with show_progress(runs, Console(file=io.StringIO())):
        time.sleep(0.1)
    said = "seqsweep: the sweep's progress could not be shown: OSError: no terminal\n"
    assert capsys.readouterr() == ("", said)
    with pytest.raises(KeyboardInterrupt), show_progress(runs, Console(file=io.StringIO())):
        raise KeyboardInterrupt
