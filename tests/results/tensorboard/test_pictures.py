"""The pictures of the best runs, for any names of classes and any numbers."""

import io
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from matplotlib.figure import Figure
from PIL import Image

from seqsweep.results.tensorboard import pictures
from seqsweep.results.tensorboard.pictures import HEIGHT, WIDTH, png

NAMES = ["$x_", "日本", "<b>", "a\nb", "", "_hidden", r"$\frac{$", "a name of a class that goes on"]
DRAWN = ["$x_", "□□", "<b>", "a b", "", "_hidden", r"$\frac{$", "a name of a c…"]
"""The texts as they are drawn; `$` begins no formula."""


def drawn_axes(draw: Callable[..., Figure], *given: Any) -> Any:
    """Draws a picture, whose size and ground it checks, and returns its axes."""
    kept: list[Figure] = []

    def keep(*values: Any) -> Figure:
        kept.append(draw(*values))
        return kept[0]

    image = Image.open(io.BytesIO(png(keep, *given)))
    assert (image.size, image.mode) == ((WIDTH, HEIGHT), "RGBA")
    assert image.getpixel((0, HEIGHT - 1)) == (255, 255, 255, 0)  # the ground is transparent
    (axes,) = kept[0].axes
    return axes


def texts(axes: Any) -> list[str]:
    """Returns what is written inside of the axes, and in a legend without its indents."""
    legend = axes.get_legend()
    written = [*axes.texts, *(legend.get_texts() if legend else [])]
    return [text.get_text().removeprefix(" ") for text in written]


@pytest.mark.parametrize("classes", [1, 8, 50])
def test_a_confusion_is_drawn_for_any_number_and_names_of_classes(classes):
    names = list(itertools.islice(itertools.cycle(NAMES), classes))
    counts = [[5 * (row == column) for column in range(classes)] for row in range(classes)]
    axes = drawn_axes(pictures.confusion, counts, names, "val")
    labels = [label.get_text() for label in axes.get_yticklabels()]
    every = 2 if classes == 50 else 1  # of many classes only some have a label
    assert labels == list(itertools.islice(itertools.cycle(DRAWN), 0, classes, every))
    assert len(axes.texts) == (classes if classes <= 12 else 0)


def test_a_confusion_counts_rows_as_the_true_class():
    axes = drawn_axes(pictures.confusion, [[8, 2], [0, 0]], ["cat", "$dog"], "test")
    assert axes.images[0].get_array().tolist() == [[0.8, 0.2], [0, 0]]
    numbers = [(text.get_text(), text.get_position()) for text in axes.texts]
    assert numbers == [("8", (0, 0)), ("2", (1, 0))]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")
    assert axes.figure.get_suptitle() == "test, best epoch: 8 of 10 right"


def test_the_gradient_has_a_log_axis_and_a_line_for_each_layer_and_direction():
    norms = {"layer 1": [1.0, 0.1, 0.01], "layer 1 reverse": [2.0, None, 1e-30], "layer 2": [1.0]}
    axes = drawn_axes(pictures.gradient, norms)
    assert texts(axes) == list(norms)
    assert axes.get_yscale() == "log"
    # A single point, and a point between two gaps, has no line, so it is a dot.
    assert [line.get_marker() for line in axes.lines] == ["", ".", "."]
    for odd in ([None, 0.0], [1e-320, 1e300]):
        drawn_axes(pictures.gradient, {"layer 1": odd})


@pytest.mark.slow
def test_the_best_runs_have_pictures_of_the_promised_size(grid):
    found = grid.shown
    pictured = [name for name in found.runs if found.tags(name, "images")]
    assert pictured == sorted(sorted(grid.best, key=grid.best.__getitem__)[-3:])
    tags = ["visual/confusion", "visual/gradient_through_time"]
    assert found.tags(pictured[0], "images") == tags
    for tag in tags:
        (event,) = found.events.Tensors(pictured[0], tag)
        width, height, png = event.tensor_proto.string_val
        assert (int(width), int(height)) == (WIDTH, HEIGHT)
        assert png.startswith(b"\x89PNG\r\n")
        assert event.step == 18


def test_without_diagnostics_a_run_has_no_pictures(sweep, shown):
    """The first has not even the confusion, which the record contains in any case."""
    sweep.done("0", {"h": 0, "diagnostics": False}, 0.9)
    sweep.done("1", {"h": 1, "diagnostics": True}, 0.5)
    older = sweep.add("2", {"h": 2, "diagnostics": True}, [0.5])
    sweep.finish(older, [0.5], confusion={}, classes=[])
    (older.path / "diagnostics.json").write_text('{"gradient": ')
    found = shown(sweep.folder, images=8)
    assert [name for name in found.runs if found.tags(name, "images")] == ["h=1"]
