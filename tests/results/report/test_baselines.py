"""The page compares the networks with the baselines."""

import json

import pytest
from replicate_runs import crossed, ranked
from report_pages import SIZE, data, grid, page, trained

from seqsweep.runs.documents import write_sealed


@pytest.mark.parametrize(
    ("accuracy", "words"),
    [
        (0.851, "statistically indistinguishable from the best network (0.851) on 2,000,000 test"),
        (0.849, "statistically indistinguishable from the best network (0.851) over 3 seeds."),
        (0.7, "logistic regression, test accuracy 0.700, 0.151 below the best network (0.851)."),
    ],
)
def test_the_networks_are_measured_against_the_baseline(accuracy, words, tmp_path):
    grid(tmp_path, [8, 32], [1, 2], 3)
    for record in tmp_path.glob("*/record.json"):  # of so many sequences that chance is small
        content = json.loads(record.read_text())
        counts = {"confusion": {"test": [[900000, 100000], [200000, 800000]]}}
        write_sealed(record, content | counts)
    made = {"data": {}, "data_fingerprint": None, "seconds": 0.1}
    rows = [
        made | {"name": "majority class", "metrics": {"test/acc": 0.5, "val/acc": 0.5}},
        made | {"name": "logistic regression", "metrics": {"test/acc": accuracy, "val/acc": 0.8}},
    ]
    write_sealed(
        tmp_path / "baselines.json", {"baselines": rows, "notes": ["1-nearest neighbour: off"]}
    )
    found = page(tmp_path)
    assert words in found.text
    assert "majority class" in found.text
    assert "1-nearest neighbour: off" in found.text


@pytest.mark.parametrize(
    ("accuracy", "words"),
    [
        (0.99, "Better score, but not chosen by validation: 1-nearest neighbour 0.990."),
        (0.94, "test accuracy 0.920, 0.030 below the network (0.950)."),
    ],
)
def test_a_baseline_above_the_networks_is_named(accuracy, words, tmp_path):
    """Validation chooses the baseline of the sentence, but a better one is named too."""
    run = trained(tmp_path, {SIZE: 8, "seed": 0}, val__acc=0.9, test__acc=0.95)
    counts = {"confusion": {"test": [[475, 25], [25, 475]]}}
    write_sealed(run.path / "record.json", (run.record() or {}) | counts)
    scores = {"logistic regression": (0.92, 0.92), "1-nearest neighbour": (accuracy, 0.91)}
    rows = [
        {"name": name, "metrics": {"test/acc": test, "val/acc": val}}
        for name, (test, val) in scores.items()
    ]
    write_sealed(tmp_path / "baselines.json", {"baselines": rows})
    text = page(tmp_path).text
    assert words in text
    assert ("not chosen by validation:" in text) == (accuracy > 0.95)
    # Without a validation score, the test accuracy chooses.
    rows = [{"name": name, "metrics": {"test/acc": test}} for name, (test, _) in scores.items()]
    write_sealed(tmp_path / "baselines.json", {"baselines": rows})
    chosen = "It was chosen by test accuracy: baselines have no validation score here."
    assert chosen in page(tmp_path).text


def test_baselines_are_of_the_split_that_the_best_run_has(tmp_path):
    """The fingerprint covers all data; how they are split is a key."""
    for share, val in ((0.2, {"val__acc": 0.9}), (0.0, {})):
        config = {"data.val_fraction": share, "seed": 0}
        run = trained(tmp_path, config, test__acc=0.9, **val)
        run.finish((run.record() or {}) | {"data_fingerprint": "same"}, synced=True)
    rows = [
        {"data": {"data.val_fraction": share, "data.source.path": None},
         "data_fingerprint": "same", "name": "logistic regression",
         "metrics": {"test/acc": score, "val/acc": score}}
        for share, score in ((0.0, 0.8), (0.2, 0.5))
    ]  # fmt: skip
    write_sealed(tmp_path / "baselines.json", {"baselines": rows})
    found = page(tmp_path)
    words = "0.400 below the best network (0.900), on the data with val_fraction=0.2."
    assert words in found.text
    assert [b["label"] for b in data(tmp_path)["baselines"]] == [
        "val_fraction=0.0", "val_fraction=0.2",
    ]  # fmt: skip


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
    text = page(tmp_path).text
    found = data(tmp_path)["baselines"]
    names = [(baseline["name"], baseline["label"]) for baseline in found]
    assert names == [("majority class", ""), ("1-nearest neighbour", "")]
    # Fold 3 was not trained.
    assert found[1]["metrics"]["test/acc"] == pytest.approx(0.6)
    assert "Best baseline: 1-nearest neighbour, test accuracy 0.600" in text
