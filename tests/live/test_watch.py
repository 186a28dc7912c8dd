"""The live table and `watch`: the progress of runs, read from their folders alone."""

import dataclasses
import io
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.live import Live

from seqsweep.live import run_state
from seqsweep.live.display import LiveView
from seqsweep.live.sweep_state import Pace, SweepProgress, duration
from seqsweep.live.watch import WatchedFolder, watch
from seqsweep.runs import metrics_csv
from seqsweep.runs.identity import flatten
from seqsweep.runs.lock import RunLock
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sealed import sealed
from seqsweep.runs.sweepfile import NAME, QUIET_SECONDS, SweepFile

EPOCHS = 10
HEADER = "epoch,step,lr,train/loss,val/loss,val/acc\r\n"
COMMAND = ("seqsweep", "train", "-m", "seed=0,1,2")


def config(seed: int = 0, **more: Any) -> dict[str, Any]:
    base = {"seed": seed, "monitor": "val/acc", "rerun": False, "model": {"hidden_size": 8}}
    return base | {"trainer": {"max_epochs": EPOCHS}} | more


def row(epoch: int, accuracy: float | str = 0.5) -> str:
    return f"{epoch},{epoch * 6},0.01,{1 / (epoch + 1)},{0.5},{accuracy}\r\n"


def train(folder: Path, epochs: Sequence[int], accuracy: float = 0.5, header: bool = False) -> None:
    with (folder / "metrics.csv").open("a", newline="") as file:
        file.write((HEADER if header else "") + "".join(row(epoch, accuracy) for epoch in epochs))


def record(of: dict[str, Any], accuracy: float = 0.9) -> dict[str, Any]:
    metrics = {"val/acc": accuracy, "val/loss": 0.3, "train/loss": 0.2, "test/acc": 0.8}
    return {
        "metrics": metrics,
        "best_epoch": 7,
        "epochs": EPOCHS,
        "params": 100,
        "train_seconds": 1.5,
        "config": dict(flatten(of)),
    }


