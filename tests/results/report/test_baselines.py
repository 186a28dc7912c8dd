"""The page compares the networks with the baselines."""

import json
from pathlib import Path
from typing import Any

import pytest
from replicate_runs import crossed, ranked
from report_pages import SIZE, data, grid, page, trained

from seqsweep.runs.documents import write_sealed

MAJORITY, REGRESSION, NEAREST = "majority class", "logistic regression", "1-nearest neighbour"


def baseline(name: str, test: float, val: float | None = None, **more: Any) -> dict[str, Any]:
    metrics = {"test/acc": test} | ({} if val is None else {"val/acc": val})
    return {"name": name, "metrics": metrics, **more}


def write(folder: Path, *rows: dict[str, Any], **more: Any) -> None:
    write_sealed(folder / "baselines.json", {"baselines": list(rows), **more})


@pytest.mark.parametrize(
    ("accuracy", "words"),
    [
        (0.851, "test/acc 0.8510, statistically indistinguishable from the network (0.8510)."),
        (0.7, "by val/acc: logistic regression, test/acc 0.7000, below the network (0.8510)."),
    ],
)
def test_the_networks_are_measured_against_the_baseline(accuracy, words, tmp_path):
    grid(tmp_path, [8, 32], [1, 2], 3)
    for record in tmp_path.glob("*/record.json"):  # of so many sequences that chance is small
        counts = {"confusion": {"test": [[900000, 100000], [200000, 800000]]}}
        write_sealed(record, json.loads(record.read_text()) | counts)
    rows = baseline(MAJORITY, 0.5, 0.5), baseline(REGRESSION, accuracy, 0.8)
    write(tmp_path, *rows, notes=["1-nearest neighbour: off"])
    text = page(tmp_path).text
    assert words in text and "majority class" in text and "1-nearest neighbour: off" in text


def test_validation_chooses_the_baseline_of_the_sentence(tmp_path):
    """The table below names the baseline that is better on the test split too."""
    counts = {"test": [[475, 25], [25, 475]]}
    trained(tmp_path, {SIZE: [8]}, 1, {"val/acc": 0.9, "test/acc": 0.95}, confusion=counts)
    write(tmp_path, baseline(REGRESSION, 0.92, 0.92), baseline(NEAREST, 0.99, 0.91))
    text = page(tmp_path).text
    assert "test/acc 0.9200, below the network (0.9500)." in text
    assert "1-nearest neighbour 0.9900" in text


def test_baselines_are_of_the_split_that_the_best_run_has(tmp_path):
    """The fingerprint covers all data; how they are split is a key. Other data are left out."""
    for share, scores in ((0.2, {"val/acc": 0.9, "test/acc": 0.9}), (0.0, {"test/acc": 0.9})):
        trained(tmp_path, {"data.val_fraction": [share]}, 1, scores, data_fingerprint="same")
    rows = [
        baseline(REGRESSION, score, score, data_fingerprint=fingerprint,
                 data={"data.val_fraction": share, "data.source.path": None})
        for share, score, fingerprint in ((0.0, 0.8, "same"), (0.2, 0.5, "same"), (0.2, 1, "other"))
    ]  # fmt: skip
    write(tmp_path, *rows)
    words = "logistic regression (val_fraction=0.2), test/acc 0.5000, below the network (0.9000)."
    assert words in page(tmp_path).text
    labels = [found["label"] for found in data(tmp_path)["baselines"]]
    assert labels == ["val_fraction=0.0", "val_fraction=0.2"]


def test_a_baseline_is_the_mean_over_the_folds(tmp_path):
    ranked(tmp_path, crossed((0,), folds=3))
    rows = [
        baseline(name, score + fold / 10, score, seconds=0.5, data_fingerprint="d",
                 data={"data.fold": fold, "data.split_seed": 0})
        for name, score in ((MAJORITY, 0.1), (NEAREST, 0.5))
        for fold in range(4)
    ]  # fmt: skip
    write(tmp_path, *rows)
    text = page(tmp_path).text
    found = data(tmp_path)["baselines"]
    assert [(each["name"], each["label"]) for each in found] == [(MAJORITY, ""), (NEAREST, "")]
    # Fold 3 was not trained.
    assert found[1]["metrics"]["test/acc"] == pytest.approx(0.6)
    assert "Best baseline by val/acc: 1-nearest neighbour, test/acc 0.600" in text
