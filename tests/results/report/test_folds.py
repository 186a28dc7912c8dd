"""The report of a cross-validation says what was varied, and compares configs fold by fold."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from replicate_runs import crossed, ranked

from seqsweep.results.report.write import analyse, write_report
from seqsweep.runs.documents import write_sealed


@pytest.fixture
def report(tmp_path: Path) -> Any:
    ranked(tmp_path, crossed((0, 1), folds=5, seeds=2))
    return SimpleNamespace(**analyse(tmp_path).content)


def test_the_answer_says_what_was_varied(report):
    assert "over 5 folds x 2 seeds" in report.answer.rest
    assert (report.unit, report.varied) == ("replicate", "5 folds x 2 seeds")
    assert "corrected resampled t-test" in report.test
    assert report.answer.power is not None and "split" in report.answer.power


def test_each_score_has_the_label_of_its_replicate(report):
    labels = [label for label, _ in report.configs[0].scores]
    assert labels[:3] == ["fold=0 seed=0", "fold=0 seed=1", "fold=1 seed=0"]
    assert [run.replicate for run in report.configs[0].all_runs] == labels
    json.dumps(vars(report), allow_nan=False, default=vars)


def test_the_page_names_replicates_and_the_test(tmp_path, report):
    html = write_report(tmp_path)[0].read_text()
    assert "the mean over replicates (5 folds x 2 seeds)" in html
    assert "corrected for overlapping training sets (Nadeau and Bengio 2003)" in html
    assert "p is that of the corrected resampled t-test" in html
    assert "in the first replicate" in html
    assert "<th>replicate</th>" in html and "fold=1 seed=0" in html
    assert "Variance between replicates" in html


def test_a_baseline_is_the_mean_over_the_folds(tmp_path):
    ranked(tmp_path, crossed((0,), folds=3))
    rows = [
        {"name": name, "metrics": {"test/acc": score + fold / 10, "val/acc": score},
         "seconds": 0.5, "data": {"data.fold": fold, "data.split_seed": 0},
         "data_fingerprint": "d"}
        for name, score in (("majority class", 0.1), ("1-nearest neighbour", 0.5))
        for fold in range(4)
    ]  # fmt: skip
    write_sealed(tmp_path / "baselines.json", {"baselines": rows})
    report = SimpleNamespace(**analyse(tmp_path).content)
    assert [(b.name, b.label) for b in report.baselines] == [
        ("majority class", ""), ("1-nearest neighbour", ""),
    ]  # fmt: skip
    # Fold 3 was not trained.
    assert report.baselines[1].metrics["test/acc"] == pytest.approx(0.6)
    assert report.answer.baseline is not None
    assert "Best baseline: 1-nearest neighbour, test accuracy 0.600" in report.answer.baseline