class Clock:
    """A clock that a test sets; it starts when the sweep is made."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


class Sweep:
    """A folder with one run for each config, and a clock for its progress."""

    def __init__(self, folder: Path, configs: Sequence[dict[str, Any]]) -> None:
        self.folder = folder
        self.configs = {f"run{index}": one for index, one in enumerate(configs)}
        self.clock = Clock()

    def run(self, index: int) -> RunFolder:
        return RunFolder(self.folder / f"run{index}")

    def start(self, index: int) -> RunFolder:
        run = self.run(index)
        run.start(self.configs[f"run{index}"], {}, sync=False)
        train(run.path, [], header=True)
        return run

    def finish(self, index: int, accuracy: float = 0.9, **more: Any) -> None:
        of = self.configs[f"run{index}"]
        self.run(index).finish(record(of, accuracy) | more, synced=True)

    def file(self, done_before: Sequence[str] = (), started: float | None = None) -> SweepFile:
        flat = {name: dict(flatten(one)) for name, one in self.configs.items()}
        when = self.clock.now if started is None else started
        return SweepFile(COMMAND, when, flat, frozenset(done_before))

    def progress(self, **options: Any) -> SweepProgress:
        return SweepProgress(self.folder, self.file(**options), clock=self.clock)


@pytest.fixture
def sweep(tmp_path: Path) -> Callable[..., Sweep]:
    def make(*configs: dict[str, Any]) -> Sweep:
        return Sweep(tmp_path, configs)

    return make


MakeSweep = Callable[..., Sweep]


def shown(progress: SweepProgress, width: int = 80, is_last: bool = False) -> str:
    """Returns the table as a terminal shows it."""
    from seqsweep.live.table import LiveTable

    console = Console(file=io.StringIO(), record=True, width=width)
    console.print(LiveTable(progress, is_last))
    return console.export_text()


# time left


def test_the_time_left_is_that_of_the_epochs_left_and_counts_down() -> None:
    pace = Pace(begun=100.0)
    pace.update(110.0, trained=0, left=40)
    assert pace.seconds_left(110.0) is None
    pace.update(115.0, trained=1, left=39)  # Too little of the work for an estimate.
    assert pace.seconds_left(115.0) is None
    pace.update(120.0, trained=10, left=30)
    assert pace.seconds_left(120.0) == pytest.approx(60.0)
    pace.update(125.0, trained=10, left=30)
    assert pace.seconds_left(125.0) == pytest.approx(55.0)
    pace.update(140.0, trained=20, left=20)
    assert pace.seconds_left(140.0) == pytest.approx(40.0)
    assert pace.seconds_left(999.0) == 0.0


def test_epochs_trained_before_the_sweep_do_not_count_for_its_pace(sweep: MakeSweep) -> None:
    found = sweep(*(config(seed) for seed in range(4)))
    found.start(0)
    found.finish(0)
    train(found.start(1).path, range(6))
    progress = found.progress(done_before=["run0"])
    progress.look()
    assert progress.epochs == EPOCHS + 6
    assert progress.seconds_left is None
    train(found.run(1).path, [6, 7])
    found.clock.now += 4.0
    progress.look()
    assert progress.seconds_left == pytest.approx((2 + 10 + 10) * 4.0 / 2)


@pytest.mark.parametrize(
    ("costs", "epochs"),
    [({"run0": 9.0, "run1": 1.0}, (4 * 9 + 10) / 9), ({"run0": 9.0}, 4 + 10), ({}, 4 + 10)],
    ids=["known", "known of some", "unknown"],
)
def test_an_epoch_counts_by_its_cost_for_the_time_left(
    sweep: MakeSweep, costs: dict[str, float], epochs: float
) -> None:
    """Six epochs of a large network have been trained, each in one second."""
    found = sweep(config(0), config(1))
    file = dataclasses.replace(found.file(), costs=costs)
    progress = SweepProgress(found.folder, file, clock=found.clock)
    progress.look()
    train(found.start(0).path, range(6))
    found.clock.now += 6.0
    progress.look()
    assert progress.seconds_left == pytest.approx(epochs)


def test_epochs_copied_from_a_shorter_run_do_not_count_for_the_pace(sweep: MakeSweep) -> None:
    found = sweep(config(0), config(1))
    progress = found.progress()
    progress.look()
    path = found.start(0).path
    train(path, range(5))
    os.utime(path / "metrics.csv", (0, found.clock.now - 100))
    found.clock.now += 1.0
    progress.look()
    assert progress.epochs == 5
    assert progress.seconds_left is None


def test_epochs_of_a_run_that_is_first_seen_halfway_count_for_the_pace(
    sweep: MakeSweep,
) -> None:
    found = sweep(config(0), config(1))
    progress = found.progress(started=time.time() - 5)
    progress.look()
    train(found.start(0).path, range(5))
    found.clock.now += 10.0
    progress.look()
    assert progress.seconds_left == pytest.approx(15 * 10.0 / 5)


def test_a_run_that_stopped_early_counts_with_all_its_epochs(sweep: MakeSweep) -> None:
    found = sweep(config(0), config(1))
    train(found.start(0).path, range(3))
    progress = found.progress()
    progress.look()
    found.finish(0)
    progress.look()
    assert (progress.epochs, progress.max_epochs) == (EPOCHS, 2 * EPOCHS)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (58.4, "0:58"), (62, "1:02"), (3723, "1:02:03")]
)
def test_a_duration_has_hours_only_if_needed(seconds: float, text: str) -> None:
    assert duration(seconds) == text


# states


def test_progress_counts_the_runs_in_each_state(sweep: MakeSweep) -> None:
    found = sweep(*(config(seed) for seed in range(7)))
    found.start(0)
    found.finish(0)
    progress = found.progress(done_before=["run0"])
    assert progress.look() == []
    for index in (1, 2, 3, 4, 5):
        found.start(index)
    found.finish(1)
    found.finish(2, status="diverged", error="train/loss is nan in epoch 3", epoch=3, metrics={})
    found.run(3).fail(ValueError("no luck"))
    found.run(4).interrupt(KeyboardInterrupt("interrupted by SIGINT"))
    with RunLock(found.run(5).path):
        ended = progress.look()
        assert [run.folder.name for run in ended] == ["run1", "run2", "run3"]
        names = ("complete", "diverged", "failed", "interrupted", "running", "skipped", "waiting")
        assert [progress.counts[name] for name in names] == [1, 1, 1, 1, 1, 1, 1]
    assert progress.look() == []
    assert progress.counts["waiting"] == 2


def test_a_failure_older_than_the_sweep_waits_and_a_new_one_counts(sweep: MakeSweep) -> None:
    found = sweep(config())
    found.start(0).fail(ValueError("before"))
    found.clock.now = time.time() + 0.1
    progress = found.progress()
    assert progress.look() == []
    assert progress.counts["waiting"] == 1
    found.run(0).fail(ValueError("again"))
    (ended,) = progress.look()
    assert ended.error == "ValueError: again"


def test_a_failed_run_that_is_tried_again_runs_and_then_is_done(sweep: MakeSweep) -> None:
    found = sweep(config())
    progress = found.progress()
    found.start(0).fail(ValueError("once"))
    assert [run.state for run in progress.look()] == ["failed"]
    with RunLock(found.run(0).path):
        assert progress.look() == []
        assert progress.counts["running"] == 1
        found.finish(0)
    assert [run.state for run in progress.look()] == ["complete"]


def test_a_damaged_failure_counts_as_none(sweep: MakeSweep) -> None:
    found = sweep(config())
    (found.start(0).path / "failure.json").write_text('{"kind": ["failed"], "error": "no"}')
    progress = found.progress()
    assert progress.look() == []
    assert progress.counts["waiting"] == 1


def test_with_rerun_a_record_older_than_the_sweep_does_not_count(sweep: MakeSweep) -> None:
    found = sweep(config(rerun=True))
    found.start(0)
    found.finish(0)
    found.clock.now = time.time() + 0.1
    progress = found.progress()
    assert progress.look() == []
    found.finish(0, accuracy=0.5)
    assert [run.state for run in progress.look()] == ["complete"]


def test_a_run_whose_process_was_killed_is_waiting_despite_its_lock(sweep: MakeSweep) -> None:
    found = sweep(config())
    path = found.start(0).path
    (path / "lock").write_text("")
    progress = found.progress()
    progress.look()
    assert progress.counts["waiting"] == 1


def test_a_lock_is_fresh_for_a_minute_after_it_was_touched(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("")
    assert run_state.lock_is_fresh(tmp_path)
    os.utime(tmp_path / "lock", (0, time.time() - 61))
    assert not run_state.lock_is_fresh(tmp_path)


def test_a_look_at_a_thousand_runs_reads_only_what_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Sweep(tmp_path, [config(seed) for seed in range(1000)])
    for index in range(300):
        folder = found.run(index).path
        folder.mkdir()
        content = record(found.configs[f"run{index}"]) | {"status": "complete"}
        (folder / "record.json").write_text(json.dumps(sealed(content)))
    for index in range(300, 400):
        found.run(index).path.mkdir()
        train(found.run(index).path, range(3), header=True)
    asked: list[str] = []
    stat_of = metrics_csv.stat_of

    def counted(path: str) -> os.stat_result | None:
        asked.append(path)
        return stat_of(path)

    monkeypatch.setattr(metrics_csv, "stat_of", counted)
    monkeypatch.setattr(run_state, "stat_of", counted)
    progress = found.progress()
    progress.look()
    assert progress.counts["complete"] == 300
    asked.clear()
    monkeypatch.setattr("builtins.open", lambda *a, **k: pytest.fail(f"{a} was opened"))
    monkeypatch.setattr(Path, "open", lambda *a, **k: pytest.fail(f"{a} was opened"))
    monkeypatch.setattr(os, "open", lambda *a, **k: pytest.fail(f"{a} was opened"))
    progress.look()
    assert len(asked) == 4 * 100


# the table


def test_the_table_shows_the_best_five_complete_and_running_runs(sweep: MakeSweep) -> None:
    found = sweep(*(config(seed, model={"hidden_size": 8 * (seed % 2 + 1)}) for seed in range(8)))
    progress = found.progress()
    for index in range(6):
        found.start(index)
        found.finish(index, accuracy=0.1 * index)
    train(found.start(6).path, range(4), accuracy=0.45)
    train(found.start(7).path, range(4), accuracy=0.99)  # No process trains it.
    with RunLock(found.run(6).path):
        progress.look()
        lines = shown(progress).splitlines()
    rows = [line.strip("│ ").split() for line in lines if "done" in line or "epoch" in line]
    assert rows[1:] == [
        ["1", "16", "5", "0.5000", "done"],
        ["2", "8", "6", "0.4500", "epoch", "4/10"],
        ["3", "8", "4", "0.4000", "done"],
        ["4", "16", "3", "0.3000", "done"],
        ["5", "8", "2", "0.2000", "done"],
    ]
    assert rows[0][:2] == ["6", "done"]


def test_the_lowest_loss_ranks_first_and_without_validation_the_training_loss(
    sweep: MakeSweep,
) -> None:
    found = sweep(config(0, monitor="val/loss"), config(1, monitor="val/loss"))
    progress = found.progress()
    for index, loss in enumerate((0.7, 0.4)):
        found.start(index)
        found.finish(index, metrics={"val/loss": loss, "train/loss": 1 - loss})
    progress.look()
    assert [score for _, score in progress.best(5)] == [0.4, 0.7]
    for index, loss in enumerate((0.7, 0.4)):
        found.finish(index, metrics={"train/loss": 1 - loss})
    progress = found.progress()
    progress.look()
    assert progress.monitor == "train/loss"
    assert [score for _, score in progress.best(1)] == [pytest.approx(0.3)]


def test_the_table_shows_five_failed_runs_with_their_error_in_one_line(sweep: MakeSweep) -> None:
    found = sweep(*(config(seed) for seed in range(8)))
    progress = found.progress()
    for index in range(8):
        found.start(index).fail(ValueError(f"[red]no\nluck\x1b[2J {index} " + "x" * 200))
    progress.look()
    text = shown(progress)
    lines = text.splitlines()
    assert sum("ValueError: [red]no luck" in line for line in lines) == 5
    assert "and 3 more" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_no_line_of_the_table_is_wrapped_at_any_width(sweep: MakeSweep, width: int) -> None:
    keys = {"hidden_size": 8, "num_layers": 2, "bidirectional": True, "label_smoothing": 0.1}
    models = [keys, {name: str(value) * 9 for name, value in keys.items()}]
    found = sweep(*(config(seed, model=models[seed % 2]) for seed in range(12)))
    progress = found.progress()
    for index in range(12):
        found.start(index)
        if index % 2:
            found.finish(index)
        else:
            found.run(index).fail(ValueError("word " * 50))
    progress.look()
    lines = shown(progress, width).splitlines()
    assert len(lines) <= 22
    assert {len(line) for line in lines} == {min(width, 100)}
    assert all(line.startswith(("│", "╭", "╰")) for line in lines)


def test_a_narrow_terminal_shows_short_names_where_labels_do_not_fit(sweep: MakeSweep) -> None:
    sizes = [{"hidden_size": 128, "num_layers": n, "a_long_option": n} for n in (1, 2, 4)]
    found = sweep(*(config(seed, model=size) for size in sizes for seed in (0, 1)))
    for index in range(6):
        found.start(index)
        if index < 5:
            found.finish(index)
    found.run(5).fail(ValueError("why"))
    progress = found.progress()
    progress.look()
    names = progress.short_names.values()
    assert len(set(names)) == 6
    for width in (40, 50):
        assert all(name in shown(progress, width) for name in names)
    assert not any(name in shown(progress, 100) for name in names)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_unicode_shows_a_table(sweep: MakeSweep, encoding: str) -> None:
    found = sweep(config(0, model={"hidden_size": "long " * 9, "a": "日本"}), config(1))
    progress = found.progress()
    found.start(0)
    found.run(0).fail(ValueError("word … " * 50))
    progress.look()
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding) as file:
        console = Console(file=file, force_terminal=True, width=36)
        view = LiveView(progress, console, Live(console=console, auto_refresh=False))
        view.start()
        view.draw()
        view.stop()
        file.flush()
        text = raw.getvalue().decode(encoding)
    assert "\x1b[2m+---" in text
    assert "ValueError: word ~" in text


def test_markup_in_a_config_value_is_printed_unchanged(sweep: MakeSweep) -> None:
    found = sweep(config(0, model={"a": "[red]x[/]"}), config(1, model={"a": "\\[b"}))
    out = io.StringIO()
    view = LiveView(found.progress(), Console(file=out, width=200), None)
    for index in range(2):
        found.start(index)
        found.finish(index)
    view.look()
    view.stop()
    first, second = out.getvalue().splitlines()
    assert first.startswith("[1/2] a=[red]x[/] seed=0  ")
    assert second.startswith("[2/2] a=\\[b seed=1  ")


def test_the_last_table_leaves_out_the_best_runs(sweep: MakeSweep) -> None:
    found = sweep(config(0), config(1))
    progress = found.progress()
    for index in range(2):
        found.start(index)
    found.finish(0)
    found.run(1).fail(ValueError("no luck"))
    progress.look()
    text = shown(progress, is_last=True)
    assert "100 %" in text
    assert "no luck" in text
    assert "0.9000" not in text


# the view


def test_without_a_table_each_ended_run_has_one_line_with_its_result(sweep: MakeSweep) -> None:
    found = sweep(*(config(seed) for seed in range(4)))
    found.start(3)
    found.finish(3)
    out = io.StringIO()
    view = LiveView(found.progress(done_before=["run3"]), Console(file=out, width=40), None)
    view.look()
    for index in range(3):
        found.start(index)
    found.finish(0)
    found.finish(1, status="diverged", error="nan", epoch=3, metrics={})
    view.look()
    view.draw()
    found.run(2).fail(ValueError("no luck"))
    view.look()
    view.stop()
    assert out.getvalue().splitlines() == [
        "[1/3] seed=0  val/acc 0.9000  test/acc 0.8000  1.5 s" + "  0:00 left",
        "[2/3] seed=1  diverged in epoch 3  0:00 left",
        "[3/3] seed=2  failed ValueError: no luck",
    ]


def test_the_cursor_is_visible_after_the_last_table(sweep: MakeSweep) -> None:
    found = sweep(config())
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80)
    view = LiveView(found.progress(), console, Live(console=console, auto_refresh=False))
    view.start()
    view.look()
    view.draw()
    assert "╯" in out.getvalue()
    view.stop()
    assert out.getvalue().rindex("\x1b[?25h") > out.getvalue().rindex("\x1b[?25l")


# watch


def watched(folder: Path) -> tuple[int, str]:
    out = io.StringIO()
    code = watch(folder, Console(file=out, width=200))
    return code, out.getvalue()


def test_watch_ends_when_all_runs_are_done(sweep: MakeSweep) -> None:
    found = sweep(config(0), config(1))
    found.file().write(found.folder)
    for index in range(2):
        found.start(index)
        found.finish(index)
    code, text = watched(found.folder)
    assert code == 0
    assert "[2/2] seed=1  val/acc 0.9000" in text
    assert "by val/acc of the best epoch" in text
    assert text.splitlines()[-1] == "2 of 2 runs are done"


def test_watch_ends_with_the_sweep_and_prints_the_command_that_finishes_it(
    sweep: MakeSweep,
) -> None:
    found = sweep(config(0), config(1))
    file = found.file()
    found.start(0)
    found.finish(0)
    file.end(found.folder, time.time())
    code, text = watched(found.folder)
    assert code == 1
    assert "1 of 2 runs is not done; to see why:" in text
    assert text.splitlines()[-1] == "  seqsweep train -m seed=0,1,2"


@pytest.mark.parametrize("seconds", [-QUIET_SECONDS - 1, 24 * 3600])
def test_watch_reports_a_sweep_that_was_killed(sweep: MakeSweep, seconds: float) -> None:
    """It does so even if the clock has been set back since."""
    found = sweep(config(0), config(1))
    found.start(0)
    found.file().write(found.folder)
    then = time.time() + seconds
    os.utime(found.folder / NAME, (then, then))
    code, text = watched(found.folder)
    assert code == 1
    assert "2 of 2 runs are not done, and no process is training them" in text
    assert text.splitlines()[-1] == "  seqsweep train -m seed=0,1,2"


def test_watch_shows_a_folder_without_sweep_json_and_a_single_run(sweep: MakeSweep) -> None:
    found = sweep(config(0), config(1))
    for index in range(2):
        found.start(index)
        found.finish(index)
    assert watched(found.folder)[1].splitlines()[-1] == "2 of 2 runs are done"
    assert watched(found.run(1).path)[1].splitlines()[-1] == "1 of 1 run is done"


def test_watch_refuses_a_folder_without_runs(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder"):
        watched(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no runs in it"):
        watched(tmp_path)


def test_watch_notices_the_end_of_a_sweep_and_a_new_sweep(sweep: MakeSweep) -> None:
    found = sweep(config(0), config(1))
    file = found.file()
    file.write(found.folder)
    seen = WatchedFolder(found.folder)
    seen.progress.look()
    assert not seen.is_over()
    file.end(found.folder, time.time())
    seen.renew()
    assert seen.is_over()
    more = Sweep(found.folder, [config(seed) for seed in range(3)])
    more.file(started=found.clock.now + 1).write(found.folder)
    seen.renew()
    seen.progress.look()
    assert len(seen.progress.runs) == 3
    assert not seen.is_over()


def test_watch_notices_a_new_sweep_json_with_the_inode_of_the_old_one(sweep: MakeSweep) -> None:
    found = sweep(config(0), config(1))
    found.file().write(found.folder)
    seen = WatchedFolder(found.folder)
    with (found.folder / NAME).open("r+") as file:
        text = file.read().replace('"ended": null', f'"ended": {found.clock.now}')
        file.seek(0)
        file.write(text)
    seen.renew()
    assert seen.has_ended


def test_ctrl_c_ends_watching_without_a_traceback(
    sweep: MakeSweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = sweep(config(0))
    found.file().write(found.folder)

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupted)
    code, text = watched(found.folder)
    assert code == 130
    assert text == "stopped watching; the sweep continues\n"
