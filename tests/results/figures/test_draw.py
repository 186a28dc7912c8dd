"""The figures of a paper hold the numbers of the leaderboard, and equal runs give equal files."""

import re
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import pytest
from made_sweeps import on_data, sweep_of
from report_pages import LAYERS, SIZE, data, grid, started, trained

from seqsweep.results.across_sets import across_sets, across_values
from seqsweep.results.figures.draw import draw_all, draw_intervals, draw_ranks
from seqsweep.results.findings import Findings
from seqsweep.results.plot_parts import Drawing, paper_style, write_drawing
from seqsweep.results.report.write import write_report
from seqsweep.runs.ledger import read_folder

SVG = "{http://www.w3.org/2000/svg}"


class Drawn:
    """An SVG file, whose coordinates are turned into values by the ticks of its axes."""

    def __init__(self, path: Path) -> None:
        self.root = ElementTree.fromstring(path.read_text())
        self.texts = ["".join(text.itertext()) for text in self.root.iter(f"{SVG}text")]
        self.groups = {g.get("id"): g for g in self.root.iter(f"{SVG}g")}

    def values(self, gid: str, axis: str = "x") -> list[float]:
        """Returns the values of the points of a line or of a marker."""
        group = self.groups[gid]
        places = [float(mark.get(axis, "")) for mark in group.iter(f"{SVG}use")]
        if not places:
            path = next(group.iter(f"{SVG}path")).get("d", "")
            points = re.findall(r"[ML] (\S+) (\S+)", path)
            places = [float(point[axis == "y"]) for point in points]
        return [self._value(place, axis) for place in places]

    def _value(self, place: float, axis: str) -> float:
        ticks: list[tuple[float, float]] = []
        for name, group in self.groups.items():
            if re.fullmatch(rf"{axis}tick_\d+", name or ""):
                (text,) = (text.text or "" for text in group.iter(f"{SVG}text"))
                (use,) = group.iter(f"{SVG}use")
                number = float(text.replace("\N{MINUS SIGN}", "-"))
                ticks.append((float(use.get(axis, "")), number))
        (start, low), (end, high) = min(ticks), max(ticks)
        return low + (place - start) / (end - start) * (high - low)


def figures(folder: Path, out: Path, columns: int = 1) -> tuple[dict[str, Drawn], dict[str, str]]:
    """Draws a folder; returns the figures by name, and what was left out with the reasons."""
    out.mkdir()
    with paper_style():
        made = draw_all(Findings(folder, read_folder(folder)), columns)
        for drawings in made.values():
            for drawing in () if isinstance(drawings, str) else drawings:
                write_drawing(drawing, out)
    drawn = {path.stem: Drawn(path) for path in sorted(out.glob("*.svg"))}
    return drawn, {name: why for name, why in made.items() if isinstance(why, str)}


