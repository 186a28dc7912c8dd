"""The content of a report: the compared metric, names of configs, what is left out."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from finished_runs import finish_run

from seqsweep.results.report.write import analyse, as_html
from seqsweep.runs.documents import write_sealed


def found(folder: Path, *runs: dict[str, Any], **record: Any) -> Any:
    """The findings of complete runs; keys with a slash are metrics."""
    finish_runs(folder, *runs, **record)
    return SimpleNamespace(**analyse(folder).content)


def finish_runs(folder: Path, *runs: dict[str, Any], **record: Any) -> None:
    for number, run in enumerate(runs):
        finish_run(folder / f"{number:016x}", run, **record)


def page_of(folder: Path, *runs: dict[str, Any]) -> str:
    finish_runs(folder, *runs)
    return as_html(analyse(folder))


def test_confusions_are_summed_over_the_seeds_of_the_best_config(tmp_path):
    runs = [{"h": h, "seed": s, "val/acc": h, "test/acc": h} for h in (0.5, 0.7) for s in (0, 1)]
    tables = {"val": [[9, 9], [9, 9]], "test": [[3, 1], [0, 4]]}
    report = found(tmp_path, *runs, classes=["a", "b"], confusion=tables)
    assert report.confusion is not None
    assert report.confusion.counts == [[6, 2], [0, 8]]
    assert (report.confusion.split, report.confusion.sequences) == ("test", 8)
    assert report.confusion.words[0].startswith("“a” is classified as “b” 2 times")


def test_a_missing_confusion_has_its_reasons(tmp_path):
    absent = found(tmp_path, {"h": 1, "val/acc": 0.5, "diagnostics": False}).confusion_absent
    assert absent is not None and "No confusion matrix was recorded" in absent
    assert "diagnostics=false" in absent


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
    assert words in page_of(tmp_path / "splits", *runs)
    same = [{**run, "data.test_fraction": 0, "d": run["data.test_fraction"]} for run in runs]
    assert "its own validation" not in page_of(tmp_path / "same", *same)


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
