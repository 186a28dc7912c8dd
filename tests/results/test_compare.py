"""`compare` shows how runs and sweeps differ, matched by config and paired by seed."""

import statistics
from pathlib import Path
from typing import Any

import pytest
from finished_runs import finish_run, printed
from replicate_runs import crossed, ranked

from seqsweep.results.compare import MOST_RUNS, compare
from seqsweep.runs.run_folder import RunFolder


def sweep(folder: Path, *runs: dict[str, Any]) -> Path:
    for number, run in enumerate(runs):
        finish_run(folder / f"{number:016x}", run)
    return folder


def shown(*folders: Path) -> str:
    return printed(lambda console: compare(folders, console))


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_runs_differ_in_keys_metrics_and_environment(tmp_path):
    versions = [{"packages": {"torch": v}, "threads": 1, "started": v} for v in ("2.6", "2.7")]
    first = finish_run(
        tmp_path / "a", {"model.hidden_size": 8, "lr": 0.1, "val/acc": 0.5}, versions[0]
    )
    other = finish_run(
        tmp_path / "b", {"model.hidden_size": 16, "lr": 0.1, "val/acc": 0.75}, versions[1]
    )
    text = shown(first, other)
    found = rows(text)
    assert ["hidden_size", "8", "16"] in found
    assert ["val/acc", "0.5000", "0.7500", "+0.2500"] in found
    assert ["params", "1,200", "1,200", "+0"] in found
    assert ["torch", "2.6", "2.7"] in found
    assert not any(row[:1] in (["lr"], ["threads"], ["started"]) for row in found)
    assert "h08" in text and "h16" in text


def test_compare_shows_the_state_of_a_run_that_is_not_complete(tmp_path):
    RunFolder(tmp_path / "b").refuse({"h": 2}, ValueError("no"))
    found = rows(shown(finish_run(tmp_path / "a", {"h": 1, "val/acc": 0.5}), tmp_path / "b"))
    assert ["state", "complete", "failed"] in found
    assert ["val/acc", "0.5000"] in found


def test_more_runs_than_fit_side_by_side_are_refused(tmp_path):
    folders = [
        finish_run(tmp_path / f"{n:03}", {"model.hidden_size": n, "val/acc": n / 100})
        for n in range(MOST_RUNS + 1)
    ]
    with pytest.raises(ValueError, match=f"expected at most {MOST_RUNS} runs, got {MOST_RUNS + 1}"):
        shown(*folders)


def test_configs_of_sweeps_are_matched_and_paired_by_seed(tmp_path):
    """A seed of only the second sweep counts for its mean, not for the difference."""
    old = [{"h": h, "seed": s, "test/acc": 0.5 + s / 100} for h in (8, 16) for s in (0, 1, 2)]
    new = [
        run | {"test/acc": run["test/acc"] + 0.1 + run["seed"] / 1000, "lr": 0.3} for run in old[3:]
    ]
    new.append({"h": 16, "seed": 9, "test/acc": 0.9, "lr": 0.3})
    new.append({"h": 32, "seed": 0, "test/acc": 0.1, "lr": 0.3})
    text = shown(
        sweep(tmp_path / "old", *(r | {"lr": 0.1} for r in old)), sweep(tmp_path / "new", *new)
    )
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
        sweep(
            tmp_path / name,
            *(
                {"h": h, "seed": s, "val/acc": 0.5 + sign * (s - 1) / 10 + (0.01 * h) * sign}
                for h in range(1, 9) for s in (0, 1, 2)
            ),
        )
        for name, sign in (("a", 0), ("b", 1))
    ]  # fmt: skip
    half = 4.302652729911275 * 0.1 / 3**0.5  # Student's t with 2 degrees of freedom
    interval = f"[{0.045 - half:+.4f}, {0.045 + half:+.4f}]"
    wanted = f"b - a: val/acc +0.0450 {interval}, mean of 8 configs in both, over 3 seeds"
    assert wanted in shown(*folders)


def test_the_mean_over_configs_is_over_the_seeds_that_all_of_them_have(tmp_path):
    """A config with one seed more must not give that seed a weight."""
    runs = [(4, 0, 0.0), (4, 1, 0.0), (8, 0, 0.3)]
    first = sweep(tmp_path / "a", *({"h": h, "seed": s, "val/acc": 0.5} for h, s, _ in runs))
    other = sweep(tmp_path / "b", *({"h": h, "seed": s, "val/acc": 0.5 + d} for h, s, d in runs))
    wanted = "b - a: val/acc +0.1500, mean of 2 configs in both, over 1 seed"
    assert wanted in shown(first, other)


