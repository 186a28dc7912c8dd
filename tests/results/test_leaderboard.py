"""Seeds become mean and deviation; the validation metric orders rows, test never does."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_sweeps import Configs, id_of, runs_of, sweep_of
from own_metric_runs import DIRECTIONS, SEEDS, finish_own_runs, value

from seqsweep.results.leaderboard import Leaderboard, leaderboard
from seqsweep.results.power import plan_replicates
from seqsweep.results.replicates import Replicate
from seqsweep.results.words import leaderboard_notes
from seqsweep.runs.ledger import read_folder
from seqsweep.runs.run_folder import RunFolder


def board(folder: Path, configs: Configs, *given: Any, **record: Any) -> Leaderboard:
    """The leaderboard of a sweep."""
    record = {"data_fingerprint": "d"} | record
    return leaderboard(read_folder(sweep_of(folder, configs, *given, **record)))


def with_splits(**prints: str) -> dict[str, Any]:
    """Returns the part of a record that holds splits with these fingerprints."""
    return {"splits": {name: {"fingerprint": text} for name, text in prints.items()}}


def order(found: Leaderboard, key: str = "h") -> list[Any]:
    return [row.config[key] for row in found.rows]


def test_rows_with_equal_hits_tie_whatever_their_last_bit(tmp_path):
    """The hits 45 + 45 + 49 are as many as 45 + 46 + 48; the means differ by one bit."""
    runs = [
        {"h": h, "seed": seed, "val/acc": hits / 54, "val/loss": loss}
        for h, counts, loss in ((1, (45, 45, 49), 0.9), (2, (45, 46, 48), 0.1))
        for seed, hits in enumerate(counts)
    ]
    found = board(tmp_path, runs)
    first, second = (row.metrics["val/acc"].mean for row in found.rows)
    assert first != second
    assert order(found) == [2, 1]
    assert found.tied == 2


def test_runs_of_one_config_by_several_engines_or_devices_are_named(tmp_path):
    native, gpu = {"engine": "native", "device": "cpu"}, {"engine": "autograd", "device": "H100"}
    mixed, apart = (
        leaderboard_notes(
            board(tmp_path / key, {"h": (1, 2)}, 2, 0.9,
                  about=lambda c, key=key: gpu if c["h"] == 2 and c[key] else native)
        )
        for key in ("seed", "h")
    )  # fmt: skip
    words = "1 config with runs by autograd on H100 and native on cpu: they agree within rounding"
    assert [note.startswith(words) for note in mixed if "runs by" in note] == [True]
    assert not any("runs by" in note for note in apart)


def test_losses_of_different_training_losses_are_not_ranked(tmp_path):
    """A run without validation has only the training loss, whose scale differs between runs."""
    for monitor in ("train/loss", "val/acc"):
        axes = {"loss.label_smoothing": (0.1, 0.3), "monitor": [monitor]}
        found = board(
            tmp_path / monitor, axes, None,
            lambda c: dict.fromkeys(("train/loss", "train/acc"), c["loss.label_smoothing"]),
        )  # fmt: skip
        assert (found.monitor, order(found, "loss.label_smoothing")) == ("train/acc", [0.3, 0.1])


@pytest.mark.parametrize(
    ("other", "apart"),
    [
        (with_splits(val="v", test="t"), ""),
        (with_splits(val="v", test="u"), "other test set"),
        ({}, "unknown whether its validation and test sets are the same"),
    ],
)
def test_only_configs_with_equal_sets_are_compared(other, apart, tmp_path):
    found = board(
        tmp_path, {"h": (0, 1)}, 7, lambda c: 0.9 - c["h"] / 10 - c["seed"] / 99,
        about=lambda c: other if c["h"] else with_splits(val="v", test="t"),
    )  # fmt: skip
    first, second = found.rows
    assert first.difference is not None and first.difference.verdict == "best"
    assert second.apart == apart
    assert (second.difference is None) == bool(apart)
    notes = leaderboard_notes(found)
    assert (f"1 config not compared with the first: {apart}" in notes) == bool(apart)


def test_without_fingerprints_the_keys_that_cut_the_splits_stand_for_them(tmp_path):
    for key, apart in (("data.val_fraction", "other validation set"), ("data.batch_size", "")):
        found = board(tmp_path / key, {key: (0, 1)}, 1, 0.8)
        assert {row.apart for row in found.rows} == {"", apart}


def test_seeds_are_paired_if_their_sets_are_equal(tmp_path):
    """The module splits by the run's seed: seed 1 of the second config has another test set."""
    _, second = board(
        tmp_path, {"h": (0, 1)}, 3, lambda c: {"test/acc": 0.8 - c["h"] / 10 - c["seed"] / 99},
        about=lambda c: with_splits(test="012092"[3 * c["h"] + c["seed"]]),
    ).rows  # fmt: skip
    assert second.apart == ""
    assert second.difference is not None and second.difference.n == 2


