"""The content of a report: the compared metric, names of configs, what is left out."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from seqsweep.results.formatting import key_names, run_label, value_text
from seqsweep.results.report.analysis import analyse
from seqsweep.results.report.findings import Report
from seqsweep.results.report.write import as_html
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sealed import write_sealed


def found(folder: Path, *runs: dict[str, Any], **record: Any) -> Report:
    """The findings of complete runs; keys with a slash in their last part are metrics."""
    for number, run in enumerate(runs):
        metrics = {name: value for name, value in run.items() if "/" in name}
        config = {name: value for name, value in run.items() if "/" not in name}
        made = RunFolder(folder / f"{number:016x}")
        made.start(config, {}, sync=False)
        made.finish(
            {"config": config, "metrics": {"train/loss": 1.0} | metrics, "best_epoch": 1,
             "params": 10, "train_seconds": 1.0, **record},
            synced=True,
        )  # fmt: skip
    return analyse(folder)


@pytest.mark.parametrize(
    ("monitor", "metrics", "score"),
    [
        ("val/acc", ("val/acc", "test/acc", "test/f1"), "test/acc"),
        ("val/f1", ("val/acc", "val/f1", "test/acc", "test/f1"), "test/f1"),
        ("val/loss", ("val/acc", "val/loss", "test/acc", "test/loss"), "test/acc"),
        ("val/loss", ("val/loss", "test/loss"), "test/loss"),
        ("val/acc", ("val/acc",), "val/acc"),
        ("val/acc", (), "train/loss"),
    ],
)
def test_the_test_metric_of_the_monitored_kind_is_compared(monitor, metrics, score, tmp_path):
    run = dict.fromkeys(metrics, 0.5)
    assert found(tmp_path, {"monitor": monitor, "h": 1, **run}).score == score


def test_findings_are_plain_values(tmp_path):
    runs = [
        {"h": h, "seed": s, "val/acc": h / 9, "test/acc": h / 9} for h in (1, 2) for s in (0, 1)
    ]
    text = json.dumps(asdict(found(tmp_path, *runs)), allow_nan=False)
    assert json.loads(text)["configs"][0]["scores"] == [[0, 2 / 9], [1, 2 / 9]]


def test_differences_are_paired_by_seed(tmp_path):
    """Seed 1 is harder for both; the config is 0.1 below the best on each."""
    report = found(
        tmp_path,
        *({"h": 1, "seed": s, "val/acc": 0.9, "test/acc": 0.9 - s / 2} for s in (0, 1)),
        *({"h": 2, "seed": s, "val/acc": 0.8, "test/acc": 0.8 - s / 2} for s in (0, 1, 2)),
    )
    difference = report.configs[1].difference
    assert difference is not None and difference.interval is not None
    assert difference.n == 2
    assert difference.interval.mean == pytest.approx(-0.1)
    assert (
        difference.interval.low is difference.interval.high is None
    )  # two equal differences show no spread
    assert report.configs[1].verdict == "undecided"


def test_a_key_that_follows_from_another_is_left_out_of_the_words(tmp_path):
    runs = [
        {"optimizer._target_": "torch.optim.Adam", "optimizer.betas": [0.9, 0.99]},
        {"optimizer._target_": "torch.optim.SGD", "optimizer.betas": None},
    ]
    report = found(tmp_path, *({**run, "val/acc": n / 9} for n, run in enumerate(runs)))
    assert report.answer.best == "optimizer=SGD"
    assert list(report.names.values()) == ["optimizer"]


def test_a_random_search_is_called_by_all_its_keys(tmp_path):
    report = found(
        tmp_path, *({"lr": 0.1 / n, "dropout": n / 9, "val/acc": n / 9} for n in (1, 2, 3))
    )
    assert report.answer.best == "lr=0.03333333333333333 dropout=0.3333333333333333"
    assert report.grid.missing == []


def test_confusions_are_summed_over_the_seeds_of_the_best_config(tmp_path):
    runs = [{"h": h, "seed": s, "val/acc": h, "test/acc": h} for h in (0.5, 0.7) for s in (0, 1)]
    tables = {"val": [[9, 9], [9, 9]], "test": [[3, 1], [0, 4]]}
    report = found(tmp_path, *runs, classes=["a", "b"], confusion=tables)
    assert report.confusion is not None
    assert report.confusion.counts == [[6, 2], [0, 8]]
    assert (report.confusion.split, report.confusion.sequences) == ("test", 8)
    assert report.confusion.words[0].startswith("“a” is classified as “b” 2 times")


def test_a_record_without_confusion_is_explained(tmp_path):
    report = found(tmp_path, {"h": 1, "val/acc": 0.5})
    assert report.confusion is None
    assert report.confusion_absent is not None
    assert "No confusion matrix was recorded" in report.confusion_absent


def test_a_missing_confusion_has_the_right_reason(tmp_path):
    """Without a test split, `diagnostics=false` turns off the only confusion matrix."""
    absent = found(tmp_path, {"h": 1, "val/acc": 0.5, "diagnostics": False}).confusion_absent
    assert absent is not None
    assert "there is no test split, and diagnostics=false" in absent


def test_a_sweep_over_fractions_is_of_other_sets_and_not_compared(tmp_path):
    runs = [
        {"data.test_fraction": split, "seed": seed, "val/acc": 0.5 - split / 99, "test/acc": 0.4}
        for split in (0, 1, 2)
        for seed in range(7)
    ]
    report = found(tmp_path, *runs)
    assert [c.verdict for c in report.configs] == ["best", *["other validation and test sets"] * 2]
    assert report.answer.rest.startswith(", test accuracy 0.400 (no spread between 7 seeds).")
    words = "Not compared (other validation and test sets): test_fraction=1 0.400; test_fraction=2"
    assert words in report.answer.rest
    assert all(config.difference is None for config in report.configs[1:])


def test_an_effect_between_other_sets_has_a_warning(tmp_path):
    """Two configs on each of two splits: only the splits differ in their test sequences."""
    runs = [
        {"data.test_fraction": split, "h": h, "val/acc": h - split / 99, "test/acc": h}
        for split in (0, 1)
        for h in (0.4, 0.5)
    ]
    words = "Each value of test_fraction has its own validation or test sequences"
    assert words in as_html(found(tmp_path / "splits", *runs), {})
    same = [{**run, "data.test_fraction": 0, "d": run["data.test_fraction"]} for run in runs]
    assert "its own validation" not in as_html(found(tmp_path / "same", *same), {})


def test_few_test_sequences_limit_the_claims(tmp_path):
    """Two accuracies of 0.43 of 36 sequences differ by up to 0.22 by chance (Agresti and Caffo)."""
    splits = {"splits": {n: {"sequences": 36, "fingerprint": n} for n in ("val", "test")}}
    runs = [{"h": h, "val/acc": 0.5 - h / 9, "test/acc": 0.431 - h / 9} for h in (0, 1)]
    write_sealed(
        tmp_path / "baselines.json",
        {"baselines": [{"name": "1-nearest neighbour", "metrics": {"test/acc": 0.556}}]},
    )
    answer = found(tmp_path, *runs, **splits).answer
    assert answer.choice is not None
    assert "The test split has 36 sequences: differences below 0.22 are within its" in answer.choice
    assert answer.baseline == (
        "Best baseline: 1-nearest neighbour, test accuracy 0.556, statistically indistinguishable "
        "from the best network (0.431) on 36 test sequences."
    )


def test_both_bounds_of_an_interval_are_written_alike(tmp_path):
    report = found(tmp_path, *({"seed": s, "val/acc": v} for s, v in ((0, 0.38889), (1, 0.33333))))
    assert "interval [0.008, 0.714] over 2 seeds" in report.answer.rest


def test_what_decided_between_equal_configs_is_in_the_table(tmp_path):
    runs = [{"h": h, "val/acc": 1.0, "val/loss": 0.1 * h, "test/acc": 0.5} for h in (1, 2)]
    report = found(tmp_path, *runs)
    assert report.tied == 2
    header = as_html(report, {}).partition("</thead>")[0]
    assert "validation loss" in header


def test_a_baseline_of_other_data_is_not_compared(tmp_path):
    write_sealed(
        tmp_path / "baselines.json",
        {
            "baselines": [
                {"data": {}, "data_fingerprint": print_, "name": name, "metrics": {"val/acc": acc}}
                for print_, name, acc in (("this", "majority class", 0.2), ("other", "1-nn", 0.99))
            ],
            "notes": [],
        },
    )
    report = found(tmp_path, {"h": 1, "val/acc": 0.5}, data_fingerprint="this")
    assert [baseline.name for baseline in report.baselines] == ["majority class"]
    assert report.answer.baseline == (
        "Best baseline: always the most frequent class, validation accuracy 0.200, "
        "0.300 below the network (0.500)."
    )


def test_a_damaged_file_beside_the_runs_is_passed_over(tmp_path):
    (tmp_path / "baselines.json").write_text("{half")
    (tmp_path / "sweep.json").write_text("[]")
    assert found(tmp_path, {"h": 1, "val/acc": 0.5}).baselines == []


def test_names_of_keys_and_values_are_those_of_a_reader():
    assert key_names(["model._target_", "a.lr", "b.lr"]) == {
        "model._target_": "model", "a.lr": "a.lr", "b.lr": "b.lr",
    }  # fmt: skip
    assert value_text("model._target_", "mine.Net") == "Net"
    assert [value_text("k", value) for value in (True, None, 0.1, [1, 2], "x")] == [
        "true", "null", "0.1", "[1,2]", "x",
    ]  # fmt: skip


def test_a_label_is_not_escaped():
    keys = key_names(["model._target_", "k", "seed"])
    config = {"model._target_": "mine.Net", "k": "[b]x", "seed": 0}
    assert run_label(config, keys) == "model=Net k=[b]x seed=0"
