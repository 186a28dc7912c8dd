"""A metric knows its direction and its split; the metrics of a record rank and compare its runs."""

import math
from typing import Any

import pytest

from seqsweep.runs.metrics import OURS, Metric, as_metric, compared_metric, metrics_in
from seqsweep.runs.metrics import proposed_direction as direction_in
from seqsweep.runs.metrics import ranking_metric as ranking
from seqsweep.runs.record import Record

OWN: dict[str, Any] = {"loss": None, "monitor": None, "monitor_mode": None}


def record(**directions: Any) -> Record:
    return Record(config=OWN, directions=directions, metrics=dict.fromkeys(directions, 0.5))


@pytest.mark.parametrize(
    ("name", "split", "kind"),
    [
        ("val/acc", "val", "acc"), ("val_acc", "val", "acc"), ("acc/val", "val", "acc"),
        ("validation.loss", "val", "loss"), ("Valid-top 5", "val", "top 5"), ("auc", "", "auc"),
        ("acc_test_top5", "test", "acc_top5"), ("train_loss_epoch", "train", "loss_epoch"),
        ("interval", "", "interval"), ("val", "val", "val"), ("testRMSE", "test", "RMSE"),
        ("rmseTest", "test", "rmse"), ("RMSEVal", "val", "RMSE"), ("VAL2_acc", "val", "2_acc"),
        ("VALUE", "", "VALUE"), ("Latest", "", "Latest"), ("contest_f1", "", "contest_f1"),
    ],
)  # fmt: skip
def test_a_part_of_a_name_is_its_split_and_the_rest_its_kind(name, split, kind):
    metric = Metric(name, "max")
    assert (metric.split_name, metric.kind, metric.words) == (split, kind, name)


@pytest.mark.parametrize("direction", ["min", "max", None])
def test_the_words_of_a_name_tell_its_direction(direction):
    names = {
        "min": "val_loss valLoss valRMSE testMAE MeanSquaredError val/mse1 loss NLLLoss val_bce "
        "val_cross_entropy valKLDiv kl_divergence val/bits val_surprise smape CRPS nMAE dice_loss "
        "WordErrorRate val/err@5 top5_err ECE log_loss neg_log_likelihood negativeLogLikelihood",
        "max": "val_acc valAcc top5Acc acc@5 val_f1 val_f1score BinaryF1Score valR2 r2 mIoU valIoU "
        "mAP val_map50 AUROC roc_auc testAP hits@10 NDCG log_likelihood ELBO PearsonCorrCoef",
        None: "val_score gap metric_1 neg_mse recall_negative error_detection_f1 lr norm val",
    }[direction].split()
    assert [name for name in names if direction_in(name) != direction] == []


@pytest.mark.parametrize(
    ("monitor", "there", "compared"),
    [
        ("val_acc", ("val_acc", "test_loss", "test_acc"), "test_acc"),
        ("loss/val", ("test_acc", "loss/test"), "loss/test"),
        ("val_acc", ("val_acc", "test_loss"), "val_acc"),
        ("val/loss", ("val/loss", "test/acc", "test/loss"), "test/acc"),
        ("val/mine", (), "val/mine"),
    ],
)
def test_the_test_metric_that_has_chosen_nothing_is_compared_first(monitor, there, compared):
    assert compared_metric(as_metric(monitor), list(map(as_metric, there))) == compared


def test_without_a_monitor_the_first_metric_that_all_records_have_ranks():
    records = [record(val_mse="min", val_r2="max"), record(val_r2="max", val_mse="min")]
    assert ranking([OWN, OWN], records).direction == "min"
    found = ranking([OWN, OWN], [record(val_mse="min", val_r2="max"), record(val_r2="max")])
    assert (found, found.direction) == ("val_r2", "max")
    typed = OWN | {"monitor": "val_r2", "monitor_mode": "max"}
    assert ranking([OWN, typed], records) == "val_r2"


def test_a_metric_of_unknown_direction_ranks_no_runs():
    assert ranking([OWN], [record(val_gap=None, val_acc="max")]) == "val_acc"
    assert ranking([OWN], [record(val_gap=None)]) == ""
    # An earlier version may have guessed the direction of another metric.
    records = [record(val_acc="max", valRMSE="max"), record(val_acc="max", valRMSE="min")]
    assert ranking([OWN | {"monitor": "val_acc", "monitor_mode": "max"}] * 2, records) == "val_acc"


def test_a_metric_of_a_users_own_has_no_bounds_although_one_of_ours_has_its_name():
    """The metric may be a percentage, beside runs of ours too."""
    both = [record(**{"val/acc": "max"}), Record(metrics={"val/acc": 0.5, "lr": 0.1})]
    for records in (both, both[::-1]):
        found = ranking([OWN, {"monitor": "val/acc"}], records)
        assert (found, found.is_bounded) == ("val/acc", False)
    values: dict[str, Any] = {
        "val/acc": 0.5,
        "lr": 0.1,
        "val/loss": math.nan,
        "test/loss": math.inf,
        "f": None,
    }
    names = {name: type(name) for name in metrics_in(Record(metrics=values))}
    assert names == {"val/acc": Metric, "lr": str}  # the others are not finite


@pytest.mark.parametrize("name", ["val_loss", "val/loss"])
def test_one_name_with_two_directions_is_refused(name):
    records = [record(**{name: "max"}), record(**{name: "min"})]
    with pytest.raises(ValueError, match=rf"{name}: expected one direction"):
        ranking([OWN, OWN], records)
    # A run of ours gives its own names a direction, too.
    if name in OURS:
        with pytest.raises(ValueError, match="expected one direction"):
            ranking([OWN, {"monitor": name}], records[:1])
    assert as_metric("val/loss").direction == "min"
