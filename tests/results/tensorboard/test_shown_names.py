"""TensorBoard shows each run once, under a readable name, with its curves, results and texts."""

import shutil

from seqsweep.results.tensorboard.view import renew
from seqsweep.runs.eventfiles import NAMES
from seqsweep.runs.events import EventFile


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
    alone = shown(sweep.folder / f"{0:016x}")
    assert alone.runs == ["h008-L1-uni-s0"]
    columns = [info.display_name for info in alone.experiment().hparam_infos]
    assert columns == ["bidirectional", "hidden_size", "num_layers"]
    copy = shutil.copytree(sweep.folder / f"{0:016x}", tmp_path / "copies" / "mine")
    assert runs_at(copy) == ["h008-L1-uni-s0"]
    assert shown(copy).runs == ["run-mine"]
    assert not (tmp_path / "copies" / NAMES).exists()


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


def test_a_single_run_has_a_view(sweep, shown):
    run = sweep.done("1522e41eb9badfd5", {"h": 0}, 0.9)
    for folder in (sweep.folder, run.path):
        found = shown(folder)
        assert found.runs == ["run-1522e41e"]
        assert found.points("run-1522e41e", "val/acc")[0] == (6, 0.7)
        assert found.statuses() == {"run-1522e41e": "success"}


def test_the_view_leaves_out_numbers_that_are_missing(sweep, shown):
    run = sweep.add("0", {"h": 0}, [0.5])
    config = sweep.configs["0"]
    run.finish({"status": "diverged", "config": config, "metrics": {"val/acc": None}, "params": 3})
    found = shown(sweep.folder)
    assert [tag for tag in found.tags(found.runs[0], "scalars") if "summary" in tag] == [
        "summary/params"
    ]


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


def test_the_text_page_has_the_full_name_of_each_config(sweep, shown):
    """Also of those that are not among the best of the leaderboard, or have not ended."""
    module = "seqsweep.models.classifier"
    for number, name in enumerate(("SimpleRNN", "MultiLayerRNN")):
        sweep.done(str(number), {"model._target_": f"{module}.{name}"}, 0.5)
    sweep.add("2", {"model._target_": f"{module}.BiDirectionalRNN"}, [0.4])
    found = shown(sweep.folder)
    (text,) = found.events.Tensors(found.runs[0], "names")[-1].tensor_proto.string_val
    assert [line.split() for line in text.decode().splitlines()[2:]] == [
        ["config", "full", "name"],
        ["bidire", "model=bidirectional"],
        ["multil", "model=multilayer"],
        ["simple", "model=simple"],
    ]
