"""TensorBoard's view of a sweep, as TensorBoard's own backends read it."""

import os
import shutil
import statistics
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from seqsweep.results.tensorboard import figures
from seqsweep.results.tensorboard.events import protos
from seqsweep.results.tensorboard.view import renew, renew_view
from seqsweep.runs.lock import RunLock
from seqsweep.runs.sweepfile import SweepFile

METRICS = ["best val acc", "test acc", "test f1", "train seconds", "parameters", "samples/s"]


def listing(view: Path) -> dict[str, tuple[int, int]]:
    """Every file of a view: which one it is, and when it was written."""
    found = {str(path.relative_to(view)): path.lstat() for path in view.rglob("*")}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in found.items()}


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


def test_a_row_is_a_config_with_the_mean_of_its_seeds(grid):
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


def test_sorting_by_the_best_accuracy_puts_the_best_config_first(grid):
    best = grid.best
    groups = grid.shown.groups(sort_by="summary/best_val_acc")
    configs = {name.removesuffix("-s0") for name in best if name.endswith("-s0")}
    expected = sorted(configs, key=lambda name: -best[f"{name}-s0"] - best[f"{name}-s1"])
    assert [group.name for group in groups] == expected


def test_runs_have_readable_names_and_there_is_no_other_run(grid):
    assert (grid.folder / "tensorboard").is_dir()
    assert grid.shown.runs == sorted(grid.best)


def test_the_curves_are_the_runs_own(sweep, shown):
    sweep.done("a" * 16, {"seed": 1}, 0.9)
    sweep.done("b" * 16, {"seed": 2}, 0.8)
    found = shown(sweep.folder)
    assert found.points("run-s1", "val/acc") == [(6, 0.7), (12, 0.8), (18, 0.9), (24, 0.85)]


def test_there_is_one_point_of_each_result_at_the_step_of_the_best_epoch(grid):
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


def test_the_status_is_how_the_run_stands(sweep, shown):
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


def test_a_run_that_failed_and_was_resumed_to_its_end_is_a_success(sweep, shown):
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
def test_a_run_that_has_not_ended_has_its_best_so_far(monitor, step, value, sweep, shown):
    """By its monitor; of a metric that it does not log, its last epoch: as in training."""
    run = sweep.add("0", {"h": 0, "monitor": monitor}, [0.6, 0.8, 0.3])
    with (run.path / "metrics.csv").open("a") as file:
        file.write("3,24,0.1,0.0")  # half a line of a process that writes just now
    sweep.add("1", {"h": 1, "monitor": monitor}, [])
    found = shown(sweep.folder)
    assert found.points("h0", "summary/best_val_acc") == [(step, value)]
    assert found.tags("h0", "scalars") == [
        "summary/best_epoch", "summary/best_val_acc", "summary/best_val_loss",
        "train/loss", "val/acc", "val/loss",
    ]  # fmt: skip
    assert "h1" in found.statuses()


def test_numbers_that_are_none_are_left_out(sweep, shown):
    run = sweep.add("0", {"h": 0}, [0.5])
    config = sweep.configs["0"]
    run.finish({"status": "diverged", "config": config, "metrics": {"val/acc": None}, "params": 3})
    found = shown(sweep.folder)
    assert [tag for tag in found.tags(found.runs[0], "scalars") if "summary" in tag] == [
        "summary/params"
    ]


def test_a_second_time_writes_nothing(sweep):
    sweep.grid()
    sweep.add("f" * 16, {"model.hidden_size": 8, "seed": 5}, [0.4]).fail(ValueError("no"))
    view = renew(sweep.folder, images=0)
    before = listing(view)
    assert renew(sweep.folder, images=0) == view
    assert listing(view) == before
    shutil.rmtree(view)
    assert listing(renew(sweep.folder, images=0)).keys() == before.keys()


def test_nothing_is_written_into_the_folders_of_the_runs(sweep):
    sweep.grid()
    before = listing(sweep.folder)
    view = renew(sweep.folder, images=0)
    after = listing(sweep.folder)
    inside = {name for name in after if Path(name).parts[0] == view.name}
    assert {name: after[name] for name in after.keys() - inside} == before


def test_only_the_run_that_has_changed_is_written_again(sweep):
    sweep.grid()
    view = renew(sweep.folder, images=0)
    before = listing(view)
    run = sweep.add("f" * 16, {"model.hidden_size": 8, "model.num_layers": 1, "seed": 1,
                               "model.bidirectional": True, "threads": 2}, [0.4])  # fmt: skip
    shutil.rmtree(run.path)
    folder = sweep.folder / f"{3:08x}{0:08x}"
    (folder / "record.json").unlink()
    renew(sweep.folder, images=0)
    after = listing(view)
    changed = {Path(name).parts[0] for name in before if after.get(name) != before[name]}
    board = "h008-L1-bi-s0"
    assert changed <= {"h008-L2-bi-s0", board}


