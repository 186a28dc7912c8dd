"""The TensorBoard view of a sweep, read by TensorBoard's own backends."""

import json
import shutil
import statistics
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import markdown
import pytest

from seqsweep.results.tensorboard.canvas import HEIGHT, WIDTH, Plot
from seqsweep.results.tensorboard.protobufs import protos
from seqsweep.results.tensorboard.view import renew
from seqsweep.runs.eventfiles import MADE, NAMES
from seqsweep.runs.events import EventFile
from seqsweep.runs.lock import RunLock
from seqsweep.runs.sealed import sealed
from seqsweep.runs.sweepfile import SweepFile

METRICS = ["best val acc", "test acc", "test f1", "train seconds", "parameters", "samples/s"]


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Returns the inode and the time of each file of a folder."""
    found = {str(path.relative_to(folder)): path.lstat() for path in folder.rglob("*")}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in found.items()}


def made(folder: Path, kind: str = "") -> dict[str, str]:
    """Returns the run's name of each made file."""
    return {path.name: path.parent.name for path in folder.rglob(f"*{MADE}*{kind}")}


def texts(shown, run: str, tag: str) -> list[str]:
    return [value.decode() for value in shown.events.Tensors(run, tag)[-1].tensor_proto.string_val]


def test_hparams_has_the_swept_keys_and_the_metrics_in_their_order(grid):
    found = grid.shown.experiment()
    columns = [(info.name, info.display_name, info.type) for info in found.hparam_infos]
    assert columns == [
        ("model.bidirectional", "bidirectional", 2),  # bool
        ("model.hidden_size", "hidden_size", 3),  # number
        ("model.num_layers", "num_layers", 3),
    ]
    ticks = [
        [value.bool_value if info.type == 2 else value.number_value for value in domain]
        for info in found.hparam_infos
        for domain in [info.domain_discrete.values]
    ]
    assert ticks == [[False, True], [8, 16, 128], [1, 2]]
    assert [info.display_name for info in found.metric_infos] == METRICS


def test_the_ranking_metric_is_the_first_metric_of_hparams(sweep, shown):
    sweep.done("0", {"h": 0, "monitor": "val/loss"}, 0.9)
    sweep.done("1", {"h": 1, "monitor": "val/loss"}, 0.8)
    found = shown(sweep.folder)
    names = [info.display_name for info in found.experiment().metric_infos]
    assert names == ["best val loss", *METRICS]
    assert [group.metric_values[0].name.tag for group in found.groups()] == [
        "summary/best_val_loss"
    ] * 2
    assert renew(sweep.folder, images=0).monitor == "val/loss"


def test_a_row_of_hparams_is_a_config_with_the_mean_of_its_seeds(grid):
    groups = grid.shown.groups()
    assert len(groups) == 12
    for group in groups:
        names = [f"{group.name}-s0", f"{group.name}-s1"]
        assert [session.name for session in group.sessions] == names
        means = {value.name.tag: value.value for value in group.metric_values}
        mean = statistics.fmean(grid.best[name] for name in names)
        assert means["summary/best_val_acc"] == pytest.approx(mean)
        assert means["summary/test_acc"] == pytest.approx(mean - 0.01)
        assert means["summary/params"] == 1234
        values = group.hparams
        assert values["model.bidirectional"].bool_value is ("-bi" in group.name)
        assert values["model.hidden_size"].number_value == int(group.name[1:4])


def test_hparams_sorted_by_the_best_accuracy_has_the_best_config_first(grid):
    best = grid.best
    groups = grid.shown.groups(sort_by="summary/best_val_acc")
    configs = {name.removesuffix("-s0") for name in best if name.endswith("-s0")}
    expected = sorted(configs, key=lambda name: -best[f"{name}-s0"] - best[f"{name}-s1"])
    assert [group.name for group in groups] == expected


def test_the_view_has_readable_run_names_and_no_other_run(grid):
    assert grid.shown.runs == sorted(grid.best)


def test_plain_tensorboard_shows_each_run_once_with_its_name(sweep, runs_at):
    best = sweep.grid()
    sweep.plan()
    renew(sweep.folder, images=0)
    names = {path.parent.name: path.name for path in sweep.folder.glob("*/h*")}
    assert sorted(names.values()) == sorted(best)
    assert runs_at(sweep.folder) == sorted(f"{run}/{name}" for run, name in names.items())
    above = runs_at(sweep.folder.parent)
    assert above == [f"sweep/{run}" for run in runs_at(sweep.folder)]
    run, name = min(names.items())
    assert runs_at(sweep.folder / run) == [name]


