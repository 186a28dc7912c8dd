"""The live table shows the best, running and failed runs at any width, and a log gets lines."""

import io
import time
from pathlib import Path

import pytest
from live_sweeps import config, display_text, finish, run_folders, train
from own_metric_runs import DIRECTIONS, finish_own_runs, value
from rich.console import Console
from rich.live import Live

from seqsweep.console import PlainConsole
from seqsweep.live.display import LiveView, show_progress
from seqsweep.live.state import SweepProgress
from seqsweep.live.table import LiveTable
from seqsweep.runs.ledger import read_folder
from seqsweep.runs.lock import RunLock
from seqsweep.runs.sweepfile import SweepFile


def scores(progress: SweepProgress) -> list[float | None]:
    return [run.score(progress.monitor) for run in progress.best(5)]


def test_the_table_shows_the_best_five_complete_and_running_runs(sweep):
    found = sweep(*(config(seed, model={"hidden_size": 8 * (seed % 2 + 1)}) for seed in range(8)))
    progress = found.progress()
    for index in range(6):
        found.end(index, accuracy=0.1 * index)
    train(found.start(6).path, range(4), accuracy=0.45)
    train(found.start(7).path, range(4), accuracy=0.99)  # No process trains it.
    with RunLock(found.run(6).path):
        progress.look()
        lines = display_text(progress).splitlines()
    rows = [line.strip("│ ").split() for line in lines if "done" in line or "epoch" in line]
    assert rows[1:] == [
        ["1", "16", "5", "0.5000", "done"],
        ["2", "8", "6", "0.4500", "epoch", "4/10"],
        ["3", "8", "4", "0.4000", "done"],
        ["4", "16", "3", "0.3000", "done"],
        ["5", "8", "2", "0.2000", "done"],
    ]
    assert rows[0][:2] == ["6", "done"]


def test_each_running_run_has_a_row_before_its_first_validation(sweep):
    found = sweep(*(config(seed) for seed in range(9)))
    progress = found.progress()
    for index in range(6):
        found.end(index, accuracy=0.9)
    train(found.start(6).path, range(4), accuracy=0.1)  # not among the best
    found.start(7)
    with RunLock(found.run(6).path), RunLock(found.run(7).path):
        progress.look()
        rows = [line.strip("│ ").split() for line in display_text(progress).splitlines()]
    assert ["6", "0.1000", "epoch", "4/10"] in rows
    assert ["7", "epoch", "0/10"] in rows


def test_the_bar_is_not_red_and_each_time_has_a_word(sweep):
    found = sweep(config(0), config(1))
    progress = found.progress()
    progress.look()
    found.end(0)
    found.clock.now += 42.0
    progress.look()
    out = io.StringIO()
    Console(file=out, force_terminal=True, color_system="truecolor", width=80).print(
        LiveTable(progress)
    )
    bar = next(line for line in out.getvalue().splitlines() if "━" in line)
    assert "0:42 elapsed" in bar and "0:42 left" in bar
    assert "\x1b[36m━" in bar and "\x1b[38;2;249" not in bar


def test_a_sweep_over_data_sets_shows_the_best_run_on_each_without_ranks(sweep):
    targets = [f"data.{name}" for name in ("digits", "order") for _ in range(2)]
    data = [{"source": {"_target_": target}} for target in targets]
    found = sweep(*(config(seed, data=one) for seed, one in enumerate(data)))
    progress = found.progress()
    for index, accuracy in enumerate((0.8, 0.9, 0.4, 0.3)):
        found.end(index, accuracy=accuracy)
    progress.look()
    assert scores(progress) == [0.9, 0.4]
    rows = [line.strip("│ ").split() for line in display_text(progress).splitlines()]
    assert ["digits", "1", "0.9000", "done"] in rows
    assert ["order", "2", "0.4000", "done"] in rows


def test_the_lowest_loss_ranks_first_and_without_validation_the_training_loss(sweep):
    found = sweep(config(0, monitor="val/loss"), config(1, monitor="val/loss"))
    progress = found.progress()
    for index, loss in enumerate((0.7, 0.4)):
        found.end(index, metrics={"val/loss": loss, "train/loss": 1 - loss})
    progress.look()
    assert scores(progress) == [0.4, 0.7]
    for index, loss in enumerate((0.7, 0.4)):
        found.finish(index, metrics={"train/loss": 1 - loss})
    progress = found.progress()
    progress.look()
    assert progress.monitor == "train/loss"
    assert scores(progress)[:1] == [pytest.approx(0.3)]


def test_the_table_shows_five_failed_runs_with_their_error_in_one_line(sweep):
    found = sweep(*(config(seed) for seed in range(9)))
    progress = found.progress()
    for index in range(8):
        found.start(index).fail(ValueError(f"[red]no\nluck\x1b[2J {index} " + "x" * 200))
    found.end(8)
    progress.look()
    text = display_text(progress)
    lines = text.splitlines()
    assert sum("ValueError: [red]no luck" in line for line in lines) == 5
    assert "and 3 more" in text
    assert "\x1b" not in text and "0.9000" in text
    # The last table leaves out the best runs: the leaderboard follows.
    last = display_text(progress, is_last=True)
    assert "100 %" in last and "no luck" in last and "0.9000" not in last