def test_a_key_that_is_swept_later_is_in_all_names_and_columns(sweep, shown):
    best = sweep.grid()
    sweep.done("e" * 16, {"model.hidden_size": 16, "model.num_layers": 1, "seed": 0,
                          "model.bidirectional": True, "model.cell": "gru"}, 0.99)  # fmt: skip
    for name in sorted(sweep.configs)[:-1]:
        config = sweep.configs[name] | {"model.cell": "rnn"}
        shutil.rmtree(sweep.folder / name)
        sweep.done(name, config, 0.6)
    renew(sweep.folder, images=0)
    found = shown(sweep.folder)
    assert len(found.runs) == len(best) + 1
    assert {"h016L1bigru-s0", "h016L1birnn-s0"} <= set(found.runs)
    columns = [info.display_name for info in found.experiment().hparam_infos]
    assert columns == ["bidirectional", "cell", "hidden_size", "num_layers"]
    assert len(found.groups()) == 13


def test_runs_that_are_gone_are_gone_from_the_view(sweep, shown):
    sweep.grid()
    renew(sweep.folder, images=0)
    for path in sorted(sweep.folder.glob("0*"))[4:]:
        shutil.rmtree(path)
    assert shown(sweep.folder).runs == ["bi-s0", "bi-s1", "uni-s0", "uni-s1"]


def test_names_and_columns_are_those_of_the_whole_sweep_from_its_start(sweep, shown):
    configs = {
        f"{n:016x}": {"seed": 0, "h": h, "monitor": "val/acc"} for n, h in enumerate((4, 8, 128))
    }
    SweepFile(["seqsweep"], 0.0, configs).write(sweep.folder)
    sweep.done(f"{0:016x}", configs[f"{0:016x}"], 0.9)
    found = shown(sweep.folder)
    assert found.runs == ["h004"]
    (column,) = found.experiment().hparam_infos
    assert [value.number_value for value in column.domain_discrete.values] == [4, 8, 128]


def test_a_file_that_two_runs_have_alike_stays_with_both(sweep, shown):
    """Seeds of one config that have begun in the same second, before their first epoch."""
    for run_id, config in enumerate(({"h": 1, "seed": 0}, {"h": 1, "seed": 1}, {"h": 0, "seed": 0},
                                     {"h": 0, "seed": 1})):  # fmt: skip
        sweep.add(str(run_id), config, [])
        renew(sweep.folder, images=0)
    view = renew(sweep.folder, images=0)
    before = listing(view)
    assert len(list(view.glob("*/*.hparams"))) == 4
    renew(sweep.folder, images=0)
    assert listing(view) == before
    assert len(shown(sweep.folder).statuses()) == 4


def test_a_picture_moves_with_its_run(sweep):
    for size in (4, 8):
        sweep.done(f"{size}", {"h": size}, 0.9)
    before = {
        path.name: path.stat().st_ino for path in renew(sweep.folder, images=2).rglob("*.images")
    }
    sweep.done("16", {"h": 16}, 0.1)
    view = renew(sweep.folder, images=2)
    after = {path.name: path.stat().st_ino for path in view.rglob("*.images")}
    assert len(after) == 2
    assert after == before
    assert {path.parent.name for path in view.rglob("*.images")} == {"h04", "h08"}


def test_the_best_runs_have_pictures_of_the_promised_size(grid):
    found = grid.shown
    pictured = [name for name in found.runs if found.tags(name, "images")]
    assert pictured == sorted(sorted(grid.best, key=grid.best.__getitem__)[-3:])
    tags = ["visual/confusion", "visual/gradient_through_time", "visual/states"]
    assert found.tags(pictured[0], "images") == tags
    for tag in tags:
        (event,) = found.events.Tensors(pictured[0], tag)
        width, height, png = event.tensor_proto.string_val
        assert (int(width), int(height)) == (figures.WIDTH, figures.HEIGHT)
        assert png.startswith(b"\x89PNG\r\n")
        assert event.step == 18


def test_pictures_stay_as_many_as_they_are_where_nobody_says_how_many(sweep):
    def pictures() -> list[str]:
        return sorted(path.name for path in (sweep.folder / "tensorboard").glob("*/*.images"))

    for size in (8, 16, 32):
        sweep.done(f"{size:02}", {"h": size}, size / 100)
    renew(sweep.folder, images=None)
    assert pictures() == []
    renew(sweep.folder, images=2)
    two = pictures()
    renew(sweep.folder, images=None)
    assert len(two) == 2 and pictures() == two


