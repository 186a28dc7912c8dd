"""The display of a sweep while it trains."""

import io
import time
from pathlib import Path

import pytest
from live_sweeps import config, finish, run_folders
from rich.console import Console

from seqsweep.console import PlainConsole
from seqsweep.live.display import LiveView, show_progress
from seqsweep.runs.sweepfile import SweepFile


def test_the_lines_of_the_display_count_the_runs_to_train(tmp_path: Path) -> None:
    out = io.StringIO()
    runs = run_folders(tmp_path, 3)
    finish(runs[0])
    configs = {run.run_id: {"h": n} for n, run in enumerate(runs)}
    SweepFile(("x",), time.time(), configs, frozenset(["run0"])).write(tmp_path)
    with show_progress(runs[1:], Console(file=out, width=200)):
        finish(runs[2])
    assert out.getvalue().startswith("[1/2] h=2  val/acc 0.9000  test/acc 0.8000  1.5 s")


def test_a_log_gets_a_line_at_least_every_half_minute(sweep) -> None:
    """It tells how many epochs are done while no run ends."""
    out, found = io.StringIO(), sweep(config())
    found.start(0)
    view = LiveView(found.progress(), Console(file=out, width=200), screen=None)
    for seconds in (1, 28, 2, 28, 3):
        found.clock.now += seconds
        view.renew()
    assert out.getvalue() == "[0/1] 0 of 10 epochs\n" * 2


class Broken(io.StringIO):
    """A file one of whose methods raises an error."""

    def __init__(self, method: str, error: OSError) -> None:
        super().__init__()
        setattr(self, method, self.fail)
        self.error = error

    def fail(self, *_: object) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("method", "error", "said"),
    [
        ("write", BrokenPipeError(), ""),  # Its reader, such as `head`, has gone.
        ("write", OSError("no\nterminal"), "OSError: no terminal"),
        ("isatty", OSError("no terminal"), "OSError: no terminal"),
    ],
)
def test_an_error_of_the_display_is_reported_and_does_not_stop_the_training(
    method, error, said, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run,) = run_folders(tmp_path, 1)
    console = PlainConsole()
    console.file = Broken(method, error)
    with show_progress([run], console):
        finish(run)
    said = said and f"seqsweep: the sweep's progress could not be shown: {said}\n"
    assert capsys.readouterr() == ("", said)
    with pytest.raises(KeyboardInterrupt), show_progress([run], console):
        raise KeyboardInterrupt