@pytest.mark.parametrize("monitor", ["val/acc", "val/loss"])
def test_the_test_split_never_decides_the_order(monitor, tmp_path):
    """Equal rows have a fixed order, which the metric does not decide."""
    for name, tests in (("up", [0, 1, 2, 3]), ("down", [3, 2, 1, 0])):
        runs = [
            {"h": h, "monitor": monitor, "val/acc": 0.5, "val/loss": 0.5,
             "test/acc": test / 10, "test/f1": test / 10, "test/loss": -test}
            for h, test in enumerate(tests)
        ]  # fmt: skip
        assert order(board(tmp_path / name, runs)) == [0, 1, 2, 3]
        assert order(board(tmp_path / f"{name} again", runs[::-1])) == [0, 1, 2, 3]


def test_intervals_stay_within_what_the_metric_can_be(tmp_path):
    """The intervals of differences are clipped too; Student's t knows no bounds."""
    runs = [
        {"h": h, "seed": seed, "val/acc": acc, "val/loss": loss, "test/acc": acc, "own/x": loss}
        for h in (0, 1)
        for seed, (acc, loss) in enumerate(((1.0 - h, 0.0), (1.0 - h / 3, 2.0)))
    ]
    second = board(tmp_path, runs).rows[1]
    low_high = {name: (value.low, value.high) for name, value in second.metrics.items()}
    assert low_high["test/acc"] == (0.0, 1.0)
    assert low_high["val/loss"] == (0.0, pytest.approx(13.706, abs=0.001))
    assert low_high["own/x"] == (
        pytest.approx(-11.706, abs=0.001),
        pytest.approx(13.706, abs=0.001),
    )
    assert second.difference is not None and second.difference.interval is not None
    assert (second.difference.interval.low, second.difference.interval.high) == (-1.0, 1.0)


def test_a_metric_of_epochs_that_other_monitors_chose_is_called_so(tmp_path):
    monitors = ("val/acc", "val/loss")
    runs = [{"h": h, "monitor": m, "val/acc": 0.5, "val/loss": 0.5} for h, m in enumerate(monitors)]
    assert board(tmp_path, runs).chosen_by == "val/acc of each run's chosen epoch"


def test_planned_configs_decide_what_is_swept_and_what_is_missing(tmp_path):
    planned = runs_of({"monitor": ["val/acc"], "h": (1, 2), "c": "ab"}, 2)
    sweep_of(tmp_path, planned[:2], None, 0.5, data_fingerprint="d")
    RunFolder(tmp_path / "f").refuse(planned[2], RuntimeError("no"))
    found = leaderboard(read_folder(tmp_path), planned)
    assert found.keys == ["h", "c"]
    assert (found.grid.size, found.grid.complete, len(found.grid.missing)) == (8, 2, 6)
    assert found.missing_states == {"failed": 1, "not started": 5}


def test_the_same_seed_on_other_data_is_another_row(tmp_path):
    """A data file was changed between two sweeps with one seed each."""
    prints = {0.9: "1dbc993c8b49" * 2, 0.8: "1dbc993c77ff" * 2}
    for accuracy, text in prints.items():
        sweep_of(tmp_path, {"h": [1]}, 1, accuracy, data_fingerprint=text)
    found = leaderboard(read_folder(tmp_path))
    assert found.keys == ["data"]
    assert [row.config["data"] for row in found.rows] == ["1dbc993c8", "1dbc993c7"]
    assert found.left_out == 0