def test_a_copied_run_is_shown_wherever_it_lies(sweep, runs_at, shown, tmp_path):
    sweep.grid()
    sweep.plan()
    renew(sweep.folder, images=0)
    copy = shutil.copytree(sweep.folder / f"{0:016x}", tmp_path / "copies" / "mine")
    assert runs_at(copy) == ["h008-L1-uni-s0"]
    assert shown(copy).runs == ["run-mine"]
    assert not (tmp_path / "copies" / NAMES).exists()


def test_a_run_of_a_sweep_has_its_name_when_it_is_shown_alone(sweep, shown):
    sweep.grid()
    sweep.plan()
    run = sweep.folder / f"{0:016x}"
    assert shown(run).runs == ["h008-L1-uni-s0"]
    columns = [info.display_name for info in shown(run).experiment().hparam_infos]
    assert columns == ["bidirectional", "hidden_size", "num_layers"]


def test_runs_outside_of_a_sweep_are_shown_once_by_their_run_id(sweep, runs_at):
    """They get no readable names, because each new run would change the names of all."""
    sweep.done("0" * 16, {"h": 0}, 0.9)
    sweep.add("1" * 16, {"h": 1}, [])  # It has no curves.
    renew(sweep.folder, images=1)
    assert runs_at(sweep.folder) == ["0" * 16, "1" * 16]


def test_curves_of_the_users_own_logger_are_shown_as_the_runs(sweep, runs_at, shown):
    run = sweep.add("0" * 16, {"h": 0}, [])
    sweep.done("1" * 16, {"h": 1}, 0.5)
    sweep.plan()
    mine = run.path / "lightning_logs" / "version_0"
    mine.mkdir(parents=True)
    EventFile(mine).write([(6, 1.7e9, {"val/acc": 0.5})])
    (file,) = mine.iterdir()
    file.rename(file.with_suffix(""))
    assert shown(sweep.folder).runs == ["h0", "h1"]
    assert runs_at(sweep.folder) == [f"{'0' * 16}/lightning_logs/version_0", f"{'1' * 16}/h1"]
    assert shown(sweep.folder).points("h0", "val/acc") == [(6, 0.5)]


def test_two_loggers_of_a_run_are_shown_as_two_runs(sweep, shown):
    run = sweep.done("0" * 16, {"h": 0}, 0.9)
    sweep.plan()
    mine = run.path / "version_0"
    mine.mkdir()
    EventFile(mine).write([(6, 1.7e9, {"loss": 0.5})])
    (file,) = mine.iterdir()
    file.rename(file.with_suffix(""))
    assert shown(sweep.folder).runs == ["run-00000000", "run-00000000/version_0"]


def test_the_view_shows_the_curves_of_the_run(sweep, shown):
    sweep.done("a" * 16, {"seed": 1}, 0.9)
    sweep.done("b" * 16, {"seed": 2}, 0.8)
    found = shown(sweep.folder)
    assert found.points("run-s1", "val/acc") == [(6, 0.7), (12, 0.8), (18, 0.9), (24, 0.85)]


def test_each_result_has_one_point_at_the_step_of_the_best_epoch(grid):
    found = grid.shown
    tags = [tag for tag in found.tags("h008-L1-bi-s0", "scalars") if tag.startswith("summary/")]
    assert tags == sorted(
        f"summary/{name}"
        for name in ("best_val_acc", "best_val_loss", "best_epoch", "test_acc", "test_f1",
                     "train_seconds", "params", "samples_per_s")
    )  # fmt: skip
    for tag in tags:
        points = found.points("h008-L1-bi-s0", tag)
        assert [step for step, _ in points] == [18]
    assert found.points("h008-L1-bi-s0", "summary/best_epoch") == [(18, 2)]


def test_hparams_shows_how_each_run_ended(sweep, shown):
    sweep.done("0", {"h": 0}, 0.9)
    sweep.finish(sweep.add("1", {"h": 1}, [0.1]), [0.1], status="diverged")
    sweep.add("2", {"h": 2}, [0.2]).fail(ValueError("no"))
    sweep.add("3", {"h": 3}, [0.3]).interrupt(KeyboardInterrupt())
    sweep.add("4", {"h": 4}, [0.4])
    with RunLock(sweep.add("5", {"h": 5}, [0.5]).path):
        found = shown(sweep.folder)
    assert found.statuses() == {
        "h0": "success", "h1": "failure", "h2": "failure",
        "h3": "unknown", "h4": "unknown", "h5": "unknown",
    }  # fmt: skip


