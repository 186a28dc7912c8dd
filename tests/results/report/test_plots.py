"""Figures show the right numbers, and none of their labels is markup."""

import json
from typing import Any

import pytest

from seqsweep.results.effects import main_effects
from seqsweep.results.formatting import key_names
from seqsweep.results.report.costs import Confusion, confusion_figure
from seqsweep.results.report.curves import (
    MOST_POINTS,
    Band,
    Curve,
    band,
    bands,
    curves_figure,
    read_metrics,
)
from seqsweep.results.report.effects import Axis, choose_axis
from seqsweep.results.report.findings import Config, independent_keys
from seqsweep.results.report.plot_parts import HEAT, between
from seqsweep.results.significance import Estimate

SCORE = "test/acc"


def config(rank: int, keys: dict[str, Any], values: list[float], words: str = "") -> Config:
    mean = sum(values) / len(values)
    value = Estimate(len(values), mean)
    scores = list(enumerate(values))
    return Config(rank, f"c{rank}", words or str(keys), keys, [], {SCORE: value}, scores, None)


def axis_of(*points: dict[str, Any]) -> Axis:
    """The axis of configs with two seeds each."""
    configs = [config(n, keys, [n / 100, n / 100 + 0.1]) for n, keys in enumerate(points, 1)]
    keys = list(points[0])
    effects = main_effects(points, [config.metrics[SCORE].mean for config in configs])
    axis = choose_axis(configs, effects, independent_keys(keys, points, effects), key_names(keys))
    assert axis is not None
    return axis


def test_hidden_size_is_laid_out_with_a_line_per_layers_and_direction():
    axis = axis_of(
        *(
            {"model.bidirectional": b, "model.num_layers": n, "model.hidden_size": h}
            for b in (False, True) for n in (1, 2, 4) for h in (16, 32, 128)
        )
    )  # fmt: skip
    assert (axis.key, axis.numeric, axis.log, axis.joined) == (
        "model.hidden_size",
        True,
        True,
        True,
    )
    lines = axis.lines
    assert [line.label for line in lines][:2] == [
        "num_layers=1 bidirectional=false",
        "num_layers=1 bidirectional=true",
    ]
    assert [(line.group, line.style) for line in lines] == [
        (layer, way) for layer in range(3) for way in range(2)
    ]
    assert [point.x for point in lines[0].points] == [16, 32, 128]


def test_words_on_an_axis_are_dots_in_their_order():
    axis = axis_of(*({"model.cell": cell} for cell in ("rnn", "gru", "lstm")))
    assert (axis.numeric, axis.joined, axis.values) == (False, False, ["rnn", "gru", "lstm"])


def test_a_random_search_is_not_joined_to_a_line():
    axis = axis_of(*({"lr": 0.1 / n, "dropout": n / 20} for n in range(1, 13)))
    assert (axis.numeric, axis.joined, axis.averaged) == (True, False, ["dropout"])


def test_a_confusion_of_many_classes_has_no_numbers():
    for size, numbered in ((20, True), (21, False)):
        names = [f"<b>{i}</b>" for i in range(size)]
        counts = [[int(i == j) for j in range(size)] for i in range(size)]
        figure = confusion_figure(Confusion("test", names, counts, 1, []))
        texts = [trace["text"] for trace in figure["data"] if "text" in trace]
        assert ["".join(text) for text in texts] == ["1" * size] * numbered
        assert "<b>" not in json.dumps(figure)


def test_a_confusion_is_shaded_by_row():
    figure = confusion_figure(Confusion("test", ["a", "b"], [[3, 1], [0, 0]], 1, []))
    cells = figure["data"][0]
    assert list(zip(cells["x"], cells["base"], strict=True)) == [
        (0, -0.5), (1, -0.5), (0, 0.5), (1, 0.5)
    ]  # fmt: skip
    assert cells["marker"]["color"] == [between(*HEAT, share) for share in (0.75, 0.25, 0, 0)]


def test_curves_are_lines_with_bands_and_a_name_is_no_variable_of_plotly():
    band = Band([0, 1], [0.5, 0.4], [0.4, 0.3], [0.6, 0.5], [2, 2])
    curves = [Curve("%{x}<i>", {"val/loss": band, "train/loss": band}, 1.2)]
    figure = curves_figure(curves, "loss")
    assert figure is not None
    hovers = [trace["hovertemplate"] for trace in figure["data"] if "hovertemplate" in trace]
    assert all("%{x}&lt;i&gt;" not in hover and "&lt;i&gt;" in hover for hover in hovers)
    assert curves_figure(curves, "acc") is None


def test_a_line_is_pale_where_seeds_have_ended():
    """The mean of the remaining seeds falls when a high one ends, and so would its band."""
    found = band([{0: 0.2, 1: 0.4, 2: 0.6, 3: 0.6}, {0: 0.6, 1: 0.8}])
    assert (found.seeds, found.whole) == ([2, 2, 1, 1], 2)
    figure = curves_figure([Curve("a", {"val/acc": found}, None)], "acc")
    assert figure is not None
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
        rows = [f"{epoch},{seed}" for epoch in range(epochs)]
        text = "\n".join(["epoch,val/acc", *rows]) + "\n"
        (tmp_path / str(seed) / "metrics.csv").write_text(text)
    band = bands([tmp_path / "0", tmp_path / "1"], ["val/acc"])["val/acc"]
    assert len(band.epochs) == MOST_POINTS
    assert (band.epochs[0], band.epochs[-1]) == (0, 999)
    assert (band.low[0], band.mean[0], band.high[0]) == (0.0, 0.5, 1.0)
    assert (band.low[-1], band.high[-1]) == (0.0, 0.0)
