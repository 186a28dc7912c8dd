"""TensorBoard shows each run once, by a readable name, and HParams the swept keys and metrics."""

import shutil
import statistics

import pytest
from own_metric_runs import finish_own_runs, value

from seqsweep.results.tensorboard.view import renew
from seqsweep.runs.eventfiles import NAMES
from seqsweep.runs.events import EventFile
from seqsweep.runs.lock import RunLock
from seqsweep.runs.sweepfile import SweepFile


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


def test_each_result_has_one_point_at_the_step_of_the_best_epoch(grid):
    found = grid.shown
    tags = [tag for tag in found.tags("h008-L1-bi-s0", "scalars") if tag.startswith("summary/")]
    assert tags == sorted(
        f"summary/{name}"
        for name in ("best_val_acc", "best_val_loss", "best_epoch", "test_acc", "test_f1",
                     "train_seconds", "params", "samples_per_s")
    )  # fmt: skip
    steps = [[step for step, _ in found.points("h008-L1-bi-s0", tag)] for tag in tags]
    assert steps == [[18]] * len(tags)
    assert found.points("h008-L1-bi-s0", "summary/best_epoch") == [(18, 2)]


def test_the_text_page_has_the_full_name_of_each_config(sweep, shown):
    """Also of those that are not among the best of the leaderboard, or have not ended."""
    module = "seqsweep.models.classifier"
    sweep.done("0", {"model._target_": f"{module}.SimpleRNN"}, 0.5)
    sweep.add("1", {"model._target_": f"{module}.BiDirectionalRNN"}, [0.4])
    for number, file in enumerate(("one", "two")):
        sweep.add(f"own{number}", {"model._target_": f"{file}.Net"}, [0.4])
    found = shown(sweep.folder)
    (text,) = found.events.Tensors(found.runs[0], "names")[-1].tensor_proto.string_val
    _, *rows = [line.split() for line in text.decode().splitlines()[2:]]
    ours = [["bidire", "model=bidirectional"], ["simple", "model=simple"]]
    own = [["one.Ne", "model=one.Net"], ["two.Ne", "model=two.Net"]]
    assert rows == sorted(ours + own)


METRICS = ["best val acc", "test acc", "test f1", "train seconds", "parameters", "samples/s"]


def test_hparams_has_the_swept_keys_and_the_metrics_in_their_order(grid):
    found = grid.shown.experiment()
    columns = [(info.name, info.display_name, info.type) for info in found.hparam_infos]
    assert columns == [
        ("model.bidirectional", "bidirectional", 2),  # bool
        ("model.hidden_size", "hidden_size", 3),  # number
        ("model.num_layers", "num_layers", 3),
    ]
    assert [v.bool_value for v in found.hparam_infos[0].domain_discrete.values] == [False, True]
    assert [info.display_name for info in found.metric_infos] == METRICS


def test_the_ranking_metric_is_the_first_metric_of_hparams(sweep, shown):
    sweep.done("0", {"h": 0, "monitor": "val/loss"}, 0.9)
    sweep.done("1", {"h": 1, "monitor": "val/loss"}, 0.8)
    found = shown(sweep.folder)
    names = [info.display_name for info in found.experiment().metric_infos]
    assert names == ["best val loss", *METRICS]
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


def test_hparams_shows_how_each_run_ended(sweep, shown):
    sweep.done("0", {"h": 0}, 0.9)
    sweep.add("1", {"h": 1}, [0.1]).finish(
        {"status": "diverged", "config": sweep.configs["1"], "metrics": {"val/acc": None}}
    )
    sweep.add("2", {"h": 2}, [0.2]).fail(ValueError("no"))
    sweep.add("3", {"h": 3}, [0.3]).interrupt(KeyboardInterrupt())
    sweep.add("4", {"h": 4}, [0.4])
    with RunLock(sweep.add("5", {"h": 5}, [0.5]).path):
        found = shown(sweep.folder)
    assert found.statuses() == {
        "h0": "success", "h1": "failure", "h2": "failure",
        "h3": "unknown", "h4": "unknown", "h5": "unknown",
    }  # fmt: skip
    # A number that is missing is left out.
    assert not [tag for tag in found.tags("h1", "scalars") if "summary" in tag]


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


def test_hparams_shows_values_of_any_type(sweep, shown):
    """Mixed types become texts, many numbers a range, and classes the last part of their names."""
    for n in range(30):
        config = {"h": n, "x": [None, 0.5, "a"][n % 3], "y": [[1], [2]][n % 2], "data.seed": n % 2}
        config["optimizer._target_"] = f"torch.optim.{'SGD' if n % 5 else 'Adam'}"
        sweep.add(f"{n:02}", config, [0.5])
    found = shown(sweep.folder)
    infos = {info.name: info for info in found.experiment().hparam_infos}
    kinds = {"data.seed": "seed", "h": "h", "x": "x", "y": "y", "optimizer._target_": "optimizer"}
    assert {name: info.display_name for name, info in infos.items()} == kinds
    classes = infos["optimizer._target_"].domain_discrete.values
    assert [value.string_value for value in classes] == ["Adam", "SGD"]
    assert (infos["h"].domain_interval.min_value, infos["h"].domain_interval.max_value) == (0, 29)
    assert [v.string_value for v in infos["x"].domain_discrete.values] == ["0.5", "a", "null"]
    values = {group.hparams["x"].string_value for group in found.groups()}
    assert values == {"0.5", "a", "null"}


def test_a_users_own_metrics_are_columns_by_their_names(shown, tmp_path):
    folder = finish_own_runs(tmp_path / "a")
    (tmp_path / "a" / f"{14:016x}" / "record.json").unlink()
    found = shown(folder)
    columns = [info.name.tag for info in found.experiment().metric_infos]
    names = ["best_val_acc", "best_val_loss", "best_train_loss", "test_acc"]
    costs = ["train_seconds", "params", "samples_per_s"]
    assert columns == [f"summary/{name}" for name in names + costs]
    for name in ("val_acc", "val_loss", "train_loss", "test_acc"):
        tag = f"summary/{name if name == 'test_acc' else f'best_{name}'}"
        ((step, number),) = found.points("w04-s0", tag)
        assert (step, number) == (20, pytest.approx(value(name, 4, 0), abs=1e-4))
    assert renew(folder, images=0).monitor == "val_acc"