def test_no_picture_is_drawn_where_none_is_wanted(sweep, shown, monkeypatch):
    sweep.grid()
    monkeypatch.setattr(figures, "_png", lambda *_, **__: pytest.fail("drawn"))
    view = renew(sweep.folder, images=0)
    assert not list(view.rglob("*.images"))


def test_a_run_without_confusion_and_diagnosis_has_no_pictures(sweep):
    """As runs of before, or with the switch off, or with half a file."""
    run = sweep.add("0", {"h": 0}, [0.5])
    sweep.finish(run, [0.5], confusion={}, classes=[])
    (run.path / "diagnostics.json").write_text('{"gradient": ')
    assert not list(renew(sweep.folder).rglob("*.images"))


def test_the_switch_turns_all_pictures_off(sweep):
    """The confusion of the test split too, which a record has in any case."""
    sweep.done("0", {"h": 0, "diagnostics": False}, 0.9)
    sweep.done("1", {"h": 1, "diagnostics": True}, 0.5)
    (picture,) = renew(sweep.folder).rglob("*.images")
    assert picture.parent.name == "h1"


def test_the_leaderboard_is_a_text_of_the_first_run(sweep, shown):
    sweep.done("0", {"h": 0, "x|<i>": "<b>|*"}, 0.5)
    sweep.done("1", {"h": 1, "x|<i>": "plain"}, 0.9)
    found = shown(sweep.folder)
    (text,) = texts(found, found.runs[0], "leaderboard")
    lines = text.splitlines()
    assert lines[0].startswith("2 configs, by val/acc")
    assert [cell.strip() for cell in lines[4].split("|")[1:5]] == ["1", found.runs[1], "1", "plain"]
    assert "<" not in text
    assert len({line.count("|") for line in lines[2:6]}) == 1
    assert "x&#124;&#60;i&#62;" in lines[2]
    assert found.tags(found.runs[1], "text") == []


def test_a_choice_is_one_column_of_last_names(sweep, shown):
    """Not its `_target_`, and nothing that it brings along."""
    sweep.done("0", {"optimizer._target_": "torch.optim.SGD", "optimizer.momentum": 0.9}, 0.5)
    sweep.done("1", {"optimizer._target_": "torch.optim.Adam"}, 0.9)
    found = shown(sweep.folder)
    (column,) = found.experiment().hparam_infos
    assert column.display_name == "optimizer"
    assert [value.string_value for value in column.domain_discrete.values] == ["Adam", "SGD"]


def test_the_leaderboard_names_a_choice_by_its_section(sweep, shown):
    sweep.done("0", {"optimizer._target_": "torch.optim.SGD"}, 0.5)
    sweep.done("1", {"optimizer._target_": "torch.optim.Adam"}, 0.9)
    found = shown(sweep.folder)
    (text,) = texts(found, found.runs[0], "leaderboard")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[2:]]
    assert rows[0][2] == "optimizer"
    assert [row[2] for row in rows[2:]] == ["Adam", "SGD"]


def test_train_and_val_share_a_chart(grid):
    (event,) = grid.shown.events.Tensors("h008-L1-bi-s0", "custom_scalars__config__")
    layout = protos().layout.Layout.FromString(event.tensor_proto.string_val[0])
    charts = [list(chart.multiline.tag) for chart in layout.category[0].chart]
    assert charts == [[f"^train/{m}$", f"^val/{m}$"] for m in ("loss", "acc", "f1")]


def test_values_of_any_kind_are_shown(sweep, shown):
    """Mixed ones as texts, many numbers by a range; a seed of the data is a key like others."""
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


def test_a_single_run_has_a_view_too(sweep, shown):
    run = sweep.done("1522e41eb9badfd5", {"h": 0}, 0.9)
    for folder in (sweep.folder, run.path):
        found = shown(folder)
        assert found.runs == ["run-1522e41e"]
        assert found.points("run-1522e41e", "val/acc")[0] == (6, 0.7)
        assert found.statuses() == {"run-1522e41e": "success"}


def test_links_are_relative(sweep, shown):
    sweep.grid()
    renew(sweep.folder, images=0)
    moved = sweep.folder.with_name("moved")
    sweep.folder.rename(moved)
    assert shown(moved, renewed=False).points("h008-L1-bi-s0", "val/acc")