def test_a_failed_run_that_was_resumed_and_completed_is_a_success(sweep, shown):
    run = sweep.add("0", {"h": 0}, [0.7, 0.8])
    sweep.done("1", {"h": 1}, 0.5)
    run.fail(ValueError("no"))
    assert shown(sweep.folder).statuses()["h0"] == "failure"
    run.interrupt(KeyboardInterrupt())
    assert shown(sweep.folder).statuses()["h0"] == "unknown"
    sweep.train(run, [0.9, 0.85], first=2)
    sweep.finish(run, [0.7, 0.8, 0.9, 0.85])
    found = shown(sweep.folder)
    assert found.statuses()["h0"] == "success"
    assert found.points("h0", "val/acc") == [(6, 0.7), (12, 0.8), (18, 0.9), (24, 0.85)]
    assert found.points("h0", "summary/best_val_acc") == [(18, 0.9)]


@pytest.mark.parametrize(
    ("monitor", "step", "value"), [("val/acc", 12, 0.8), ("train/loss", 12, 0.8), ("mine", 18, 0.3)]
)
def test_a_run_that_has_not_ended_shows_its_best_epoch_so_far(monitor, step, value, sweep, shown):
    """As in training, the monitor decides; without its metric, the last epoch is the best."""
    run = sweep.add("0", {"h": 0, "monitor": monitor}, [0.6, 0.8, 0.3])
    with (run.path / "metrics.csv").open("a") as file:
        file.write("3,24,0.1,0.0")  # A process is writing this line.
    sweep.add("1", {"h": 1, "monitor": monitor}, [])
    found = shown(sweep.folder)
    assert found.points("h0", "summary/best_val_acc") == [(step, value)]
    assert set(found.tags("h0", "scalars")) - {"summary/best_train_loss"} == {
        "summary/best_epoch", "summary/best_val_acc", "summary/best_val_loss",
        "train/loss", "val/acc", "val/loss",
    }  # fmt: skip
    assert "h1" in found.statuses()


def test_the_view_leaves_out_numbers_that_are_missing(sweep, shown):
    run = sweep.add("0", {"h": 0}, [0.5])
    config = sweep.configs["0"]
    run.finish({"status": "diverged", "config": config, "metrics": {"val/acc": None}, "params": 3})
    found = shown(sweep.folder)
    assert [tag for tag in found.tags(found.runs[0], "scalars") if "summary" in tag] == [
        "summary/params"
    ]


def test_a_second_renewal_writes_no_file(sweep):
    sweep.grid()
    sweep.add("f" * 16, {"model.hidden_size": 8, "seed": 5}, [0.4]).fail(ValueError("no"))
    sweep.plan()
    view = renew(sweep.folder, images=0)
    before = listing(sweep.folder)
    assert renew(sweep.folder, images=0) == view
    assert listing(sweep.folder) == before
    for path in sweep.folder.rglob(f"*{MADE}*"):
        path.unlink()
    renew(sweep.folder, images=0)
    assert listing(sweep.folder).keys() == before.keys()


def test_a_renewal_does_not_change_the_files_of_the_runs(sweep):
    sweep.grid()
    before = listing(sweep.folder)
    renew(sweep.folder, images=0)
    after = listing(sweep.folder)
    folders = {str(path.relative_to(sweep.folder)) for path in sweep.folder.iterdir()}
    assert {name: after[name] for name in before.keys() - folders} == {
        name: before[name] for name in before.keys() - folders
    }
    assert all(MADE in name for name in after.keys() - before.keys())


def test_a_renewal_writes_only_the_files_of_the_changed_run(sweep):
    sweep.grid()
    sweep.plan()
    renew(sweep.folder, images=0)
    before = made(sweep.folder)
    (sweep.folder / f"{3:08x}{0:08x}" / "record.json").unlink()
    renew(sweep.folder, images=0)
    changed = {run for name, run in made(sweep.folder).items() if name not in before}
    assert changed == {"h008-L2-bi-s0", "h008-L1-bi-s0"}  # The latter has the leaderboard.


