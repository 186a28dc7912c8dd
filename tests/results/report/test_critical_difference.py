"""The diagram has every method in its place, inside its frame; the section has the table."""

import itertools
import random
import re
from pathlib import Path
from typing import Any

import pytest

from seqsweep.results.ranks import rank_methods
from seqsweep.results.report.sets import MOST_DRAWN, diagram, lay_out
from seqsweep.runs.run_folder import RunFolder

WIDTH = 900


def ranked(methods: int, sets: int = 12, seed: int = 0) -> Any:
    """A ranking in the order of its methods, with several cliques."""
    source = random.Random(seed)
    scores = [[source.random() - 0.1 * m for m in range(methods)] for _ in range(sets)]
    order = rank_methods(scores).order
    return rank_methods([[row[index] for index in order] for row in scores])


@pytest.mark.parametrize("methods", [2, 3, 6, 13, MOST_DRAWN])
def test_all_names_are_inside_the_frame_and_do_not_overlap(methods: int):
    texts = [f"hidden_size={n} cell=lstm ({n:.2f})" for n in range(methods)]
    layout = lay_out(texts, ranked(methods))
    for leader, text in zip(layout.leaders, texts, strict=True):
        width = 7.4 * len(text)
        start = leader.end - width if leader.is_left else leader.end
        assert start >= 0
        assert start + width <= WIDTH
        assert 0 < leader.y < layout.height
    for is_left in (False, True):
        heights = sorted(one.y for one in layout.leaders if one.is_left == is_left)
        assert all(b - a >= 15 for a, b in itertools.pairwise(heights))


@pytest.mark.parametrize("methods", [3, 6, 13])
def test_leaders_never_cross(methods: int):
    """On a side, a leader that is nearer to its names is above the others."""
    leaders = lay_out(["name"] * methods, ranked(methods)).leaders
    for is_left in (False, True):
        side = [one for one in leaders if one.is_left == is_left]
        outward = sorted(side, key=lambda one: one.x if is_left else -one.x)
        assert [one.y for one in outward] == sorted(one.y for one in side)


def test_the_best_rank_is_on_the_right_and_a_tick_marks_each_rank():
    ranking = ranked(6)
    layout = lay_out(["name"] * 6, ranking)
    xs = [leader.x for leader in layout.leaders]
    assert xs == sorted(xs, reverse=True)
    worst, best = layout.ticks[-1], layout.ticks[0]
    assert layout.axis == (worst, best)
    for leader, rank in zip(layout.leaders, ranking.mean_ranks, strict=True):
        assert leader.x == pytest.approx(best - (rank - 1) / 5 * (best - worst))


def test_a_bar_spans_its_clique_alone():
    ranking = ranked(6)
    layout = lay_out(["name"] * 6, ranking)
    assert len(layout.bars) == len(ranking.cliques) > 1
    for (left, right, y), (start, end) in zip(layout.bars, ranking.cliques, strict=True):
        inside = [n for n, one in enumerate(layout.leaders) if left <= one.x <= right]
        assert inside == list(range(start, end + 1))
        assert y < min(leader.y for leader in layout.leaders) - 10
    assert len({y for _, _, y in layout.bars}) == len(layout.bars)


def test_a_diagram_of_many_methods_draws_the_best():
    names = [f"name{n}" for n in range(MOST_DRAWN + 5)]
    source = diagram(names, ranked(len(names)))
    assert source.count("<polyline") == MOST_DRAWN
    assert names[MOST_DRAWN] not in source


def test_names_are_escaped_and_long_ones_keep_their_whole_text():
    long = "x" * 80
    source = diagram(["<b>&", long], ranked(2))
    assert "<b>" not in source
    assert f"<title>{long}</title>" in source
    assert f">{long} (" not in source


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, trained: Any) -> Path:
    """Two sizes on seven data sets, the larger one always better."""
    for number in range(7):
        for size in (8, 16):
            config = {"model.hidden_size": size, "data.source.name": f"Set{number}", "seed": 0}
            acc = 0.1 * number + size / 100
            run: RunFolder = trained(tmp_path, config, val__acc=acc, test__acc=acc)
            record = run.record()
            assert record is not None
            run.finish(record | {"data_fingerprint": f"{number}"}, synced=True)
    return tmp_path


def test_the_report_begins_with_the_ranks(folder: Path, page: Any, data: Any):
    found = page(folder)
    assert found.headings[:2] == ["Data sets", "Leaderboard"]
    assert "Lowest mean rank in test accuracy on 7 data sets: hidden_size=16" in found.text
    assert "mean rank 1.00 of 2 configs" in found.text
    assert "every config differs from every other" in found.text
    # Effects and costs would mix scores of different test sets.
    assert "Effect of each axis" not in found.headings
    assert not [heading for heading in found.headings if "cost" in heading]
    assert data(folder)["effects"] == []
    across = data(folder)["across"]
    assert across["sets"] == [f"Set{number}" for number in range(7)]
    assert across["ranking"]["mean_ranks"] == [1, 2]
    source = (folder / "report.html").read_text(encoding="utf-8")
    svg = re.search(r'<svg xmlns="[^"]*" class="ranks".*?</svg>', source, re.DOTALL)
    assert svg
    assert "hidden_size=16 (1.00)" in svg[0]