@pytest.mark.parametrize("record", [{}, {"metrics": {"val/acc": 0.5}}])
def test_records_without_some_numbers_are_compared_in_the_others(record, tmp_path):
    for name in ("a", "b", "s/c", "s/d"):
        made = RunFolder(tmp_path / name)
        made.start({"h": name}, {})
        made.finish({"config": {"h": name}, "metrics": {}} | record)
    shown(tmp_path / "a", tmp_path / "b")
    shown(tmp_path / "a", tmp_path / "s")


def on_data(folder: Path, fingerprint: str, *runs: dict[str, Any]) -> None:
    for run in runs:
        path = finish_run(folder / f"{len(list(folder.glob('*'))):016x}", run)
        record = RunFolder(path).record() or {}
        RunFolder(path).finish(
            record | {"data_fingerprint": fingerprint, "recordings": fingerprint}
        )


def test_configs_are_matched_on_their_data_where_a_sweep_has_several(tmp_path):
    runs = [{"h": h, "seed": s, "val/acc": h / 10} for h in (1, 2) for s in (0, 1)]
    on_data(tmp_path / "a", "1" * 16, *runs)
    for data, less in (("1", 0.0), ("2", 0.05)):
        on_data(tmp_path / "b", data * 16, *(r | {"val/acc": r["val/acc"] - less} for r in runs))
    text = shown(tmp_path / "a", tmp_path / "b")
    assert ["2", "11111111", "0.2000", "0.2000", "+0.0000", "2"] in rows(text)
    assert "2 configs only in b: h=1 data=22222222; h=2 data=22222222" in text


def test_no_mean_of_several_data_sets_is_compared_and_each_has_its_best(tmp_path):
    for name, more in (("a", 0.0), ("b", 0.1)):
        for data in ("digits", "order"):
            target = {"data.source._target_": f"seqsweep.data.{data}"}
            runs = [target | {"h": h, "seed": 0, "val/acc": h / 10 + more} for h in (1, 2)]
            on_data(tmp_path / name, f"content of {data}", *runs)
    text = shown(tmp_path / "a", tmp_path / "b")
    assert "no mean over configs: scores of different data sets have no common scale" in text
    assert "mean of 4 configs" not in text
    for name in ("a on digits", "a on order", "b on digits", "b on order"):
        assert f"best of {name}: h=2" in text


@pytest.mark.parametrize("as_runs", [True, False])
def test_scores_of_other_test_sets_are_not_subtracted(as_runs, tmp_path):
    """The data are the same but split with another seed."""
    folders = [tmp_path / name for name in "ab"]
    for split_seed, folder in enumerate(folders):
        for seed in (0, 1):
            config = {"data.split_seed": split_seed, "seed": seed}
            path = finish_run(folder / f"{seed:016x}", config | {"test/acc": 0.5 + split_seed / 10})
            splits = {name: {"fingerprint": f"{name}{split_seed}"} for name in ("val", "test")}
            RunFolder(path).finish((RunFolder(path).record() or {}) | {"splits": splits})
    if as_runs:
        folders = [folder / f"{0:016x}" for folder in folders]
    text = shown(*folders)
    why = "other validation and test sets"
    line = f"{why}, so its scores are not compared" if as_runs else f"not compared with a: {why}"
    assert line in text
    assert "+0.1000" not in text and "0.6000" in text


def test_a_run_is_matched_with_its_config_in_a_sweep(tmp_path):
    folder = sweep(tmp_path / "s", *({"h": h, "seed": 0, "val/acc": h / 10} for h in (1, 2)))
    run = finish_run(tmp_path / "r", {"h": 2, "seed": 0, "val/acc": 0.5})
    assert ["2", "0.2000", "0.5000", "+0.3000", "1"] in rows(shown(folder, run))


def test_sweeps_with_one_name_are_labelled_with_their_parent_folders(tmp_path):
    folders = [sweep(tmp_path / p / "default", {"h": 1, "val/acc": 0.5}) for p in ("x", "y")]
    text = shown(*folders)
    assert "x/default" in text and "y/default" in text


def test_comparing_a_sweep_without_a_complete_run_says_so(tmp_path):
    RunFolder(tmp_path / "b/f").refuse({"h": 2}, ValueError("no"))
    text = shown(sweep(tmp_path / "a", {"h": 1, "val/acc": 0.5}, {"h": 2}), tmp_path / "b")
    assert "no metric is common to the complete runs" in text
    assert "b: no run is complete" in text