def test_a_key_that_is_swept_later_appears_in_all_names_and_columns(sweep, shown, runs_at):
    best = sweep.grid()
    sweep.plan()
    renew(sweep.folder, images=1)
    sweep.done("e" * 16, {"model.hidden_size": 16, "model.num_layers": 1, "seed": 0,
                          "model.bidirectional": True, "model.cell": "gru"}, 0.99)  # fmt: skip
    for name in sorted(sweep.configs)[:-1]:
        record = json.loads((sweep.folder / name / "record.json").read_text())
        record["config"]["model.cell"] = sweep.configs[name]["model.cell"] = "rnn"
        (sweep.folder / name / "record.json").write_text(json.dumps(sealed(record)))
    sweep.plan()
    found = shown(sweep.folder)
    assert len(found.runs) == len(best) + 1
    assert [name.rpartition("/")[2] for name in runs_at(sweep.folder)] == [
        sweep.names()[path.name] for path in sorted(sweep.folder.glob("*/"))
    ]
    assert {"h016L1bigru-s0", "h016L1birnn-s0"} <= set(found.runs)
    columns = [info.display_name for info in found.experiment().hparam_infos]
    assert columns == ["bidirectional", "cell", "hidden_size", "num_layers"]
    assert len(found.groups()) == 13


def test_deleted_runs_disappear_from_the_view(sweep, shown):
    sweep.grid()
    shown(sweep.folder)
    for path in sorted(sweep.folder.glob("0*"))[4:]:
        shutil.rmtree(path)
    assert shown(sweep.folder).runs == ["bi-s0", "bi-s1", "uni-s0", "uni-s1"]


def test_names_and_columns_cover_the_whole_sweep_from_its_start(sweep, shown):
    configs = {
        f"{n:016x}": {"seed": 0, "h": h, "monitor": "val/acc"} for n, h in enumerate((4, 8, 128))
    }
    SweepFile(["seqsweep"], 0.0, configs).write(sweep.folder)
    sweep.done(f"{0:016x}", configs[f"{0:016x}"], 0.9)
    found = shown(sweep.folder)
    assert found.runs == ["h004"]
    (column,) = found.experiment().hparam_infos
    assert [value.number_value for value in column.domain_discrete.values] == [4, 8, 128]


def test_a_picture_moves_with_its_run(sweep):
    for size in (4, 8):
        sweep.done(f"{size}", {"h": size}, 0.9)
    sweep.plan()
    renew(sweep.folder, images=2)
    before = {path.name: path.stat().st_ino for path in sweep.folder.rglob("*.images")}
    sweep.done("16", {"h": 16}, 0.1)
    sweep.plan()
    renew(sweep.folder, images=2)
    after = {path.name: path.stat().st_ino for path in sweep.folder.rglob("*.images")}
    assert len(after) == 2
    assert after == before
    assert set(made(sweep.folder, "images").values()) == {"h04", "h08"}


def test_the_best_runs_have_pictures_of_the_promised_size(grid):
    found = grid.shown
    pictured = [name for name in found.runs if found.tags(name, "images")]
    assert pictured == sorted(sorted(grid.best, key=grid.best.__getitem__)[-3:])
    tags = ["visual/confusion", "visual/gradient_through_time", "visual/states"]
    assert found.tags(pictured[0], "images") == tags
    for tag in tags:
        (event,) = found.events.Tensors(pictured[0], tag)
        width, height, png = event.tensor_proto.string_val
        assert (int(width), int(height)) == (WIDTH, HEIGHT)
        assert png.startswith(b"\x89PNG\r\n")
        assert event.step == 18


def test_without_a_number_the_number_of_pictures_stays(sweep):
    for size in (8, 16, 32):
        sweep.done(f"{size:02}", {"h": size}, size / 100)
    renew(sweep.folder, images=None)
    assert made(sweep.folder, "images") == {}
    renew(sweep.folder, images=2)
    two = made(sweep.folder, "images")
    renew(sweep.folder, images=None)
    assert len(two) == 2 and made(sweep.folder, "images") == two


def test_with_zero_images_no_picture_is_drawn(sweep, shown, monkeypatch):
    sweep.grid()
    monkeypatch.setattr(Plot, "png", lambda _: pytest.fail("drawn"))
    renew(sweep.folder, images=0)
    assert made(sweep.folder, "images") == {}


