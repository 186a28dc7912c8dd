"""The diagram has every method in its place; the section has the table."""

import random
from pathlib import Path
from typing import Any

from report_pages import data, figures_of, page, trained

from seqsweep.results.ranks import rank_methods
from seqsweep.results.report.board import MOST_RANKED, ranks_figure


def ranked(methods: int, sets: int = 12, seed: int = 0) -> Any:
    """A ranking in the order of its methods, with several cliques."""
    source = random.Random(seed)
    scores = [[source.random() - 0.1 * m for m in range(methods)] for _ in range(sets)]
    order = rank_methods(scores).order
    return rank_methods([[row[index] for index in order] for row in scores])


def test_a_row_has_each_method_at_its_mean_rank_and_a_bar_each_clique():
    ranking = ranked(6)
    points, *bars = ranks_figure([f"<b>{n}" for n in range(6)], ranking)["data"]
    assert (points["x"], points["y"]) == (ranking.mean_ranks, list(range(6)))
    assert all(text.startswith("&lt;b&gt;") for text in points["text"])
    assert [tuple(bar["y"]) for bar in bars] == ranking.cliques
    assert len({bar["x"][0] for bar in bars}) == len(bars) > 1
    assert min(bar["x"][0] for bar in bars) > 6
    # A diagram of many methods draws the best.
    names = [f"name{n}" for n in range(MOST_RANKED + 5)]
    figure = ranks_figure(names, ranked(len(names)))
    assert len(figure["data"][0]["y"]) == len(figure["layout"]["annotations"]) == MOST_RANKED


def test_the_report_begins_with_the_ranks(tmp_path: Path):
    """Two sizes on seven data sets, the larger one always better."""
    for number in range(7):
        for size in (8, 16):
            config = {"model.hidden_size": size, "data.source.name": f"Set{number}", "seed": 0}
            acc = 0.1 * number + size / 100
            run = trained(tmp_path, config, val__acc=acc, test__acc=acc)
            run.finish((run.record() or {}) | {"data_fingerprint": f"{number}"}, synced=True)
    found = page(tmp_path)
    assert found.headings[:2] == ["Data sets", "Leaderboard"]
    assert "Lowest mean rank in test accuracy on 7 data sets: hidden_size=16" in found.text
    assert "mean rank 1.00 of 2 configs" in found.text
    assert "every config differs from every other" in found.text
    # Effects and costs would mix scores of different test sets.
    assert "Effect of each axis" not in found.headings
    assert not [heading for heading in found.headings if "cost" in heading]
    assert data(tmp_path)["effects"] == []
    across = data(tmp_path)["across"]
    assert across["sets"] == [f"Set{number}" for number in range(7)]
    assert across["ranking"]["mean_ranks"] == [1, 2]
    drawn = figures_of((tmp_path / "report.html").read_text(encoding="utf-8"))["ranks"]
    assert drawn["data"][0]["text"][0] == "hidden_size=16 (1.00)"
