"""The pictures of a run, for any names of classes and any numbers."""

import io
import itertools
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from seqsweep.results.report.plot_parts import SHADES
from seqsweep.results.tensorboard import figures
from seqsweep.results.tensorboard.canvas import HEIGHT, WIDTH, Plot, linear_ticks

NAMES = ["$x_", "日本", "<b>", "a\nb", "", "_hidden", r"\frac{", "a name of a class that goes on"]


BLUE = (0x1F, 0x77, 0xB4)


def pixels(png: bytes) -> Any:
    image = Image.open(io.BytesIO(png))
    assert image.size == (WIDTH, HEIGHT)
    return np.asarray(image.convert("RGB"))


@pytest.fixture
def plots(monkeypatch: pytest.MonkeyPatch) -> list[Plot]:
    """Returns a list that collects the plots whose pictures are drawn."""
    found: list[Plot] = []
    png = Plot.png
    monkeypatch.setattr(Plot, "png", lambda plot: (found.append(plot), png(plot))[1])
    return found


@pytest.mark.parametrize("classes", [1, 2, 8, 13, 50])
def test_a_confusion_is_drawn_for_any_number_and_names_of_classes(classes):
    names = list(itertools.islice(itertools.cycle(NAMES), classes))
    counts = np.eye(classes, dtype=int).tolist()
    picture = pixels(figures.confusion(counts, names, "val"))
    assert picture.min() < 100


def test_a_confusion_counts_rows_as_the_true_class(plots):
    picture = pixels(figures.confusion([[8, 2], [0, 0]], ["cat", "$dog"], "test"))
    (plot,) = plots
    assert plot.texts == [
        "8", "2", "cat", "$dog", "cat", "$dog", "test, best epoch: 8 of 10 right", "predicted",
        "true",
    ]  # fmt: skip
    shades = [SHADES[percent] for percent in (80, 20, 0, 0)]
    for (row, column), shade in zip(itertools.product((0, 1), (0, 1)), shades, strict=True):
        x, y = plot.at(column - 0.3, row - 0.3)
        assert "#{:02X}{:02X}{:02X}".format(*picture[round(y), round(x)]) == shade


def test_the_gradient_has_a_log_axis_and_a_line_for_each_layer_and_direction(plots):
    layers = {"layer 1": [1.0, 0.1, 0.01], "layer 1 reverse": [2.0, None, 1e-30]}
    picture = pixels(figures.gradient(layers))
    (plot,) = plots
    assert {"layer 1", "layer 1 reverse", "1"} <= set(plot.texts)
    x, y = plot.at(1, -1)
    assert tuple(picture[round(y), round(x)]) == BLUE
    x, y = plot.at(2, -30)  # A single point between gaps is a dot.
    assert tuple(picture[round(y), round(x)]) == BLUE


def test_a_dashed_line_has_gaps_and_a_plain_line_has_none():
    for dashed in (False, True):
        plot = Plot((0, 0, 100, 100), (0, 1), (0, 1))
        plot.line([(0, 0.5), (1, 0.5)], "#000000", 2, dashed)
        row = pixels(plot.png())[50, 2:98]
        assert row.min() == 0 and bool(row.max() == 255) is dashed


@pytest.mark.parametrize("norms", [[1.0], [0.0, 0.0], [1.0, 1.0], [None], [1e-320, 1e300]])
def test_a_gradient_of_one_step_or_without_finite_norms_is_drawn(norms):
    pixels(figures.gradient({"layer 1": norms}))


def test_states_are_drawn_by_class_with_their_names(plots):
    path = [[0.0, 0.0], [1.0, 1.0]]
    found = {
        "explained": [0.61, None],
        "classes": {str(n): {"mean": path, "sequences": [path] * n} for n in range(10)},
    }
    pixels(figures.trajectories(found, NAMES))
    (plot,) = plots
    names = ["$x_", "□□", "<b>", "a b", "", "_hidden", r"\frac{", "a name of a c…", "8", "9"]
    assert [text for text in plot.texts if text in names][-10:] == names
    assert plot.texts[-2:] == ["first component (61% of the variance)", "second component"]


@pytest.mark.parametrize("path", [[[3.0, 1e17]], [[math.nan, 1.0]], [[0.1, 0.1]] * 3, []])
def test_states_that_do_not_move_or_are_not_finite_are_drawn(path):
    paths = {"0": {"mean": path, "sequences": [path]}}
    pixels(figures.trajectories({"explained": [None, None], "classes": paths}, ["a"]))


@given(st.floats(-1e12, 1e12), st.floats(1e-6, 1e12))
def test_an_axis_has_two_to_ten_ticks_between_its_ends(low, length):
    ends = (low, low + max(length, 1e-6 * abs(low)))
    ticks = list(linear_ticks(ends))
    assert 2 <= len(ticks) <= 10
    room = 1e-9 * (ends[1] - ends[0])
    assert all(ends[0] - room <= tick <= ends[1] + room for tick in ticks)


PICTURES: dict[str, Callable[[], bytes]] = {
    "confusion": lambda: figures.confusion([[8, 2], [1, 7]], ["a", "日本"], "val"),
    "gradient": lambda: figures.gradient({"layer 1": [1.0, 0.1, 0.01], "layer 2": [1.0, 2.0]}),
    "states": lambda: figures.trajectories(
        {
            "explained": [0.6, 0.2],
            "classes": {"0": {"mean": [[-1.0, 0.2], [2.0, 3.0]], "sequences": []}},
        },
        ["a"],
    ),
}


def test_pictures_drawn_by_threads_equal_those_drawn_alone():
    alone = {name: draw() for name, draw in PICTURES.items()}
    with ThreadPoolExecutor(4) as pool:
        names = [*PICTURES] * 4
        drawn = list(pool.map(lambda name: PICTURES[name](), names))
    assert drawn == [alone[name] for name in names]
