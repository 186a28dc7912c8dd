"""`compare` shows how runs and sweeps differ, matched by config and paired by seed."""

import statistics
from pathlib import Path
from typing import Any

import pytest
from made_sweeps import finish_run, id_of, on_data, sweep_of
from own_metric_runs import finish_own_runs, value
from replicate_runs import crossed, ranked
from terminals import console_text

from seqsweep.results.compare import MOST_RUNS, compare
from seqsweep.results.comparison import By
from seqsweep.runs.run_folder import RunFolder


def comparison_text(*folders: Path) -> str:
    return console_text(lambda console: compare(folders, console))


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_runs_differ_in_keys_metrics_and_environment(tmp_path):
    folders = [
        finish_run(
            tmp_path / name, {"model.hidden_size": h, "lr": 0.1, "val/acc": acc},
            provenance={"packages": {"torch": version}, "threads": 1, "started": version},
        )
        for name, h, acc, version in (("a", 8, 0.5, "2.6"), ("b", 16, 0.75, "2.7"))
    ]  # fmt: skip
    text = comparison_text(*folders)
    found = rows(text)
    assert ["hidden_size", "8", "16"] in found
    assert ["val/acc", "0.5000", "0.7500", "+0.2500"] in found
    assert ["params", "1,200", "1,200", "+0"] in found
    assert ["torch", "2.6", "2.7"] in found
    assert not any(row[:1] in (["lr"], ["threads"], ["started"]) for row in found)
    assert "h08" in text and "h16" in text


def test_the_state_of_runs_that_are_not_complete_is_shown(tmp_path):
    RunFolder(tmp_path / "b/f").refuse({"h": 2}, ValueError("no"))
    complete = finish_run(tmp_path / "a/c", {"h": 1, "val/acc": 0.5})
    found = rows(comparison_text(complete, tmp_path / "b/f"))
    assert ["state", "complete", "failed"] in found
    assert ["val/acc", "0.5000"] in found
    text = comparison_text(tmp_path / "a", tmp_path / "b")
    assert "no metric is common to the complete runs" in text
    assert "b: no run is complete" in text


def test_configs_of_sweeps_are_matched_and_paired_by_seed(tmp_path):
    """A seed of only the second sweep counts for its mean, not for the difference."""
    old = [{"h": h, "seed": s, "test/acc": 0.5 + s / 100} for h in (8, 16) for s in (0, 1, 2)]
    new = [
        run | {"test/acc": run["test/acc"] + 0.1 + run["seed"] / 1000, "lr": 0.3} for run in old[3:]
    ]
    new.append({"h": 16, "seed": 9, "test/acc": 0.9, "lr": 0.3})
    new.append({"h": 32, "seed": 0, "test/acc": 0.1, "lr": 0.3})
    first = sweep_of(tmp_path / "old", [run | {"lr": 0.1} for run in old])
    text = comparison_text(first, sweep_of(tmp_path / "new", new))
    found = rows(text)
    assert ["lr", "0.1", "0.3"] in found
    half = 4.302652729911275 * 0.001 / 3**0.5  # Student's t with 2 degrees of freedom
    low, high = 0.101 - half, 0.101 + half
    assert ["16", "0.5100", "0.6832", "+0.1010", f"[{low:+.4f},", f"{high:+.4f}]", "3"] in found
    assert "1 config only in old: h=8" in text
    assert "1 config only in new: h=32" in text
    interval = rf"[{low:+.4f}, {high:+.4f}]"
    assert f"new - old: test/acc +0.1010 {interval}, mean of 1 config in both" in text
    assert "best of old: h=" in text and "best of new: h=" in text


def test_the_mean_over_configs_has_an_interval_over_seeds(tmp_path):
    """The effect of a seed on all configs is one observation, however many configs there are."""
    folders = [
        sweep_of(tmp_path / name, {"h": range(1, 10)}, 3,
                 lambda c, sign=sign: {"val/acc": 0.5 + sign * (c["seed"] - 1 + c["h"] / 10) / 10})
        for name, sign in (("a", 0), ("b", 1))
    ]  # fmt: skip
    half = 4.302652729911275 * 0.1 / 3**0.5  # Student's t with 2 degrees of freedom
    interval = f"[{0.05 - half:+.2f}, {0.05 + half:+.2f}]"
    wanted = f"b - a: val/acc +0.05 {interval}, mean of 9 configs in both, over 3 seeds"
    assert wanted in comparison_text(*folders)


