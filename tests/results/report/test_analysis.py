"""The content of a report: the compared metric, names of configs, what is left out."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from finished_runs import finish_run
from report_pages import page

from seqsweep.results.report.write import analyse
from seqsweep.runs.documents import write_sealed


def found(folder: Path, *runs: dict[str, Any], **record: Any) -> Any:
    """The findings of complete runs; keys with a slash are metrics."""
    for number, run in enumerate(runs):
        finish_run(folder / f"{number:016x}", run, **record)
    return SimpleNamespace(**analyse(folder).content)


def test_confusions_are_summed_over_the_seeds_of_the_best_config(tmp_path):
    runs = [{"h": h, "seed": s, "val/acc": h, "test/acc": h} for h in (0.5, 0.7) for s in (0, 1)]
    tables = {"val": [[9, 9], [9, 9]], "test": [[3, 1], [0, 4]]}
    report = found(tmp_path / "a", *runs, classes=["a", "b"], confusion=tables)
    assert report.confusion is not None
    assert report.confusion.counts == [[6, 2], [0, 8]]
    assert (report.confusion.split, report.confusion.sequences) == ("test", 8)
    assert report.confusion.words[0].startswith("“a” is classified as “b” 2 times")
    absent = found(tmp_path / "b", {"val/acc": 0.5, "diagnostics": False}).confusion_absent
    assert "No confusion matrix was recorded" in absent and "diagnostics=false" in absent


def test_a_sweep_over_fractions_is_of_other_sets_and_not_compared(tmp_path):
    """An effect between other sets has a warning."""
    key = "data.test_fraction"
    runs = [
        {key: split, "h": h, "seed": seed, "val/acc": 0.5 + h - split / 99, "test/acc": 0.4 + h}
        for split in (0, 1)
        for h in (0.0, 0.1)
        for seed in range(7)
    ]
    report = found(tmp_path / "splits", *runs)
    other = "other validation and test sets"
    assert [c.verdict for c in report.configs] == ["best", other, "different", other]
    assert report.answer.rest.startswith(", test accuracy 0.500 (no spread between 7 seeds).")
    assert f"Not compared ({other}): test_fraction=1 h=0.1 0.500." in report.answer.rest
    assert report.configs[1].difference is None
    words = "Each value of test_fraction has its own validation or test sequences"
    assert words in page(tmp_path / "splits").text
    found(tmp_path / "same", *({**run, key: 0, "d": run[key]} for run in runs))
    assert "its own validation" not in page(tmp_path / "same").text


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
    rows = [
        {"data": {}, "data_fingerprint": data, "name": name, "metrics": {"val/acc": acc}}
        for data, name, acc in (("this", "majority class", 0.2), ("other", "1-nn", 0.99))
    ]
    write_sealed(tmp_path / "baselines.json", {"baselines": rows, "notes": []})
    report = found(tmp_path, {"h": 1, "val/acc": 0.5}, data_fingerprint="this")
    assert [baseline.name for baseline in report.baselines] == ["majority class"]
    assert report.answer.baseline == (
        "Best baseline: always the most frequent class, validation accuracy 0.200, "
        "0.300 below the network (0.500)."
    )
