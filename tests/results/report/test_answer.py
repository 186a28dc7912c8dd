"""The page answers which config is best, and how certain that is."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_sweeps import id_of, on_data, sweep_of
from own_metric_runs import SEEDS, finish_own_runs, value
from replicate_runs import crossed, ranked
from report_pages import LAYERS, SIZE, data, figures_of, grid, page, trained

from seqsweep.results.folder_tables import boards_of
from seqsweep.results.report.write import analyse
from seqsweep.runs.ledger import read_folder

SECTIONS = ["Leaderboard", "Effect of each axis", "Learning curves", "Test accuracy against cost",
            "Confusion of the best config", "Variance between seeds", "Run it again"]  # fmt: skip


def test_a_sweep_with_seeds_tells_the_whole_story_in_its_order(tmp_path):
    found = page(grid(tmp_path, [8, 32], [1, 2], 3))
    assert found.headings == SECTIONS
    best = "hidden_size=32 num_layers=2 is best by val/acc: test/acc 0.8510 [0.8485, 0.8535]"
    assert f"{best}, 3 seeds; not compared: 3" in found.text
    few = "4 configs need at least 7 seeds for a signed-rank test, and share 3"
    assert f"3 configs not compared with the first: {few}" in found.text
    assert "Ranked by val/acc of the best epoch" in found.text


def test_one_run_is_a_report_of_its_own_and_missing_splits_are_named(tmp_path):
    trained(tmp_path, {SIZE: [8]}, 1, {"val/acc": 0.9, "test/acc": 0.8})
    for folder in (tmp_path, tmp_path / id_of(0)):
        found = page(folder)
        assert "hidden_size=8: test/acc 0.8000, 1 seed" in found.text
        assert not {"Effect of each axis", "Variance between seeds"} & set(found.headings)
    # Without a test split the number is called optimistic.
    trained(tmp_path / "val", {SIZE: [16]}, 1, {"val/acc": 0.8})
    text = page(tmp_path / "val").text
    assert "hidden_size=16: val/acc 0.8000, 1 seed" in text
    assert "No test split: val/acc chose the first config, so its val/acc is optimistic" in text
    trained(tmp_path / "train", {SIZE: [8]}, 1, {"train/loss": 0.5, "test/acc": 0.4})
    assert "Ranked by train/loss of the last epoch" in page(tmp_path / "train").text


def test_a_ranking_by_a_loss_is_compared_and_drawn_in_this_loss(tmp_path):
    """An accuracy of the same split may be 1 everywhere, and would contradict the ranking."""
    losses = {8: 0.03, 16: 0.0012, 32: 0.00017}
    trained(
        tmp_path, {SIZE: losses, LAYERS: (1, 2), "monitor": ["train/loss"]}, 2,
        lambda c: {"train/loss": losses[c[SIZE]] * c[LAYERS], "train/acc": 1.0},
    )  # fmt: skip
    text = page(tmp_path).text
    assert "hidden_size=32 num_layers=1 is best: train/loss 0.00017" in text
    assert "Training loss against cost" in text
    assert "Mean training loss at each value" in text
    # The difference of the second config is not rounded to zero.
    assert "+0.00017" in text
    drawn = figures_of((tmp_path / "report.html").read_text())
    shown = sorted(y for trace in drawn["axis"]["data"] for y in trace["y"])
    assert shown == pytest.approx(sorted(loss * n for loss in losses.values() for n in (1, 2)))


def test_a_cross_validation_says_what_was_varied(tmp_path):
    ranked(tmp_path, crossed((0, 1), folds=5, seeds=2))
    text = page(tmp_path).text
    found = data(tmp_path)
    assert "10 replicates (5 folds x 2 seeds)" in found["answer"]["sentence"]
    assert (found["unit"], found["varied"]) == ("replicate", "5 folds x 2 seeds")
    assert "corrected resampled t-test" in found["test"]
    best = found["configs"][0]
    labels = [label for label, _ in best["scores"]]
    assert labels[:3] == ["fold=0 seed=0", "fold=0 seed=1", "fold=1 seed=0"]
    assert [run["replicate"] for run in best["all_runs"]] == labels
    assert "corrected for overlapping training sets (Nadeau and Bengio 2003)" in text


def analysed(folder: Path, *given: Any, **record: Any) -> Any:
    sweep_of(folder, *given, **record)
    return SimpleNamespace(**analyse(folder, read_folder(folder)).content)


def test_confusions_are_summed_over_the_seeds_of_the_best_config(tmp_path):
    tables = {"val": [[9, 9], [9, 9]], "test": [[3, 1], [0, 4]]}
    report = analysed(
        tmp_path / "a", {"h": (0.5, 0.7)}, 2, lambda c: c["h"],
        classes=["a", "b"], confusion=tables,
    )  # fmt: skip
    assert report.confusion is not None
    assert report.confusion.counts == [[6, 2], [0, 8]]
    assert (report.confusion.split, report.confusion.sequences) == ("test", 8)
    assert report.confusion.words[0].startswith("“a” is classified as “b” 2 times")
    absent = analysed(tmp_path / "b", [{"val/acc": 0.5, "diagnostics": False}]).confusion_absent
    reason = "there is no test split, and diagnostics=false"
    assert absent == f"No confusion matrix was recorded: {reason}."


def test_an_effect_between_other_test_sets_has_a_warning(tmp_path):
    for key in ("data.test_fraction", "d"):
        sweep_of(tmp_path / key, {key: (0, 1), "h": (0, 1)}, 1, lambda c: 0.5 + c["h"] / 9)
        words = "Each value of test_fraction has its own validation or test sequences"
        assert (words in page(tmp_path / key).text) == (key != "d")


def test_few_test_sequences_limit_the_claims(tmp_path):
    """Two accuracies of 0.43 of 36 sequences differ by up to 0.22 by chance (Agresti and Caffo)."""
    splits = {"splits": {n: {"sequences": 36, "fingerprint": n} for n in ("val", "test")}}
    runs = [{"h": h, "val/acc": 0.5 - h / 9, "test/acc": 0.431 - h / 9} for h in (0, 1)]
    words = "Sampling error of a difference on 36 sequences of test: 0.22"
    assert words in analysed(tmp_path, runs, **splits).limits


def test_a_report_on_a_users_own_metrics_claims_nothing_about_them(tmp_path):
    """No accuracy, class or baseline; curves and columns of what was logged, by its name."""
    found = page(finish_own_runs(tmp_path))
    assert found.headings == ["Leaderboard", "Effect of each axis", "Learning curves",
                              "Variance between seeds", "Run it again"]  # fmt: skip
    assert "width=8 is best by val_acc: test_acc 0.875 [" in found.text
    assert "Ranked by val_acc of the best epoch" in found.text
    assert "accuracy" not in found.text and "validation loss" not in found.text
    content = data(tmp_path)
    assert (content["monitor"], content["score"]) == ("val_acc", "test_acc")
    assert (content["confusion"], content["confusion_absent"]) == (None, None)
    (curve, *_), means = content["curves"], np.mean([value("val_loss", 8, s, 0) for s in SEEDS])
    assert curve["bands"]["val_loss"]["mean"][0] == pytest.approx(means)
    assert curve["bands"]["train_loss"]["epochs"] == [1, 2]
    figures = figures_of((tmp_path / "report.html").read_text())
    shown = [[t["hovertemplate"].split("<br>")[0] for t in figures[f"curves-{n}"]["data"]
              if "hovertemplate" in t] for n in (0, 1)]  # fmt: skip
    assert shown[0][:2] == ["width=8, val_loss", "width=8, train_loss"]
    assert shown[1] == [f"width={width}, val_acc" for width in (8, 16, 4)]


def split_and_source(config: dict[str, Any]) -> dict[str, Any]:
    return on_data(config.get("data.source.name", "d"), config.get("data.fold"), 50, 200)


def better(kind: str, first: float, second: float) -> tuple[Any, ...]:
    """Two configs with these scores on the test split, whose validation ranks h=0 first."""
    rank = {"acc": (0.9, 0.8), "loss": (0.1, 0.2)}[kind]

    def scores(config: dict[str, Any]) -> dict[str, float]:
        h, seed = config["h"], config["seed"]
        return {f"val/{kind}": rank[h], f"test/{kind}": (first, second)[h] + seed / 99}

    return {"h": (0, 1), "monitor": [f"val/{kind}"]}, 7, scores


ANSWERS: dict[str, tuple[tuple[Any, ...], str]] = {
    "two configs": (
        better("acc", 0.8, 0.6), "h=0 is better than h=1: test/acc +0.2000, p 0.016, 7 seeds"
    ),
    "validation against test": (
        better("acc", 0.6, 0.8), "h=1 is better than h=0: test/acc +0.2000, p 0.016, 7 seeds"
    ),
    "a loss": (
        better("loss", 0.2, 0.5), "h=0 is better than h=1: test/loss -0.3000, p 0.016, 7 seeds"
    ),
    "one seed": (
        ({"h": (1, 2, 3)}, 1, lambda c: 0.5 + c["h"] / 10),
        "h=3 is best by val/acc: test/acc 0.8000, 1 seed; not compared: 2 (a test needs "
        "'seed=range(7)')",
    ),
    "folds": (
        ({"h": (1, 2, 3), "data.fold": range(5)}, None,
         lambda c: 0.5 + c["h"] / 10 + (c["data.fold"] * c["h"] ** 2 % 5) / 100),
        "h=3 is best by val/acc: test/acc 0.820 [0.791, 0.849], 5 replicates (5 folds, one seed); "
        "different from it: 1 of 2; not compared: 1",
    ),
    "data sets": (
        ({"h": (1, 2), "data.source.name": "abc"}, 1, lambda c: 0.5 + c["h"] / 10),
        "h=2 has the lowest mean rank in test/acc: 1.00 on 3 data sets; configs with this rank: "
        "1 of 2",
    ),
    "no difference": (
        ({"h": (1, 2)}, 8, lambda c: 0.7 + (c["seed"] + c["h"]) % 2 / 10),
        "h=1 is statistically indistinguishable from h=2: test/acc +0.00 [-0.09, +0.09], "
        "p 1.000, 8 seeds; 942 seeds would show 0.01",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", ANSWERS)
def test_each_kind_of_sweep_has_its_answer(kind: str, tmp_path: Path):
    """The views print this sentence, as tests/results/test_views.py shows."""
    sweep, sentence = ANSWERS[kind]
    sweep_of(tmp_path, *sweep, about=split_and_source)
    assert boards_of(tmp_path, read_folder(tmp_path), None)["answer"].sentence == sentence
