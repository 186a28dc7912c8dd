"""Figures show the right numbers, and none of their labels is markup."""

from pathlib import Path

import pytest
from report_pages import SIZE, data, figures_of, page, trained

from seqsweep.results.curves import Curve, Kind, band
from seqsweep.results.report.plotly_figures import curves_figure


def test_a_line_is_pale_where_seeds_have_ended():
    """The mean of the remaining seeds falls when a high one ends, and so would its band."""
    found = band([{0: 0.2, 1: 0.4, 2: 0.6, 3: 0.6}, {0: 0.6, 1: 0.8}])
    assert (found.seeds, found.whole) == ([2, 2, 1, 1], 2)
    curves = [Curve("%{x}<i>", {"val/acc": found}, None)]
    assert curves_figure(curves, Kind("loss", "loss", {"val": "val/loss"})) is None
    figure = curves_figure(curves, Kind("acc", "accuracy", {"val": "val/acc"}))
    assert figure is not None
    # A name is neither a variable of plotly nor markup.
    hovers = "".join(trace.get("hovertemplate", "") for trace in figure["data"])
    assert "&lt;i&gt;" in hovers and "%{x}&lt;i&gt;" not in hovers
    shaded, whole, left = figure["data"]
    assert max(shaded["x"]) == 1
    assert (whole["x"], whole["y"]) == ([0, 1], pytest.approx([0.4, 0.6]))
    assert (left["x"], left["y"]) == ([1, 2, 3], pytest.approx([0.6, 0.6, 0.6]))
    assert left["opacity"] < 1 and left["text"][-1] == "<br>1 of 2 runs left"


def test_the_report_begins_with_the_ranks(tmp_path: Path):
    """Two sizes on five data sets, the larger one always better."""
    trained(
        tmp_path, {"data.source.name": [f"Set{n}" for n in range(5)], SIZE: (8, 16)}, 1,
        lambda c: int(c["data.source.name"][3:]) / 10 + c[SIZE] / 100,
        data_fingerprint=lambda c: c["data.source.name"],
    )  # fmt: skip
    found = page(tmp_path)
    assert found.headings[:2] == ["Data sets", "Leaderboard"]
    # Effects and costs would mix scores of different test sets.
    assert "Effect of each axis" not in found.headings
    assert not [heading for heading in found.headings if "cost" in heading]
    assert data(tmp_path)["effects"] == []
    across = data(tmp_path)["across"]
    assert across["sets"] == [f"Set{number}" for number in range(5)]
    assert across["ranking"]["mean_ranks"] == [1, 2]
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    points, bar = figures_of(html)["ranks"]["data"]
    assert points["text"][0] == "hidden_size=16 (1.00)"
    assert bar["y"] == [0, 1]  # five sets are too few for a difference
    # Readers who cannot see the diagram hear its rows.
    assert 'aria-label="mean rank: hidden_size=16 (1.00); hidden_size=8 (2.00)"' in html