@pytest.fixture(name="sweep", scope="module")
def _sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six configs with nine seeds, and a run that is not complete."""
    folder = grid(tmp_path_factory.mktemp("sweep"), [8, 16, 32], [1, 2], 9)
    # A seed of the best config has another loss, so that its curves have a spread.
    other = folder / f"{45:016x}" / "metrics.csv"
    other.write_text(other.read_text().replace(",1,3.0,", ",1,6.0,"))
    started(folder, {SIZE: 8, LAYERS: 1, "seed": 9})
    return folder


@pytest.fixture(name="out", scope="module")
def _out(sweep: Path) -> Path:
    """The figures of the sweep."""
    _, left_out = figures(sweep, sweep.parent / "figures")
    assert left_out == {"ranks": "there is only one data set"}
    return sweep.parent / "figures"


@pytest.mark.parametrize("columns", [1, 2])
def test_the_intervals_are_those_of_the_leaderboard(sweep: Path, tmp_path: Path, columns: int):
    findings = Findings(sweep, read_folder(sweep))
    with paper_style():
        (drawing,) = draw_intervals(findings, columns)
        assert isinstance(drawing, Drawing)
        write_drawing(drawing, tmp_path)
    board, intervals = findings.board, Drawn(tmp_path / "intervals.svg")
    for index, row in enumerate(board.rows):
        value = row.metrics[board.compared]
        assert intervals.values(f"point-{index}") == [pytest.approx(value.mean, abs=1e-5)]
        ends = pytest.approx([value.low, value.high], abs=1e-5)
        assert intervals.values(f"bar-{index}") == ends
    assert len(board.rows) == 6 and "bar-6" not in intervals.groups
    width = float(str(intervals.root.get("width")).removesuffix("pt")) / 72 * 25.4
    assert width == pytest.approx({1: 85, 2: 175}[columns])


def test_effects_and_curves_have_the_numbers_of_the_report(sweep: Path, out: Path, tmp_path: Path):
    drawn = {name: Drawn(out / f"{name}.svg") for name in ("effects", "curves-loss")}
    write_report(sweep, tmp_path / "report.html")
    report = data(tmp_path)
    row = 0
    for effect in report["effects"]:
        row += 1  # of the name of the key
        for mean in effect["means"]:
            assert drawn["effects"].values(f"point-{row}") == [pytest.approx(mean, abs=1e-5)]
            row += 1
        share = f"({effect['share'] * 100:.0f} %)"
        assert f"{report['names'][effect['key']]} {share}" in drawn["effects"].texts
    curve = report["curves"][0]["bands"]["val/loss"]
    assert curve["low"][0] < curve["mean"][0] < curve["high"][0]
    assert drawn["curves-loss"].values("curve-0") == pytest.approx(curve["epochs"], abs=1e-4)
    assert drawn["curves-loss"].values("curve-0", "y") == pytest.approx(curve["mean"], abs=1e-3)
    assert "Validation loss" in drawn["curves-loss"].texts


def test_the_confusion_has_the_counts_of_all_seeds(out: Path):
    numbers = [text for text in Drawn(out / "confusion.svg").texts if text.isdigit()]
    assert numbers == ["81", "9", "18", "72"]


def test_equal_folders_give_equal_files_whatever_the_users_style_is(
    sweep: Path, out: Path, tmp_path: Path
):
    copy = shutil.copytree(sweep, tmp_path / "elsewhere" / "copy")
    with matplotlib.rc_context({"font.size": 20, "svg.hashsalt": "mine", "axes.grid": True}):
        figures(copy, tmp_path / "second")
    first, second = (
        {path.name: path.read_bytes() for path in folder.iterdir()}
        for folder in (out, tmp_path / "second")
    )
    assert first.keys() == second.keys() and len(first) == 3 * 5
    assert [name for name in first if first[name] != second[name]] == []


def test_fonts_are_embedded_and_each_caption_names_n_bars_and_test(out: Path):
    content = (out / "intervals.pdf").read_bytes()
    assert b"/FontFile2" in content and b"/Type3" not in content
    caption = (out / "intervals.txt").read_text()
    assert "Test accuracy of 6 configs, in the order of their validation" in caption
    assert "means with 95 % confidence intervals over 9 seeds." in caption
    assert "different (Wilcoxon signed-rank, Holm, 5 %, paired by seed)" in caption


def test_names_of_any_length_and_characters_are_drawn(tmp_path: Path):
    """A `$` would begin a formula, and the font has no Chinese."""
    names = ("$a_{", "日本", "<b>&amp;", "a name that goes on and on " * 8)
    trained(tmp_path / "runs", {"model.name": names}, 2, lambda c: len(c["model.name"]) / 300)
    drawn, _ = figures(tmp_path / "runs", tmp_path / "out")
    texts = " ".join(drawn["intervals"].texts)
    assert all(name in texts for name in ("name=$a_{", "name=□□", "name=<b>&amp;", "a name that"))


def test_one_seed_has_points_without_intervals(tmp_path: Path):
    folder = grid(tmp_path, [8, 16], [1], 1)
    with paper_style():
        (drawing,) = draw_intervals(Findings(folder, read_folder(folder)), 1)
    assert isinstance(drawing, Drawing)
    assert [line.get_gid() for line in drawing.figure.axes[0].lines] == ["point-0", "point-1"]
    assert "one seed each, so there are no intervals" in drawing.caption


def test_of_one_run_both_splits_are_drawn_and_the_rest_is_left_out(sweep: Path, tmp_path: Path):
    drawn, left_out = figures(sweep / f"{0:016x}", tmp_path / "out")
    assert drawn.keys() == {"curves-loss", "curves-accuracy", "confusion"}
    assert {"validation loss", "training loss", "Loss"} <= set(drawn["curves-loss"].texts)
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
    on_sets(tmp_path / "runs", methods)
    drawn, left_out = figures(tmp_path / "runs", tmp_path / "out")
    assert drawn.keys() == {"ranks"} and "common scale" in left_out["curves"]
    across = across_sets(read_folder(tmp_path / "runs"))
    assert across and across.ranking
    ranks: Any = pytest.approx(across.ranking.mean_ranks, abs=1e-3)
    gid = "rank" if methods == 3 else "point"
    assert [drawn["ranks"].values(f"{gid}-{n}")[0] for n in range(methods)] == ranks
    words, rank = across.methods[0].words, across.ranking.mean_ranks[0]
    assert f"{words} ({rank:.2f})" in " ".join(drawn["ranks"].texts)
    # The bar joins the last two: on the axis, or beside their rows.
    assert across.ranking.cliques == [(methods - 2, methods - 1)]
    bar, worst = drawn["ranks"].values("clique"), across.ranking.mean_ranks[-1]
    at_ends = bar == pytest.approx(across.ranking.mean_ranks[-2:], abs=1e-3)
    assert at_ends if methods == 3 else min(bar) > worst


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