def test_a_run_without_confusion_and_diagnosis_has_no_pictures(sweep):
    """The run is of an earlier version, and its diagnosis is damaged."""
    run = sweep.add("0", {"h": 0}, [0.5])
    sweep.finish(run, [0.5], confusion={}, classes=[])
    (run.path / "diagnostics.json").write_text('{"gradient": ')
    renew(sweep.folder)
    assert made(sweep.folder, "images") == {}


def test_with_diagnostics_off_a_run_has_no_pictures(sweep):
    """It has not even the confusion, which the record contains in any case."""
    sweep.done("0", {"h": 0, "diagnostics": False}, 0.9)
    sweep.done("1", {"h": 1, "diagnostics": True}, 0.5)
    sweep.plan()
    renew(sweep.folder)
    assert list(made(sweep.folder, "images").values()) == ["h1"]


def test_the_leaderboard_is_a_text_of_the_first_run(sweep, shown):
    """It is a code block, whose lines are indented and not wrapped."""
    sweep.done("0", {"h": 0, "x|<i>": "<b>\n# *"}, 0.5)
    sweep.done("1", {"h": 1, "x|<i>": "plain"}, 0.9)
    found = shown(sweep.folder)
    (text,) = texts(found, found.runs[0], "leaderboard")
    title, empty, head, *rows = text.splitlines()
    assert title.startswith("2 configs, by val/acc") and empty == ""
    assert all(line.startswith("    ") for line in (head, *rows))
    assert head.split()[:4] == ["#", "config", "seeds", "val/acc"]
    assert rows[0].split()[:4] == ["1", found.runs[1], "1", "0.9000"]
    assert len({len(line) for line in (head, *rows)}) == 1
    html = markdown.markdown(text)  # TensorBoard's page uses the same package.
    assert "<pre><code>" in html and "<h1>" not in html and "<i>" not in html
    assert found.tags(found.runs[1], "text") == []


def test_a_swept_class_is_one_column_with_the_last_part_of_its_name(sweep, shown):
    """The column is not called `_target_`, and the keys that follow from the class are absent."""
    sweep.done("0", {"optimizer._target_": "torch.optim.SGD", "optimizer.momentum": 0.9}, 0.5)
    sweep.done("1", {"optimizer._target_": "torch.optim.Adam"}, 0.9)
    found = shown(sweep.folder)
    (column,) = found.experiment().hparam_infos
    assert column.display_name == "optimizer"
    assert [value.string_value for value in column.domain_discrete.values] == ["Adam", "SGD"]


def test_the_leaderboard_names_a_swept_class_by_its_section(sweep, shown):
    sweep.done("0", {"optimizer._target_": "torch.optim.SGD"}, 0.5)
    sweep.done("1", {"optimizer._target_": "torch.optim.Adam"}, 0.9)
    found = shown(sweep.folder)
    (text,) = texts(found, found.runs[0], "leaderboard")
    rows = [line.split() for line in text.splitlines()[2:]]
    assert rows[0][-1] == "optimizer"
    assert [row[-1] for row in rows[1:]] == ["Adam", "SGD"]


def test_train_and_val_share_a_chart_for_at_most_eight_runs(sweep, shown):
    for size in range(8):
        sweep.add(f"{size}", {"h": size}, [0.5])
    (event,) = shown(sweep.folder).events.Tensors("h0", "custom_scalars__config__")
    layout = protos().layout.Layout.FromString(event.tensor_proto.string_val[0])
    charts = [list(chart.multiline.tag) for chart in layout.category[0].chart]
    assert charts == [[f"^train/{m}$", f"^val/{m}$"] for m in ("loss", "acc", "f1")]
    sweep.add("8", {"h": 8}, [0.5])
    assert shown(sweep.folder).tags("h0", "custom_scalars") == []


def test_hparams_shows_values_of_any_type(sweep, shown):
    """Mixed types become texts, many numbers a range. The seed of the data is an ordinary key."""
    for n in range(30):
        config = {"h": n, "x": [None, 0.5, "a"][n % 3], "y": [[1], [2]][n % 2], "data.seed": n % 2}
        sweep.add(f"{n:02}", config, [0.5])
    found = shown(sweep.folder)
    infos = {info.name: info for info in found.experiment().hparam_infos}
    kinds = {"data.seed": "seed", "h": "h", "x": "x", "y": "y"}
    assert {name: info.display_name for name, info in infos.items()} == kinds
    assert (infos["h"].domain_interval.min_value, infos["h"].domain_interval.max_value) == (0, 29)
    assert [v.string_value for v in infos["x"].domain_discrete.values] == ["0.5", "a", "null"]
    values = {group.hparams["x"].string_value for group in found.groups()}
    assert values == {"0.5", "a", "null"}