def test_without_symbolic_links_there_are_hard_ones(sweep, shown, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    sweep.grid()
    view = renew(sweep.folder, images=0)
    assert not [path for path in view.rglob("*") if path.is_symlink()]
    before = listing(view)
    renew(sweep.folder, images=0)
    assert listing(view) == before
    assert shown(sweep.folder).points("h008-L1-bi-s0", "val/acc")
    shutil.rmtree(sweep.folder / f"{0:016x}")
    assert "h008-L1-uni-s0" not in shown(sweep.folder).runs


def test_a_link_follows_its_run(sweep, shown):
    """Two runs that change places under their names: a copy has the file names of the first."""
    sweep.done("0", {"h": 1}, 0.9)
    sweep.done("1", {"h": 2}, 0.5)
    (ours,) = (sweep.folder / "0").glob("events*")
    (theirs,) = (sweep.folder / "1").glob("events*")
    theirs.rename(theirs.with_name(ours.name))
    renew(sweep.folder, images=0)
    (sweep.folder / "0").rename(sweep.folder / "2")
    found = shown(sweep.folder)
    assert found.points("h1", "val/acc")[2] == (18, 0.9)


def test_two_may_renew_at_once(sweep, shown):
    """While the names change: in the end the view is that of one alone."""
    for size in (4, 8, 16):
        sweep.done(f"{size:02}", {"h": size}, 0.9)
    with ThreadPoolExecutor(4) as pool:
        for size in (32, 128, 1024):
            renewals = [pool.submit(renew, sweep.folder, 0) for _ in range(8)]
            sweep.done(f"{size:02}", {"h": size}, 0.9)
            for renewal in renewals:
                renewal.result()
    found = shown(sweep.folder)
    assert found.runs == ["h0004", "h0008", "h0016", "h0032", "h0128", "h1024"]
    assert not list((sweep.folder / "tensorboard").glob("*.tmp"))


@pytest.mark.parametrize("make", ["file", "folder", "link"])
def test_what_is_not_ours_is_left_alone(make, sweep):
    sweep.done("0", {"h": 1}, 0.9)
    view = sweep.folder / "tensorboard"
    if make == "file":
        view.write_text("mine")
    elif make == "link":
        other = sweep.folder.with_name("other")
        other.mkdir()
        view.symlink_to(other)
    else:
        view.mkdir()
        (view / "mine").write_text("mine")
    with pytest.raises(ValueError, match=r"tensorboard: .*move it away"):
        renew(sweep.folder, images=0)
    assert os.path.lexists(view)


def test_files_of_others_in_the_view_stay(sweep):
    sweep.grid()
    view = renew(sweep.folder, images=0)
    kept = [view / "h008-L1-bi-s0" / "notes.txt", view / "mine" / "events.out.tfevents.1.x.2.3"]
    kept[1].parent.mkdir()
    for path in kept:
        path.write_text("mine")
    shutil.rmtree(sweep.folder / f"{1:08x}{0:08x}")
    renew(sweep.folder, images=0)
    assert [path.read_text() for path in kept] == ["mine", "mine"]


def test_what_a_killed_process_had_begun_is_removed(sweep):
    sweep.done("0", {"h": 1}, 0.9)
    view = renew(sweep.folder, images=0)
    old, new = view / ".1-2.tmp", view / ".1-3.tmp"
    for path in (old, new):
        path.write_text("half")
    os.utime(old, (0, 0))
    renew(sweep.folder, images=0)
    assert (old.exists(), new.exists()) == (False, True)


@pytest.mark.parametrize(
    ("make", "error"), [(False, FileNotFoundError), (True, ValueError)], ids=["absent", "empty"]
)
def test_a_folder_without_runs_is_refused(make, error, tmp_path):
    folder = tmp_path / "x"
    if make:
        folder.mkdir()
    with pytest.raises(error, match="x: no"):
        renew(folder)
    assert not (folder / "tensorboard").exists()


def test_fewer_pictures_than_none_are_refused(sweep):
    sweep.done("0", {"h": 1}, 0.9)
    with pytest.raises(ValueError, match="images=-1: must be at least 0"):
        renew(sweep.folder, images=-1)


def test_a_view_tells_what_a_server_would_not_notice(sweep):
    run = sweep.add("0", {"h": 0}, [0.7])
    sweep.done("1", {"h": 1}, 0.9)
    before = renew_view(sweep.folder, images=0)
    assert before.configs == {"h0": "h0", "h1": "h1"}
    assert [status for _, status in before.shown.values()] == ["unknown", "success"]
    sweep.finish(run, [0.7])
    after = renew_view(sweep.folder, images=0)
    assert after.shown["h0"] == (before.shown["h0"][0], "success")
    sweep.done("2", {"h": 2}, 0.9)
    assert renew_view(sweep.folder, images=0).shown["h0"] != after.shown["h0"]
