"""TensorBoard shows each run once, by a readable name, and HParams the swept keys and metrics."""

import shutil
import statistics

import pytest
from own_metric_runs import finish_own_runs, value

from seqsweep.runs.events import EventFile
from seqsweep.runs.lock import RunLock
from seqsweep.runs.sweepfile import SweepFile


def test_a_copied_run_is_shown_wherever_it_lies(sweep, shown, tmp_path):
    sweep.grid()
    sweep.plan()
    alone = shown(sweep.folder / f"{0:016x}")
    assert alone.runs == ["h008-L1-uni-s0"]
    assert "names" in alone.tags("h008-L1-uni-s0", "text")
    columns = [info.display_name for info in alone.experiment().hparam_infos]
    assert columns == ["bidirectional", "hidden_size", "num_layers"]
    copy = shutil.copytree(sweep.folder / f"{0:016x}", tmp_path / "copies" / "mine")
    assert shown(copy).runs == ["run-mine"]


def test_curves_of_the_users_own_logger_are_shown_as_the_runs(sweep, shown):
    run = sweep.add("0" * 16, {"h": 0}, [])
    sweep.done("1" * 16, {"h": 1}, 0.5)
    mine = run.path / "lightning_logs" / "version_0"
    mine.mkdir(parents=True)
    EventFile(mine).write([(6, 1.7e9, {"val/acc": 0.5})])
    (file,) = mine.iterdir()
    file.rename(file.with_suffix(""))
    assert shown(sweep.folder).runs == ["h=0", "h=1"]
    assert shown(sweep.folder).points("h=0", "val/acc") == [(6, 0.5)]
    EventFile(run.path).write([(6, 1.7e9, {"val/acc": 0.6})])
    runs = ["h=0", "h=0/lightning_logs/version_0", "h=1"]
    assert shown(sweep.folder).runs == runs


METRICS = ["val/acc", "test/acc", "test/f1", "train_seconds", "params"]


def test_hparams_has_the_swept_keys_and_the_metrics_in_their_order(grid):
    found = grid.shown.experiment()
    columns = [(info.name, info.display_name, info.type) for info in found.hparam_infos]
    assert columns == [
        ("model.bidirectional", "bidirectional", 2),  # bool
        ("model.hidden_size", "hidden_size", 1),  # text: TensorBoard would write 8.0000
        ("model.num_layers", "num_layers", 1),
    ]
    sizes = [value.string_value for value in found.hparam_infos[1].domain_discrete.values]
    assert sizes == ["  8", " 16", "128"]
    assert [v.bool_value for v in found.hparam_infos[0].domain_discrete.values] == [False, True]
    assert [info.display_name for info in found.metric_infos] == METRICS


def test_a_row_of_hparams_is_a_config_with_the_mean_of_its_seeds(grid):
    groups = grid.shown.groups()
    assert len(groups) == 12
    for group in groups:
        names = [f"{group.name}-s0", f"{group.name}-s1"]
        assert [session.name for session in group.sessions] == names
        means = {value.name.tag: value.value for value in group.metric_values}
        mean = statistics.fmean(grid.best[name] for name in names)
        assert means["mean/val/acc"] == pytest.approx(mean)
        assert means["mean/test/acc"] == pytest.approx(mean - 0.01)
        assert means["mean/params"] == 1234
        values = group.hparams
        assert values["model.bidirectional"].bool_value is ("-bi" in group.name)
        assert values["model.hidden_size"].string_value == f"{int(group.name[1:4]):3}"


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
        "h=0": "success", "h=1": "failure", "h=2": "failure",
        "h=3": "unknown", "h=4": "unknown", "h=5": "unknown",
    }  # fmt: skip
    # A run that does not count has no mean.
    assert not [tag for tag in found.tags("h=1", "scalars") if "mean" in tag]


def test_names_and_columns_cover_the_whole_sweep_from_its_start(sweep, shown):
    configs = {
        f"{n:016x}": {"seed": 0, "h": h, "monitor": "val/acc"} for n, h in enumerate((4, 8, 128))
    }
    SweepFile(["seqsweep"], 0.0, configs).write(sweep.folder)
    sweep.done(f"{0:016x}", configs[f"{0:016x}"], 0.9)
    found = shown(sweep.folder)
    assert found.runs == ["h=004"]
    (column,) = found.experiment().hparam_infos
    assert [v.string_value.strip() for v in column.domain_discrete.values] == ["4", "8", "128"]


def test_hparams_shows_values_of_mixed_types_as_texts(sweep, shown):
    for number, mixed in enumerate((None, 0.5, "a")):
        sweep.add(f"{number}", {"x": mixed}, [0.5])
    found = shown(sweep.folder)
    (info,) = found.experiment().hparam_infos
    assert [v.string_value for v in info.domain_discrete.values] == ["0.5", "a", "null"]
    assert {g.hparams["x"].string_value for g in found.groups()} == {"0.5", "a", "null"}


def test_a_users_own_metrics_are_columns_by_their_names(shown, tmp_path):
    folder = finish_own_runs(tmp_path / "a")
    (tmp_path / "a" / f"{14:016x}" / "record.json").unlink()
    found = shown(folder)
    columns = [info.name.tag for info in found.experiment().metric_infos]
    names = ["val_acc", "test_acc", "val_loss", "train_loss"]
    assert columns == [f"mean/{name}" for name in (*names, "train_seconds", "params")]
    for name in names:
        ((step, number),) = found.points("width=04-s0", f"mean/{name}")
        mean = statistics.fmean(value(name, 4, seed) for seed in range(5))
        assert (step, number) == (20, pytest.approx(mean, abs=1e-4))
