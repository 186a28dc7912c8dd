"""The figures of a paper hold the numbers of the leaderboard, and equal runs give equal files."""

import itertools
import shutil
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from made_sweeps import on_data, sweep_of
from matplotlib.text import Text
from report_pages import LAYERS, SIZE, data, grid, started, trained

from seqsweep.results.across_sets import across_sets, across_values
from seqsweep.results.figures.draw import draw_all, draw_ranks
from seqsweep.results.findings import Findings
from seqsweep.results.leaderboard import leaderboard
from seqsweep.results.plot_parts import Drawing, paper_style, write_drawing
from seqsweep.results.report.write import write_report
from seqsweep.runs.ledger import read_folder


def drawings(folder: Path, columns: int = 1) -> tuple[dict[str, Drawing], dict[str, str]]:
    """Draws a folder; returns the figures by name, and what was left out with the reasons."""
    with paper_style():
        made = draw_all(Findings(folder, read_folder(folder)), columns)
    left_out = {name: why for name, why in made.items() if isinstance(why, str)}
    drawn = itertools.chain(*(each for name, each in made.items() if name not in left_out))
    return {drawing.name: drawing for drawing in drawn if isinstance(drawing, Drawing)}, left_out


def values(drawing: Drawing, gid: str) -> list[list[float]]:
    """Returns the values of a line or of a marker on both axes."""
    lines = drawing.figure.axes[0].lines
    (line,) = (np.asarray(line.get_data()) for line in lines if line.get_gid() == gid)
    return line.tolist()


def texts(drawing: Drawing) -> list[str]:
    """Returns what is written in a figure, each in one line."""
    found: list[Any] = drawing.figure.findobj(Text)
    return [" ".join(text.get_text().split()) for text in found]


def write(drawn: dict[str, Drawing], out: Path) -> dict[str, bytes]:
    """Writes figures into a new folder, and returns the content of the files by name."""
    out.mkdir(parents=True)
    with paper_style():
        paths = [path for drawing in drawn.values() for path in write_drawing(drawing, out)]
    return {path.name: path.read_bytes() for path in paths}


