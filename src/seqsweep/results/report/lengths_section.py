"""Builds the report's section on the accuracy by length."""

import math
from collections.abc import Sequence
from typing import Any

from seqsweep.results.curves import MOST_CURVES
from seqsweep.results.findings import Findings
from seqsweep.results.report import plotly_parts as plots
from seqsweep.results.rows import Row
from seqsweep.results.sections import TEMPLATES, Figure, Section


def lengths_section(findings: Findings) -> Section:
    """Builds the section with the accuracy of the best configs by length."""
    found = [(row.words, of) for row in findings.compared[:MOST_CURVES] if (of := by_length(row))]
    content = [{"label": words, "by_length": of} for words, of in found]
    return Section(
        "lengths",
        "Lengths",
        TEMPLATES / "lengths.html.j2",
        {"lengths": content} if found else {},
        {"lengths": lengths_figure(found)} if found else {},
        is_shown=bool(found),
    )


def by_length(row: Row) -> list[dict[str, Any]]:
    """Returns the ranges of a config, with the mean accuracy of its replicates."""
    ranges = [entry.record.by_length for entry in row.entries if entry.record.by_length]
    # Other splits may have other ranges, which have no mean.
    bounds = [[(each["shortest"], each["longest"]) for each in of] for of in ranges]
    same = [of for of, ends in zip(ranges, bounds, strict=True) if ends == bounds[0]]
    return [
        one[0] | {"accuracy": math.fsum(each["accuracy"] for each in one) / len(one)}
        for one in zip(*same, strict=True)
    ]


def lengths_figure(found: Sequence[tuple[str, Sequence[dict[str, Any]]]]) -> Figure:
    """Draws the accuracy of configs over the middle of each range of lengths."""
    traces = [
        {
            "type": "scatter", "mode": "lines+markers", "name": plots.label(words),
            "x": [(each["shortest"] + each["longest"]) / 2 for each in ranges],
            "y": plots.rounded([each["accuracy"] for each in ranges]),
            "line": {"color": plots.PALETTE[index]},
            "marker": {"symbol": plots.SYMBOLS[index]},
            "hovertext": [
                f"{plots.label(words)}<br>{each['shortest']} to {each['longest']} steps:"
                f" {each['accuracy']:.4f}"
                for each in ranges
            ],
            "hoverinfo": "text",
        }
        for index, (words, ranges) in enumerate(found)
    ]  # fmt: skip
    return {"data": traces, "layout": plots.layout("steps", "test accuracy", 320)}
