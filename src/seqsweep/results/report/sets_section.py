"""Builds the report's section on several data sets, with the diagram of ranks."""

from collections.abc import Sequence
from typing import Any

from seqsweep.results.across_sets import AcrossSets
from seqsweep.results.findings import Findings
from seqsweep.results.formatting import key_names
from seqsweep.results.ranks import MOST_RANKED, Ranking
from seqsweep.results.report import plotly_parts as plots
from seqsweep.results.sections import TEMPLATES, Figure, Section
from seqsweep.results.words import clique_rule, rank_cells, ranking_words
from seqsweep.text import upper_first

_NO_MEAN = (
    "Accuracies of different test sets have no common scale, so no mean over data sets is shown."
)


def sets_section(findings: Findings) -> Section:
    """Builds the section that compares the configs over several data sets."""
    across = findings.across
    ranking = across and across.ranking
    names = [method.words for method in across.methods] if across else []
    return Section(
        "sets",
        "Data sets",
        TEMPLATES / "sets.html.j2",
        {"across": across},
        {"ranks": ranks_figure(names, ranking)} if ranking else {},
        _sets_view(across) if across else {},
        is_shown=bool(across and findings.rows),
    )


def _sets_view(across: AcrossSets) -> dict[str, Any]:
    methods = range(len(across.methods))
    return {
        "across_keys": key_names(across.methods[0].keys, (one.keys for one in across.methods)),
        "across_ranks": across.ranking and [rank_cells(across, index) for index in methods],
        "across_notes": [
            *(f"{upper_first(words)}." for words in ranking_words(across)),
            _NO_MEAN,
        ],
        "bars_rule": clique_rule(len(methods)),
        "across_cut": len(methods) > MOST_RANKED,
    }


def ranks_figure(names: Sequence[str], ranking: Ranking) -> Figure:
    """Draws the critical-difference diagram of Demsar (2006, JMLR 7), in rows.

    A bar beside the rows joins the methods of a clique, see `results.ranks`.

    Args:
        names: The names of the methods, in the order of their mean ranks.
    """
    drawn, ranks = names[:MOST_RANKED], ranking.mean_ranks[:MOST_RANKED]
    shape = plots.layout("mean rank", "", 0)
    texts = [f"{name} ({rank:.2f})" for name, rank in zip(drawn, ranks, strict=True)]
    plots.name_rows(shape, texts)
    worst = len(ranking.mean_ranks)
    cliques = [(start, min(end, len(drawn) - 1)) for start, end in ranking.cliques]
    cliques = [(start, end) for start, end in cliques if start < end]
    # The bars stand side by side, to the right of the worst rank.
    step = 0.03 * worst
    shape["xaxis"] |= {"range": [0.8, worst + step * (len(cliques) + 1)], "tick0": 1, "dtick": 1}
    points = {
        "type": "scatter", "mode": "markers", "x": ranks, "y": list(range(len(drawn))),
        "marker": {"color": plots.PALETTE[0], "size": 9}, "text": list(map(plots.label, texts)),
        "hoverinfo": "text",
    }  # fmt: skip
    bars = [
        {"type": "scatter", "mode": "lines", "x": [worst + step * level] * 2,
         "y": [start, end], "line": {"color": plots.GREY, "width": 4}, "hoverinfo": "skip"}
        for level, (start, end) in enumerate(cliques, start=1)
    ]  # fmt: skip
    return {"data": [points, *bars], "layout": shape}