@pytest.fixture(name="sweep", scope="module")
def _sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six configs with nine seeds, and a run that is not complete."""
    folder = grid(tmp_path_factory.mktemp("sweep"), [8, 16, 32], [1, 2], 9)
    # A seed of the best config has another loss, so that its curves have a spread.
    other = folder / f"{45:016x}" / "metrics.csv"
    other.write_text(other.read_text().replace(",1,3.0,", ",1,6.0,"))
    started(folder, {SIZE: 8, LAYERS: 1, "seed": 9})
    return folder


@pytest.fixture(name="drawn", scope="module")
def _drawn(sweep: Path) -> dict[str, Drawing]:
    """The figures of the sweep."""
    drawn, left_out = drawings(sweep)
    assert left_out == {"ranks": "there is only one data set"}
    return drawn


@pytest.mark.parametrize("columns", [1, 2])
def test_the_intervals_are_those_of_the_leaderboard(sweep: Path, columns: int):
    board, drawn = leaderboard(read_folder(sweep)), drawings(sweep, columns)[0]["intervals"]
    for index, row in enumerate(board.rows):
        value = row.metrics[board.compared]
        assert values(drawn, f"point-{index}") == [[value.mean], [index]]
        assert values(drawn, f"bar-{index}")[0] == [value.low, value.high]
    assert len(board.rows) == 6 == len(drawn.figure.axes[0].lines) / 2
    assert drawn.figure.get_figwidth() * 25.4 == pytest.approx({1: 85, 2: 175}[columns])


def test_effects_and_curves_have_the_numbers_of_the_report(
    sweep: Path, drawn: dict[str, Drawing], tmp_path: Path
):
    write_report(sweep, tmp_path / "report.html")
    report = data(tmp_path)
    row = 0
    for effect in report["effects"]:
        share = f"({effect['share'] * 100:.0f} %)"
        assert f"{report['names'][effect['key']]} {share}" in texts(drawn["effects"])
        row += 1  # of the name of the key
        for mean in effect["means"]:
            assert values(drawn["effects"], f"point-{row}")[0] == [pytest.approx(mean)]
            row += 1
    curve = report["curves"][0]["bands"]["val/loss"]
    assert curve["low"][0] < curve["mean"][0] < curve["high"][0]
    assert values(drawn["curves-loss"], "curve-0") == [curve["epochs"], curve["mean"]]
    assert "Validation loss" in texts(drawn["curves-loss"])


def test_the_confusion_has_the_counts_of_all_seeds(drawn: dict[str, Drawing]):
    numbers = [text.get_text() for text in drawn["confusion"].figure.axes[0].texts]
    assert numbers == ["81", "9", "18", "72"]


@pytest.mark.slow
def test_equal_folders_give_equal_files_whatever_the_users_style_is(
    sweep: Path, drawn: dict[str, Drawing], tmp_path: Path
):
    copy = shutil.copytree(sweep, tmp_path / "elsewhere" / "copy")
    kept = ("intervals", "confusion")  # lines, and a picture
    first = write({name: drawn[name] for name in kept}, tmp_path / "first")
    with matplotlib.rc_context({"font.size": 20, "svg.hashsalt": "mine", "axes.grid": True}):
        again = drawings(copy)[0]
        second = write({name: again[name] for name in kept}, tmp_path / "second")
    assert first.keys() == second.keys() and len(first) == 3 * len(kept)
    assert [name for name in first if first[name] != second[name]] == []
    # Fonts are embedded, and the words of an SVG file are text.
    assert b"/FontFile2" in first["intervals.pdf"] and b"/Type3" not in first["intervals.pdf"]
    assert b">Test accuracy</text>" in first["intervals.svg"]
    assert first["intervals.txt"].decode() == f"{drawn['intervals'].caption}\n"


def test_each_caption_names_n_bars_and_test(drawn: dict[str, Drawing]):
    caption = drawn["intervals"].caption
    assert "Test accuracy of 6 configs, in the order of their validation" in caption
    assert "means with 95 % confidence intervals over 9 seeds." in caption
    assert "different (Wilcoxon signed-rank, Holm, 5 %, paired by seed)" in caption


def test_names_of_any_length_and_characters_are_drawn(tmp_path: Path):
    """A `$` would begin a formula, and the font has no Chinese."""
    names = ("$a_{", "日本", "<b>&amp;", "a name that goes on and on " * 8)
    trained(tmp_path, {"model.name": names}, 2, lambda c: len(c["model.name"]) / 300)
    drawn, _ = drawings(tmp_path)
    write({"intervals": drawn["intervals"]}, tmp_path / "out")
    found = " ".join(texts(drawn["intervals"]))
    assert all(name in found for name in ("name=$a_{", "name=□□", "name=<b>&amp;", "a name that"))


def test_one_seed_has_points_without_intervals(tmp_path: Path):
    drawing = drawings(grid(tmp_path, [8, 16], [1], 1))[0]["intervals"]
    assert [line.get_gid() for line in drawing.figure.axes[0].lines] == ["point-0", "point-1"]
    assert "one seed each, so there are no intervals" in drawing.caption


def test_of_one_run_both_splits_are_drawn_and_the_rest_is_left_out(sweep: Path):
    drawn, left_out = drawings(sweep / f"{0:016x}")
    assert drawn.keys() == {"curves-loss", "curves-accuracy", "confusion"}
    assert {"validation loss", "training loss", "Loss"} <= set(texts(drawn["curves-loss"]))
    assert left_out.keys() == {"intervals", "effects", "ranks"}


def on_sets(folder: Path, methods: int) -> Path:
    """Writes runs of configs on nine data sets: a larger number is better, but 1 and 2 are equal.

    They take turns in being the better one.
    """

    def metrics(config: dict[str, Any]) -> dict[str, float]:
        number, size = int(config["data.source.name"]), config[SIZE]
        better = 3 - size if number % 2 and size < 3 else size
        return {"val/acc": better / 50, "test/acc": better / 50 + number / 1000}

    sizes = [{SIZE: n} | ({LAYERS: n % 2} if methods == 4 else {}) for n in range(1, methods + 1)]
    runs = [{"data.source.name": f"{number}", **size} for number in range(9) for size in sizes]
    return sweep_of(folder, runs, None, metrics, about=lambda c: on_data(c["data.source.name"]))


@pytest.mark.parametrize("methods", [3, 20])
def test_over_data_sets_the_diagram_has_the_mean_ranks(tmp_path: Path, methods: int):
    """Few methods are lines to their names; many have a row each."""
    drawn, left_out = drawings(on_sets(tmp_path, methods))
    assert drawn.keys() == {"ranks"} and "common scale" in left_out["curves"]
    across = across_sets(read_folder(tmp_path))
    assert across and across.ranking
    ranks = across.ranking.mean_ranks
    gid = "rank" if methods == 3 else "point"
    assert [values(drawn["ranks"], f"{gid}-{n}")[0][0] for n in range(methods)] == ranks
    assert f"{across.methods[0].words} ({ranks[0]:.2f})" in " ".join(texts(drawn["ranks"]))
    # The bar joins the last two: on the axis, or beside their rows.
    assert across.ranking.cliques == [(methods - 2, methods - 1)]
    bar, _ = values(drawn["ranks"], "clique")
    assert bar == ranks[-2:] if methods == 3 else min(bar) > ranks[-1]


def test_validation_chooses_the_config_of_each_value_of_a_key(tmp_path: Path):
    on_sets(tmp_path, 4)
    found = across_values(read_folder(tmp_path), LAYERS)
    # Of the sizes 1 to 4, the best one of each parity is 3 and 4.
    assert [method.words for method in found.methods] == ["0", "1"]
    means = [[cell and cell.mean for cell in method.cells][:2] for method in found.methods]
    assert means == [pytest.approx([0.08, 0.081]), pytest.approx([0.06, 0.061])]
    (drawing,) = draw_ranks(found, 1)
    assert isinstance(drawing, Drawing) and "2 methods on 9 data sets" in drawing.caption
    with pytest.raises(ValueError, match=r"model\.layers: no run has this key; did you mean"):
        across_values(read_folder(tmp_path), "model.layers")
    with pytest.raises(ValueError, match="there is only one"):
        across_values(read_folder(tmp_path)[:2], LAYERS)
