"""The best runs have pictures in TensorBoard, as many as are asked for."""

import pytest

from seqsweep.results.tensorboard.figures import HEIGHT, WIDTH
from seqsweep.results.tensorboard.view import renew


def test_the_best_runs_have_pictures_of_the_promised_size(grid):
    found = grid.shown
    pictured = [name for name in found.runs if found.tags(name, "images")]
    assert pictured == sorted(sorted(grid.best, key=grid.best.__getitem__)[-3:])
    tags = ["visual/confusion", "visual/gradient_through_time", "visual/states"]
    assert found.tags(pictured[0], "images") == tags
    for tag in tags:
        (event,) = found.events.Tensors(pictured[0], tag)
        width, height, png = event.tensor_proto.string_val
        assert (int(width), int(height)) == (WIDTH, HEIGHT)
        assert png.startswith(b"\x89PNG\r\n")
        assert event.step == 18


def test_without_a_number_the_number_of_pictures_stays(sweep, made):
    for size in (8, 16):
        sweep.done(f"{size:02}", {"h": size}, size / 100)
    renew(sweep.folder, images=None)
    assert made(sweep.folder, "images") == {}
    renew(sweep.folder, images=1)
    one = made(sweep.folder, "images")
    renew(sweep.folder, images=None)
    assert len(one) == 1 and made(sweep.folder, "images") == one


def test_without_diagnostics_a_run_has_no_pictures(sweep, made):
    """The first has not even the confusion, which the record contains in any case."""
    sweep.done("0", {"h": 0, "diagnostics": False}, 0.9)
    sweep.done("1", {"h": 1, "diagnostics": True}, 0.5)
    older = sweep.add("2", {"h": 2, "diagnostics": True}, [0.5])
    sweep.finish(older, [0.5], confusion={}, classes=[])
    (older.path / "diagnostics.json").write_text('{"gradient": ')
    sweep.plan()
    renew(sweep.folder)
    assert list(made(sweep.folder, "images").values()) == ["h1"]


def test_a_negative_number_of_images_is_refused(sweep):
    sweep.done("0", {"h": 1}, 0.9)
    with pytest.raises(ValueError, match="images=-1: must be at least 0"):
        renew(sweep.folder, images=-1)