def test_only_the_largest_differences_of_many_configs_are_shown(tmp_path):
    folders = [
        sweep(tmp_path / name, *({"h": h, "val/acc": h * size} for h in range(60)))
        for name, size in (("a", 0.0), ("b", 0.01))
    ]
    text = shown(*folders)
    assert "and 40 more configs that differ less" in text
    assert ["59", "0.0000", "0.5900", "+0.5900", "1"] in rows(text)
    assert len(text.splitlines()) < 50


def test_markup_in_names_and_values_is_shown_as_it_is(tmp_path):
    folders = [
        sweep(tmp_path / f"a [red]{n}", *({"h": f"[/b]{h}", "val/acc": n / 9} for h in (1, 2)))
        for n in (1, 2)
    ]
    text = shown(*folders)
    assert "a [red]1" in text and "[/b]2" in text


@pytest.mark.parametrize(
    ("names", "error", "said"),
    [
        ([], ValueError, "at least two folders, got 0"),
        (["a"], ValueError, "at least two folders, got 1"),
        (["a", "nowhere"], FileNotFoundError, "nowhere: no such folder"),
        (["a", "empty"], ValueError, "empty: no runs in it"),
    ],
)
def test_wrong_folders_are_refused(names, error, said, tmp_path):
    finish_run(tmp_path / "a", {"h": 1})
    (tmp_path / "empty").mkdir()
    with pytest.raises(error, match=said):
        shown(*(tmp_path / name for name in names))


def folds(folder: Path, number: int, better: float = 0.0) -> Path:
    """Writes a cross-validation of two configs; the folds differ more than the configs."""
    ranked(
        folder,
        crossed((0, 1), folds=number),
        lambda h, r: 0.6 - h / 50 + r.fold / 20 + better + (better and r.fold % 3 / 200),
    )
    return folder


def test_cross_validations_are_paired_by_their_shared_folds(tmp_path):
    """The folds 3 and 4 are easier, and only the first sweep has them."""
    text = shown(folds(tmp_path / "a", 5), folds(tmp_path / "b", 3, better=0.03))
    assert "minus a over shared replicates (95% interval)" in " ".join(text.split())
    row = next(row for row in rows(text) if row[:1] == ["0"])
    assert row[1:4] == ["0.7000", "0.6850", "+0.0350"] and row[-1] == "3"
    assert "mean of 2 configs in both, over " in text
    assert "3 replicates (3 folds, one seed); p = " in text
    assert "(corrected resampled t-test)" in text
    assert "(5 folds, one seed)" in text


def test_the_interval_over_folds_is_corrected(tmp_path):
    text = shown(folds(tmp_path / "a", 5), folds(tmp_path / "b", 5, better=0.03))
    differences = [0.03 + fold % 3 / 200 for fold in range(5)]
    error = statistics.stdev(differences) * (1 / 5 + 20 / 80) ** 0.5
    mean, t = statistics.fmean(differences), 2.7764451
    assert (
        rf"b - a: test/acc {mean:+.4f} [{mean - t * error:+.4f}, {mean + t * error:+.4f}]" in text
    )


def test_the_seeds_of_two_sweeps_have_a_p(tmp_path):
    for name, shift in (("a", 0.0), ("b", 0.1)):
        runs = [{"h": 1, "seed": s, "val/acc": 0.5 + shift * (s % 4) / 3} for s in range(8)]
        sweep(tmp_path / name, *runs)
    # Six of eight seeds are better, and two tie.
    assert "8 seeds; p = 0.031 (Wilcoxon signed-rank)" in shown(tmp_path / "a", tmp_path / "b")


def test_equal_sweeps_are_equal_whatever_their_last_bit(tmp_path):
    ranked(tmp_path / "a", crossed((0,), folds=3, seeds=2), lambda h, r: 0.8)
    ranked(tmp_path / "b", crossed((0,), folds=3, seeds=2), lambda h, r: (0.9, 0.7)[r.seed])
    text = shown(tmp_path / "a", tmp_path / "b")
    assert "-0.0000" not in text


def test_the_reason_is_printed_where_a_test_cannot_be_significant(tmp_path):
    for name, gains in (("a", (0.0,) * 3), ("b", (0.1, 0.1, 0.1))):
        ranked(tmp_path / name, crossed((0,), folds=3), lambda h, r, g=gains: 0.5 + g[r.fold])
    text = shown(tmp_path / "a", tmp_path / "b")
    assert "; the difference is the same on all splits" in text
    assert "p = " not in text