@pytest.mark.parametrize("newest", [0, 2])
def test_the_newest_of_runs_that_repeat_a_seed_counts(newest, tmp_path):
    """Two versions of seqsweep may give the same config different results."""
    runs = [{"h": 1, "seed": s, "val/acc": acc} for s, acc in ((0, 0.1), (1, 0.5), (0, 0.9))]
    sweep_of(tmp_path, runs)
    for number in range(3):
        ended = 200 if number == newest else 100
        os.utime(tmp_path / id_of(number) / "record.json", (ended, ended))
    found = leaderboard(read_folder(tmp_path))
    (row,) = found.rows
    assert (row.n, found.left_out) == (2, 1)
    scores = {Replicate(seed=0): runs[newest]["val/acc"], Replicate(seed=1): 0.5}
    assert row.samples["val/acc"] == scores
    assert [entry.folder.run_id for entry in row.entries] == [id_of(newest), id_of(1)]


def test_a_users_own_monitor_ranks_and_the_test_metric_of_its_kind_compares(tmp_path):
    found = leaderboard(read_folder(finish_own_runs(tmp_path)))
    assert (found.monitor, found.compared, found.epoch) == ("val_acc", "test_acc", "best")
    assert order(found, "model.width") == [8, 16, 4]
    means = [np.mean([value("test_acc", w, s) for s in SEEDS]) for w in (8, 16, 4)]
    assert [row.metrics["test_acc"].mean for row in found.rows] == pytest.approx(means)
    verdicts = [row.difference and row.difference.verdict for row in found.rows]
    assert verdicts == ["best", "undecided", "undecided"]
    # The scale of the metric is unknown, so no difference is small or large.
    assert plan_replicates(found) == {"have": 5, "least": 7}


def test_without_a_monitor_the_first_metric_ranks_by_its_direction(tmp_path, output_of):
    """A small loss keeps its digits; a column is as wide as a name needs."""
    finish_own_runs(tmp_path / "a", None, None)
    found = leaderboard(read_folder(tmp_path / "a"))
    assert (found.chosen_by, found.compared) == ("val_loss of the last epoch", "val_loss")
    assert order(found, "model.width") == [8, 16, 4]
    code, text = output_of("leaderboard", str(tmp_path / "a"))
    mean = np.mean([value("val_loss", 8, seed) for seed in SEEDS])
    assert code == 0 and f"{mean:.4g} ±" in text and "test_" in text
    assert "no test metric of its kind: val_loss chose the first config" in text
    metrics = json.loads(output_of("leaderboard", str(tmp_path / "a"), "--json")[1])["sets"][0]
    assert metrics["monitor"] == "val_loss"
    finish_own_runs(tmp_path / "b", None, None, DIRECTIONS | {"val_loss": "max"})
    assert order(leaderboard(read_folder(tmp_path / "b")), "model.width") == [4, 16, 8]
    folder = finish_own_runs(tmp_path / "c", None, None, {"val_gap": None})
    _, text = output_of("leaderboard", str(folder))
    assert "first: no metric has a known direction" in text and " is best" not in text
    assert output_of("report", str(folder))[0] == 0


def test_runs_that_disagree_on_a_direction_have_a_state_but_no_rank(tmp_path, output_of):
    for mode in ("min", "max"):
        finish_own_runs(tmp_path / mode, "val_acc", mode, DIRECTIONS | {"val_acc": mode})
    code, text = output_of("compare", str(tmp_path / "min"), str(tmp_path / "max"))
    assert code == 2 and "val_acc: expected one direction" in text.splitlines()[-1]
    for run in (tmp_path / "max").iterdir():
        run.rename(tmp_path / "min" / f"f{run.name[1:]}")
    assert output_of("leaderboard", str(tmp_path / "min"))[0] == 2
    code, text = output_of("status", str(tmp_path / "min"))
    assert code == 0 and "30 runs, 30 complete" in text