def test_a_single_run_has_a_view(sweep, shown):
    run = sweep.done("1522e41eb9badfd5", {"h": 0}, 0.9)
    for folder in (sweep.folder, run.path):
        found = shown(folder)
        assert found.runs == ["run-1522e41e"]
        assert found.points("run-1522e41e", "val/acc")[0] == (6, 0.7)
        assert found.statuses() == {"run-1522e41e": "success"}


def test_a_moved_sweep_is_shown_as_before(sweep, runs_at):
    sweep.grid()
    sweep.plan()
    renew(sweep.folder, images=0)
    before = runs_at(sweep.folder)
    moved = sweep.folder.with_name("moved")
    sweep.folder.rename(moved)
    assert runs_at(moved) == before


def test_runs_that_swap_their_files_swap_their_curves(sweep, shown):
    """The event file of one run gets the name of the other run's file."""
    sweep.done("0", {"h": 1}, 0.9)
    sweep.done("1", {"h": 2}, 0.5)
    shown(sweep.folder)
    (ours,) = (sweep.folder / "0").glob("events*.rows")
    (theirs,) = (sweep.folder / "1").glob("events*.rows")
    theirs.rename(theirs.with_name(ours.name))
    (sweep.folder / "0").rename(sweep.folder / "2")
    found = shown(sweep.folder)
    assert found.points("h1", "val/acc")[2] == (18, 0.9)


def test_processes_may_renew_a_view_at_the_same_time(sweep, shown, runs_at):
    """The names change meanwhile; the result is that of one process alone."""
    for size in (4, 8, 16):
        sweep.done(f"{size:02}", {"h": size}, 0.9)
    with ThreadPoolExecutor(4) as pool:
        for size in (32, 128, 1024):
            sweep.plan()
            renewals = [pool.submit(renew, sweep.folder, 0) for _ in range(8)]
            sweep.done(f"{size:02}", {"h": size}, 0.9)
            for renewal in renewals:
                renewal.result()
    sweep.plan()
    names = ["h0004", "h0008", "h0016", "h0032", "h0128", "h1024"]
    assert shown(sweep.folder).runs == names
    assert sorted(name.partition("/")[2] for name in runs_at(sweep.folder)) == names
    assert not list(sweep.folder.rglob("*.tmp"))


def test_other_files_beside_the_curves_are_not_removed(sweep):
    sweep.done("0", {"h": 1}, 0.9)
    sweep.plan()
    renew(sweep.folder, images=0)
    notes = sweep.folder / "0" / "run-0" / "notes.txt"
    notes.write_text("mine")
    sweep.done("1", {"h": 2}, 0.9)
    sweep.plan()
    renew(sweep.folder, images=0)
    assert notes.read_text() == "mine"


@pytest.mark.parametrize(
    ("make", "error"), [(False, FileNotFoundError), (True, ValueError)], ids=["absent", "empty"]
)
def test_a_folder_without_runs_is_refused(make, error, tmp_path):
    folder = tmp_path / "x"
    if make:
        folder.mkdir()
    with pytest.raises(error, match="x: no"):
        renew(folder)


def test_a_negative_number_of_images_is_refused(sweep):
    sweep.done("0", {"h": 1}, 0.9)
    with pytest.raises(ValueError, match="images=-1: must be at least 0"):
        renew(sweep.folder, images=-1)


def test_the_versions_of_a_view_change_with_metadata_and_status(sweep):
    run = sweep.add("0", {"h": 0}, [0.7])
    sweep.done("1", {"h": 1}, 0.9)
    before = renew(sweep.folder, images=0)
    assert before.configs == {"h0": "h0", "h1": "h1"}
    assert [status for _, status in before.versions.values()] == ["unknown", "success"]
    sweep.finish(run, [0.7])
    after = renew(sweep.folder, images=0)
    assert after.versions["h0"] == (before.versions["h0"][0], "success")
    sweep.done("2", {"h": 2}, 0.9)
    assert renew(sweep.folder, images=0).versions["h0"] != after.versions["h0"]
