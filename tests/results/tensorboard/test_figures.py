"""Pictures: what is drawn, whatever the classes are called."""

import io
import itertools
import warnings
from collections.abc import Callable
from typing import Any

import matplotlib
import matplotlib.style
import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from seqsweep.results.tensorboard import figures

NAMES = ["$x_", "日本", "<b>", "a\nb", "", "_hidden", r"\frac{", "a name of a class that goes on"]


def pixels(png: bytes) -> Any:
    image = Image.open(io.BytesIO(png))
    assert image.size == (figures.WIDTH, figures.HEIGHT)
    return np.asarray(image.convert("RGB"))


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The axes that are drawn on."""
    found: list[Any] = []
    set_title = Axes.set_title

    def note(axes: Any, *arguments: Any, **options: Any) -> Any:
        found.append(axes)
        return set_title(axes, *arguments, **options)

    monkeypatch.setattr(Axes, "set_title", note)
    return found


@pytest.mark.parametrize("classes", [1, 2, 8, 13, 50])
def test_a_confusion_is_drawn_for_any_number_and_names_of_classes(classes):
    names = list(itertools.islice(itertools.cycle(NAMES), classes))
    counts = np.eye(classes, dtype=int).tolist()
    picture = pixels(figures.confusion(counts, names, "val"))
    assert picture.min() < 100


def test_a_confusion_counts_rows_as_the_true_class(said):
    figures.confusion([[8, 2], [0, 0]], ["cat", "$dog"], "test")
    (axes,) = said
    assert [text.get_text() for text in axes.texts] == ["8", "2"]
    assert [text.get_position() for text in axes.texts] == [(0, 0), (1, 0)]  # x, y
    assert axes.get_title() == "test, best epoch: 8 of 10 right"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "$dog"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")


def test_the_gradient_has_a_log_axis_and_a_line_for_each_layer_and_direction(said):
    layers = {"layer 1": [1.0, 0.1, 0.0], "layer 1 reverse": [2.0, float("nan"), 1e-30]}
    pixels(figures.gradient(layers))
    (axes,) = said
    assert axes.get_yscale() == "log"
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert list(lines) == ["layer 1", "layer 1 reverse"]
    assert lines["layer 1"].get_xdata().tolist() == [0, 1, 2]
    assert np.isnan(lines["layer 1"].get_ydata()[2])  # a gradient of 0 has no place on it
    assert len({line.get_color() for line in lines.values()}) == 1
    assert len({line.get_linestyle() for line in lines.values()}) == 2


@pytest.mark.parametrize("norms", [[1.0], [0.0, 0.0], [1.0, 1.0]])
def test_a_gradient_of_one_step_or_of_none_is_drawn(norms):
    pixels(figures.gradient({"layer 1": norms}))


def test_states_are_drawn_by_class_with_their_names(said):
    path = [[0.0, 0.0], [1.0, 1.0]]
    found = {
        "explained": [0.61, 0.2],
        "classes": {str(n): {"mean": path, "sequences": [path] * n} for n in range(10)},
    }
    pixels(figures.trajectories(found, NAMES))
    (axes,) = said
    shown = [text.get_text().strip() for text in axes.get_legend().get_texts()]
    assert shown == [
        "$x_",
        "□□",
        "<b>",
        "a b",
        "",
        "_hidden",
        r"\frac{",
        "a name of a c…",
        "8",
        "9",
    ]
    assert len(axes.get_lines()) == sum(range(10)) + 2 * 10
    assert axes.get_xlabel() == "first component (61% of the variance)"


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


@pytest.mark.parametrize("style", ["dark_background", "ggplot", "own"])
@pytest.mark.parametrize("name", PICTURES)
def test_a_persons_own_style_does_not_change_a_picture(name, style):
    own: Any = {
        "text.usetex": True, "figure.facecolor": "black", "font.size": 30, "lines.linewidth": 9,
        "savefig.bbox": "tight", "font.family": "serif", "axes.titleweight": "bold",
        "figure.autolayout": True, "xtick.top": True, "xtick.labeltop": True,
    }  # fmt: skip
    plain = PICTURES[name]()
    with matplotlib.rc_context(own) if style == "own" else matplotlib.style.context(style):
        assert PICTURES[name]() == plain


@pytest.mark.parametrize("name", PICTURES)
def test_no_setting_of_the_process_changes_while_a_picture_is_drawn(name, monkeypatch):
    """Another thread may draw, or look whether something is warned about."""
    PICTURES[name]()  # what is imported for it is imported
    found: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(warnings, "catch_warnings", lambda **_: found.append("filters"))
        patch.setattr(matplotlib.RcParams, "__setitem__", lambda *_: found.append("settings"))
        PICTURES[name]()
    assert not found
