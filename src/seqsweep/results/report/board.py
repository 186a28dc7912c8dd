"""Builds the report's leaderboard, also as CSV, and its table of data sets."""

import csv
import io
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seqsweep.results.across_sets import AcrossSets
from seqsweep.results.baselines import as_row
from seqsweep.results.columns import board_columns
from seqsweep.results.curves import Kind, curve_kinds, read_metrics, thinned
from seqsweep.results.findings import Findings
from seqsweep.results.formatting import key_names
from seqsweep.results.leaderboard import Row
from seqsweep.results.ranks import Ranking
from seqsweep.results.replicates import varied_words
from seqsweep.results.report import parts as plots
from seqsweep.results.report.parts import TEMPLATES, Section
from seqsweep.results.run_details import Run
from seqsweep.results.words import (
    clique_rule,
    rank_cells,
    ranking_words,
)
from seqsweep.text import quoted_formula, upper_first

DRAWN_RUNS = 120
"""The most runs with curves, best configs first. More would make the page large."""

DRAWN_EPOCHS = 60  # the most epochs of a curve
_ON_PAGE = (
    "rank", "key", "count", "lost", "score", "difference", "p", "verdict", "metric", "cost",
)  # fmt: skip
"""The kinds of columns on the page, in their order: the score and its test come first."""

_FOLDED_FROM = 30
"""A leaderboard with more rows shows the first twenty (report.css) until it is unfolded."""

_NO_ROW = Row({}, [], {}, {})

MOST_RANKED = 24
"""The most methods in a diagram, which shows the best of them."""

_NO_MEAN = (
    "Accuracies of different test sets have no common scale, so no mean over data sets is shown."
)

RunCurves = Mapping[str, Mapping[str, Sequence[float | None]]]
"""The epochs and the values of each metric by run_id; None where an epoch has no value."""


def board_section(findings: Findings) -> Section:
    """Builds the leaderboard; a click on a row shows its runs."""
    runs = [*itertools.chain(*findings.runs)]
    kinds = curve_kinds(findings)
    curves = run_curves(runs, findings.folder, kinds)
    metrics = {name for columns in curves.values() for name in columns}
    has_validation = any(name.startswith("val/") for name in metrics)
    view = {
        **_board_view(findings),
        "curves": curves,
        "run_kinds": [k for k in kinds if {f"val/{k.key}", f"train/{k.key}"} & metrics],
        "curve_legend": "Validation solid, training dotted; diamonds mark the best epoch"
        if has_validation
        else "Training",
        "most_drawn": DRAWN_RUNS,
    }
    title = "Leaderboard" if len(findings.rows) > 1 else "Result"
    template = TEMPLATES / "leaderboard.html.j2"
    pairs = zip(findings.rows, findings.runs, strict=True)
    content = {"configs": [_content(findings, row, all_runs) for row, all_runs in pairs]}
    return Section("leaderboard", title, template, content, view=view, is_shown=bool(findings.rows))


def _content(findings: Findings, row: Row, runs: Sequence[Run]) -> dict[str, Any]:
    """Returns a row of report.json.

    `scores` holds pairs of a seed, or `fold=1 seed=0`, and a value of the compared metric; `varied`
    says how the runs differ, as `5 folds x 3 seeds`, and `all_runs` has those not counted, too.
    """
    board, first = findings.board, row.entries[0].folder.run_id
    return {
        "rank": row.rank,
        "name": findings.run_names[first].config,
        "words": row.words,
        "keys": row.config,
        "runs": [entry.folder.run_id for entry in row.entries],
        "metrics": row.metrics,
        "scores": board.scores(row),
        "difference": row.difference,
        "apart": row.apart,
        "lost": row.lost_words,
        "data": row.data,
        "varied": varied_words(board.variation.by_replicate(row.entries)),
        "all_runs": runs,
    }


def _board_view(findings: Findings) -> dict[str, Any]:
    rows, score = findings.rows, findings.score
    values = [row.metrics[score] for row in findings.scored]
    # An end at a bound of the metric has been clipped, because Student's t ignores the bounds.
    ends = {end for value in values for end in (value.low, value.high) if end is not None}
    # The reasons why splits of the data are not tested.
    untested = {row.difference.untested for row in rows if row.difference} - {""}
    columns = [one for one in board_columns(findings.board) if one.kind in _ON_PAGE]
    return {
        "cut": " and ".join(f"{bound:g}" for bound in score.bounds if bound in ends),
        "scale": plots.scale_of([*(value.mean for value in values), *ends]),
        "columns": sorted(columns, key=lambda one: _ON_PAGE.index(one.kind)),
        "folded": len(rows) > _FOLDED_FROM,
        "all_runs": findings.runs,
        "baseline_rows": [*map(as_row, findings.baselines)],
        "tested": any(one.kind == "verdict" for one in columns),
        "by_t": any(row.differs_by_t for row in rows),
        "untested": " or ".join(sorted(untested)),
        "scored": len(values),
    }


def run_curves(runs: Sequence[Run], folder: Path, kinds: Sequence[Kind]) -> RunCurves:
    """Returns the first runs' learning curves, thinned to DRAWN_EPOCHS epochs."""
    result: dict[str, Mapping[str, Sequence[float | None]]] = {}
    for run in runs[:DRAWN_RUNS]:
        metrics = read_metrics(folder / run.folder)
        columns = {
            f"{split}/{kind.key}": metrics[name]
            for kind in kinds
            for split in ("train", "val")
            if (name := kind.names.get(split)) in metrics
        }
        epochs = thinned(sorted({e for column in columns.values() for e in column}), DRAWN_EPOCHS)
        if epochs:
            values = {
                name: [float(f"{column[e]:.4g}") if e in column else None for e in epochs]
                for name, column in columns.items()
            }
            result[run.run_id] = {"epoch": epochs, **values}
    return result


def as_csv(findings: Findings) -> str:
    """Returns csv with a row per config, and per baseline: keys, metrics, comparison, costs."""
    columns, text = board_columns(findings.board, every=True), io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    # A row without runs has the names, too, and a folder may have no complete run.
    for index, row in enumerate([_NO_ROW, *findings.rows, *map(as_row, findings.baselines)]):
        cells = [*itertools.chain(*(column.cell(row).values.items() for column in columns))]
        names, values = zip(*cells, ("config", quoted_formula(row.words)), strict=True)
        writer.writerow(values if index else names)
    return text.getvalue()


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


def ranks_figure(names: Sequence[str], ranking: Ranking) -> plots.Figure:
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
