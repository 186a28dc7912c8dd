"""Figures show the right numbers, and none of their labels is markup."""

import json

import pytest

from seqsweep.results.report.costs import Confusion, confusion_figure
from seqsweep.results.report.curves import (
    MOST_POINTS,
    Curve,
    band,
    bands,
    curves_figure,
    read_metrics,
)
from seqsweep.results.report.plot_parts import HEAT, between


def test_a_confusion_of_many_classes_has_no_numbers():
    for size, numbered in ((20, True), (21, False)):
        names = [f"<b>{i}</b>" for i in range(size)]
        counts = [[int(i == j) for j in range(size)] for i in range(size)]
        figure = confusion_figure(Confusion("test", names, counts, 1, []))
        texts = [trace["text"] for trace in figure["data"] if "text" in trace]
        assert ["".join(text) for text in texts] == ["1" * size] * numbered
        assert "<b>" not in json.dumps(figure)
        # Cells are shaded by row.
        shades = {between(*HEAT, 0), between(*HEAT, 1)}
        assert set(figure["data"][0]["marker"]["color"]) == shades


def test_a_line_is_pale_where_seeds_have_ended():
    """The mean of the remaining seeds falls when a high one ends, and so would its band."""
    found = band([{0: 0.2, 1: 0.4, 2: 0.6, 3: 0.6}, {0: 0.6, 1: 0.8}])
    assert (found.seeds, found.whole) == ([2, 2, 1, 1], 2)
    curves = [Curve("%{x}<i>", {"val/acc": found}, None)]
    assert curves_figure(curves, "loss") is None
    figure = curves_figure(curves, "acc")
    assert figure is not None
    # A name is neither a variable of plotly nor markup.
    hovers = "".join(trace.get("hovertemplate", "") for trace in figure["data"])
    assert "&lt;i&gt;" in hovers and "%{x}&lt;i&gt;" not in hovers
    shaded, whole, left = figure["data"]
    assert max(shaded["x"]) == 1
    assert (whole["x"], whole["y"]) == ([0, 1], pytest.approx([0.4, 0.6]))
    assert (left["x"], left["y"]) == ([1, 2, 3], pytest.approx([0.6, 0.6, 0.6]))
    assert left["opacity"] < 1 and left["text"][-1] == "<br>1 of 2 runs left"


def test_curves_are_read_as_far_as_they_are_whole(tmp_path):
    (tmp_path / "metrics.csv").write_text(
        "epoch,step,train/loss,val/loss\n0,6,1.5,2.5\n1,12,nan,\n2,18,0.5,1.5\n3,24,0."
    )
    assert read_metrics(tmp_path) == {
        "step": {0: 6.0, 1: 12.0, 2: 18.0},
        "train/loss": {0: 1.5, 2: 0.5},
        "val/loss": {0: 2.5, 2: 1.5},
    }
    (tmp_path / "metrics.csv").write_text("epoch,step,val/acc\n0,6,0.5\n1,12,0.8")  # of 0.8125
    assert read_metrics(tmp_path)["val/acc"] == {0: 0.5}
    for content in ("", "nothing\n", "epoch,val/loss\n"):
        (tmp_path / "metrics.csv").write_text(content)
        assert bands([tmp_path], ["val/loss"]) == {}
    assert read_metrics(tmp_path / "none") == {}


def test_seeds_that_stop_early_leave_the_others_their_epochs(tmp_path):
    for seed, epochs in ((0, 1000), (1, 10)):
        (tmp_path / str(seed)).mkdir()
        text = "epoch,val/acc\n" + "".join(f"{epoch},{seed}\n" for epoch in range(epochs))
        (tmp_path / str(seed) / "metrics.csv").write_text(text)
    band = bands([tmp_path / "0", tmp_path / "1"], ["val/acc"])["val/acc"]
    assert len(band.epochs) == MOST_POINTS
    assert (band.epochs[0], band.epochs[-1]) == (0, 999)
    assert (band.low[0], band.mean[0], band.high[0]) == (0.0, 0.5, 1.0)
    assert (band.low[-1], band.high[-1]) == (0.0, 0.0)