def test_a_mean_difference_that_is_missing_has_a_reason(tmp_path):
    """The text and the JSON say it: no shared seed, no shared config, no shared metric."""
    runs = [{"h": 1, "seed": seed, "val/acc": 0.5} for seed in range(4)]
    first = sweep_of(tmp_path / "a", runs[:2])
    others = {
        "b": (runs[2:], "the configs share no seed, and unpaired seeds are not compared"),
        "d": ([{"h": h, "val/acc": 0.5} for h in (2, 3)], "no config is in both"),
    }
    RunFolder(tmp_path / "c/f").refuse({"h": 1}, ValueError("no"))
    others["c"] = ([], "no metric is common")
    for name, (their_runs, reason) in others.items():
        folders = [first, sweep_of(tmp_path / name, their_runs)]
        content: dict[str, Any] = {}
        text = console_text(lambda console: content.update(compare(folders, console)))  # noqa: B023
        overall = content["overall"][name]
        assert overall["interval"] is None and overall["reason"].startswith(reason)
        assert overall["reason"] in text


def test_a_damaged_run_is_left_out_of_the_keys_that_differ(tmp_path):
    """A damaged config is empty, so each key of the other runs would differ from it."""
    folders = [finish_run(tmp_path / name, {"h": 8, "lr": 0.1, "val/acc": 0.5}) for name in "abc"]
    for name in ("config.yaml", "record.json"):
        (folders[2] / name).write_text("{")
    text = comparison_text(*folders)
    assert "the configs are equal in everything that affects a result" in text
    assert not any(row[:1] in (["h"], ["lr"]) for row in rows(text))


@pytest.mark.parametrize("has_splits", [False, True])
def test_data_sets_are_not_mixed_and_each_has_its_best(tmp_path, has_splits):
    """Configs are matched on their data, also if each config has a reason of its own."""
    sets = [f"seqsweep.data.{name}" for name in ("digits", "order", "vowels")]
    for name, number, more in (("a", 2, 0.0), ("b", 3, 0.1)):
        part = name if has_splits else ""
        sweep_of(
            tmp_path / name, {"data.source._target_": sets[:number], "h": (1, 2)}, 1,
            lambda c, more=more: {"val/acc": c["h"] / 10 + more},
            about=lambda c, part=part: on_data(c["data.source._target_"], part),
        )  # fmt: skip
    content: dict[str, Any] = {}
    folders = [tmp_path / name for name in "ab"]
    text = console_text(lambda console: content.update(compare(folders, console)))
    differences = [] if has_splits else ["+0.1000", "1"]
    assert ["digits", "2", "0.2000", "0.3000", *differences] in rows(text)
    words = "4 configs of b not compared with a: other validation and test sets"
    assert (words in text) == has_splits
    assert "2 configs only in b: data=vowels h=1; data=vowels h=2" in text
    reason = content["overall"]["b"]["reason"]
    assert reason == "scores of different data sets have no common scale"
    assert f"no mean difference: {reason}" in text and "mean of 4 configs" not in text
    for name in ("a on digits", "a on order", "b on digits", "b on vowels"):
        assert f"best of {name}: h=2" in text


def test_scores_of_runs_with_other_test_sets_are_not_subtracted(tmp_path):
    """The data are the same but split with another seed."""
    folders = [tmp_path / name for name in "ab"]
    for number, folder in enumerate(folders):
        scores = {"test/acc": 0.5 + number / 10}
        sweep_of(folder, {"data.split_seed": [number]}, 2, scores, **on_data("d", number))
    text = comparison_text(*(folder / id_of(0) for folder in folders))
    assert "other validation and test sets, so its scores are not compared" in text
    assert "+0.1000" not in text and "0.6000" in text


def test_only_the_largest_differences_of_many_configs_are_shown(tmp_path):
    """Names and values have no markup."""
    folders = [
        sweep_of(tmp_path / name, [{"h": f"[/b]{h}", "val/acc": h * size} for h in range(60)])
        for name, size in (("a", 0.0), ("b [red]", 0.01))
    ]
    text = comparison_text(*folders)
    assert "and 40 more configs" in text
    assert ["[/b]59", "0.0000", "0.5900", "+0.5900", "1"] in rows(text)
    assert "b [red]" in text
    assert len(text.splitlines()) < 50


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        (["a"], ValueError, "at least two folders, got 1"),
        (["a", "nowhere"], FileNotFoundError, "nowhere: no such folder"),
        ("abcdefg", ValueError, f"expected at most {MOST_RUNS} runs, got {MOST_RUNS + 1}"),
    ],
)
def test_wrong_folders_are_refused(names, error, message, tmp_path):
    for name in "abcdefg":
        finish_run(tmp_path / name, {"h": 1})
    with pytest.raises(error, match=message):
        comparison_text(*(tmp_path / name for name in names))