@pytest.mark.parametrize("width", [20, 80, 200])
def test_no_line_of_the_table_is_wrapped_at_any_width(sweep, width):
    keys = {"hidden_size": 8, "num_layers": 2, "bidirectional": True, "label_smoothing": 0.1}
    models = [keys, {name: str(value) * 9 for name, value in keys.items()}]
    found = sweep(*(config(seed, model=models[seed % 2]) for seed in range(12)))
    progress = found.progress()
    for index in range(0, 12, 2):
        found.start(index).fail(ValueError("word " * 50))
        found.end(index + 1)
    progress.look()
    lines = display_text(progress, width).splitlines()
    assert len(lines) <= 22
    assert {len(line) for line in lines} == {min(width, 100)}
    assert all(line.startswith(("│", "╭", "╰")) for line in lines)


def test_a_terminal_without_unicode_shows_a_table(sweep):
    found = sweep(config(0, model={"hidden_size": "long " * 9, "a": "日本"}), config(1))
    progress = found.progress()
    found.start(0).fail(ValueError("word … " * 50))
    progress.look()
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, "ascii") as file:
        console = Console(file=file, force_terminal=True, width=36)
        table = Live(console=console, auto_refresh=False)
        table.start()
        view = LiveView(progress, console, table)
        view.renew()
        view.renew(is_last=True)
        file.flush()
        text = raw.getvalue().decode()
    assert "\x1b[2m+---" in text
    assert "ValueErr" in text and "~" in text


def test_without_a_table_each_ended_run_has_one_line_with_its_result(sweep):
    """Markup in a value is printed unchanged."""
    names = ("[red]x[/]", "\\[b", "c", "d")
    found = sweep(*(config(model={"a": name}) for name in names))
    found.end(3)
    out = io.StringIO()
    view = LiveView(found.progress(done_before=["run3"]), Console(file=out, width=40), None)
    view.renew()
    found.end(0)
    found.end(1, status="diverged", error="nan in epoch 3", epoch=3, metrics={})
    view.renew()
    found.start(2).fail(ValueError("no luck"))
    view.renew(is_last=True)
    assert out.getvalue().splitlines() == [
        "[1/3] a=[red]x[/]  val/acc 0.9000  test/acc 0.8000  1.5 s  0:00 left",
        "[2/3] a=\\[b  diverged nan in epoch 3  0:00 left",
        "[3/3] a=c  failed ValueError: no luck",
    ]


def test_a_notebook_shows_the_progress_in_one_line(sweep, capsys) -> None:
    out, found = io.StringIO(), sweep(config(), config(seed=1))
    view = LiveView(found.progress(), Console(file=out, force_jupyter=True), None)
    view.renew()
    found.end(0)
    view.renew()
    found.end(1)
    view.renew(is_last=True)
    _, *lines = capsys.readouterr().out.split("\r")
    assert [line[:6] for line in lines] == ["[0/2] ", "[1/2] ", "[2/2] "]
    assert not any("\n" in line for line in lines) and out.getvalue() == ""


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
    """The line has the number of epochs while no run ends."""
    out, found = io.StringIO(), sweep(config())
    found.start(0)
    view = LiveView(found.progress(), Console(file=out, width=200), screen=None)
    for seconds in (1, 28, 2, 28, 3):
        found.clock.now += seconds
        view.renew()
    assert out.getvalue() == "[0/1] 0 of 10 epochs\n" * 2


@pytest.mark.parametrize(
    ("method", "error", "said"),
    [
        ("write", BrokenPipeError(), ""),  # Its reader, such as `head`, has gone.
        ("write", OSError("no\nterminal"), "OSError: no terminal"),
        ("isatty", OSError("no terminal"), "OSError: no terminal"),
    ],
)
def test_an_error_of_the_display_does_not_stop_the_training(method, error, said, tmp_path, capsys):
    def fail(*_: object) -> None:
        raise error

    (run,) = run_folders(tmp_path, 1)
    console = PlainConsole()
    console.file = io.StringIO()
    setattr(console.file, method, fail)
    with show_progress([run], console):
        finish(run)
    said = said and f"seqsweep: the sweep's progress could not be shown: {said}\n"
    assert capsys.readouterr() == ("", said)
    with pytest.raises(KeyboardInterrupt), show_progress([run], console):
        raise KeyboardInterrupt


def test_a_users_own_metric_ranks_runs_while_they_train_and_after(tmp_path):
    """A run without a monitor is ranked by the metrics of the records."""
    for monitor, best in (("val_acc", 0.8999), (None, 1.1e-05)):
        # The monitor is the first in a record.
        directions = {monitor: "max"} | DIRECTIONS if monitor else DIRECTIONS
        folder = finish_own_runs(tmp_path / f"{monitor}", monitor, monitor and "max", directions)
        entries = read_folder(folder)
        (entries[9].folder.path / "record.json").unlink()
        configs = {entry.folder.run_id: entry.config for entry in entries}
        progress = SweepProgress(folder, SweepFile((), time.time(), configs))
        with RunLock(entries[9].folder.path):
            progress.look()
            ranked = {run.folder.name: run.score(progress.monitor) for run in progress.best(15)}
        assert progress.monitor == (monitor or "val_loss")
        assert len(ranked) == (15 if monitor else 14)
        if monitor:
            assert ranked[entries[9].folder.run_id] == value("val_acc", 8, 4)
            assert f"{best:.4f}" in display_text(progress)
        log = io.StringIO()
        view = LiveView(progress, Console(file=log, width=200), None)
        entries[9].folder.finish(entries[9].record.content, synced=True)
        view.renew()
        expected = ("val_acc", "test_acc") if monitor else ("val_loss",)
        texts = [f"{name} {value(name, 8, 4):.4g}"[:14] for name in expected]
        assert all(text in log.getvalue() for text in texts)
