"""Builds the report's section on the score of every replicate."""

from collections.abc import Mapping
from typing import Any

from seqsweep.results.findings import Findings
from seqsweep.results.power import replicates_override
from seqsweep.results.report import plotly_parts as plots
from seqsweep.results.rows import Row
from seqsweep.results.sections import TEMPLATES, Figure, Section
from seqsweep.results.significance import Estimate
from seqsweep.text import number

_MOST_STRIPS = 12


def seeds_section(findings: Findings) -> Section:
    """Builds the section with the score of every replicate."""
    board = findings.board
    return Section(
        "seeds",
        f"{findings.unit.capitalize()}s",
        TEMPLATES / "seeds.html.j2",
        figures={"seeds": seeds_figure(findings)}
        if board.has_replicates and findings.scored
        else {},
        view={"more_replicates": replicates_override(len(board.rows), board.variation.folds)},
        is_shown=len(findings.rows) > 1,
    )


def seeds_figure(findings: Findings) -> Figure:
    """Draws the scores of the first configs' replicates, with mean and interval."""
    drawn, score = findings.scored[:_MOST_STRIPS], findings.score
    traces: list[dict[str, Any]] = []
    for index, row in enumerate(drawn):
        before = "seed " if findings.unit == "seed" else ""
        values = {f"{before}{name}": value for name, value in findings.board.scores(row)}
        traces += _strip(row, values, row.metrics[score], index)
    shape = plots.layout(score.words, "", 0)
    plots.name_rows(shape, [f"#{row.rank}  {row.words}" for row in drawn])
    return {"data": traces, "layout": shape}


def _strip(
    row: Row, values: Mapping[str, float], mean: Estimate, index: int
) -> list[dict[str, Any]]:
    """Returns the traces of a config's replicates, their interval and their mean."""
    colour = plots.PALETTE[1] if row.rank == 1 else plots.PALETTE[0]
    hover = [
        f"#{row.rank} {plots.label(row.words)}<br>{replicate}: {number(value)}"
        for replicate, value in values.items()
    ]
    return [
        {"type": "scatter", "mode": "lines", "x": [mean.low, mean.high],
         "y": [index, index], "line": {"color": plots.faded(colour), "width": 8},
         "hoverinfo": "skip"},
        {"type": "scatter", "mode": "markers", "x": [*values.values()], "y": [index] * len(values),
         "marker": {"color": colour, "size": 7, "symbol": "circle-open"},
         "text": hover, "hoverinfo": "text"},
        {"type": "scatter", "mode": "markers", "x": [mean.mean],
         "y": [index], "hoverinfo": "skip",
         "marker": {"color": colour, "size": 16, "symbol": "line-ns",
                    "line": {"color": colour, "width": 2.5}}},
    ]  # fmt: skip