def folds(folder: Path, number: int, better: float = 0.0) -> Path:
    """Writes a cross-validation of two configs; the folds differ more than the configs."""
    gain = [better + (better and fold % 3 / 200) for fold in range(number)]
    runs = crossed((0, 1), folds=number)
    ranked(folder, runs, lambda h, r: 0.6 - h / 50 + r.fold / 20 + gain[r.fold])
    return folder


def test_cross_validations_are_paired_by_their_shared_folds(tmp_path):
    """The folds 3 and 4 are easier, and only the first sweep has them."""
    text = comparison_text(folds(tmp_path / "a", 5), folds(tmp_path / "b", 3, better=0.03))
    assert "with the difference over shared replicates (95% interval)" in " ".join(text.split())
    row = next(row for row in rows(text) if row[:1] == ["0"])
    assert row[1:4] == ["0.7000", "0.6850", "+0.035"] and row[-1] == "3"
    assert "mean of 2 configs in both, over " in text
    assert "3 replicates (3 folds, one seed); p = " in text
    assert "(corrected resampled t-test)" in text
    assert "(5 folds, one seed)" in text
    # The interval over five folds is that of the corrected test.
    text = comparison_text(tmp_path / "a", folds(tmp_path / "c", 5, better=0.03))
    differences = [0.03 + fold % 3 / 200 for fold in range(5)]
    mean, t = statistics.fmean(differences), 2.7764451
    half = t * statistics.stdev(differences) * (1 / 5 + 20 / 80) ** 0.5
    assert rf"c - a: test/acc {mean:+.3f} [{mean - half:+.3f}, {mean + half:+.3f}]" in text


def test_a_users_own_metrics_are_compared_whatever_their_names_and_sizes(tmp_path):
    first = finish_own_runs(tmp_path / "a")
    other = finish_own_runs(
        tmp_path / "b", values=lambda name, w, s, e=1: value(name, w, s, e) + s / 1000
    )
    text = comparison_text(first, other)
    assert ["8", "0.8754", "0.8774", "+0.0020", "[+0.0000,", "+0.0040]", "5"] in rows(text)
    assert "b - a: test_acc +0.0020 [+0.0000, +0.0040], mean of 3 configs in both" in text
    assert "best of a: width=8  val_acc 0.8954  test_acc 0.8754" in text
    found = rows(comparison_text(first / f"{0:016x}", first / f"{5:016x}"))
    losses = [value("val_loss", width, 0) for width in (4, 8)]
    cells = [f"{losses[0]:.4g}", f"{losses[1]:.4g}", f"{losses[1] - losses[0]:+.4g}"]
    assert ["val_loss", *cells] in found


def blocks(*folders: Path) -> list[By]:
    content: dict[str, Any] = {}
    console_text(lambda console: content.update(compare(folders, console)))
    return content["by"]


def test_the_sweeps_are_values_of_a_key_on_each_data_set(tmp_path):
    """The means of several data sets have no common scale, but each data set has its test."""
    for name, sets, gain in (("a", "xy", 0.0), ("b", "xyz", 0.1), ("c", "x", -0.1)):
        sweep_of(
            tmp_path / name, {"data.source.name": sets, "h": (1, 2), "lr": [gain]}, 6,
            lambda c: {"val/acc": 0.5 + c["lr"] + (c["seed"] + c["h"]) / 100},
            about=lambda c: on_data(c["data.source.name"]),
        )  # fmt: skip
    found = blocks(tmp_path / "a", tmp_path / "b", tmp_path / "c")
    assert [(block.data, block.key, block.unit) for block in found] == [
        ("x", "sweep", "seed"), ("y", "sweep", "seed"), ("x", "sweep", "seed"),
    ]  # fmt: skip
    pairs = [pair for block in found for pair in block.pairs]
    assert [pair.values for pair in pairs] == [("b", "a"), ("b", "a"), ("a", "c")]
    assert {pair.p for pair in pairs} == {pair.adjusted for pair in pairs} == {2 / 2**6}
    assert found[0].notes == ["lr changes with sweep"]
    assert pairs[0].sentence == (
        "b is better than a: val/acc +0.1000, p 0.031, mean of 2 settings, 6 seeds; "
        "better in 2, equal in 0, worse in 0."
    )
