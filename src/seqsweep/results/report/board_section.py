"""Builds the report's leaderboard, also as CSV."""

import csv
import io
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seqsweep.results.baselines import as_row
from seqsweep.results.columns import board_columns
from seqsweep.results.curves import Kind, read_metrics, thinned
from seqsweep.results.findings import Findings
from seqsweep.results.replicates import varied_words
from seqsweep.results.report import plotly_parts as plots
from seqsweep.results.rows import Row
from seqsweep.results.run_details import Run
from seqsweep.results.sections import Section
from seqsweep.text import quoted_formula

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


RunCurves = Mapping[str, Mapping[str, Sequence[float | None]]]
"""The epochs and the values of each metric by run_id; None where an epoch has no value."""


def board_section(findings: Findings) -> Section:
    """Builds the leaderboard; a click on a row shows its runs."""
    runs = [*itertools.chain(*findings.runs)]
    kinds = findings.kinds
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
    pairs = zip(findings.rows, findings.runs, strict=True)
    content = {"configs": [_content(findings, row, all_runs) for row, all_runs in pairs]}
    return Section("leaderboard", title, content, view=view, is_shown=bool(findings.rows))


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
        "varied": varied_words(map(board.variation.replicate_of, row.entries)),
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
        "baseline_rows": [*map(as_row, findings.baselines[0])],
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
    for index, row in enumerate([_NO_ROW, *findings.rows, *map(as_row, findings.baselines[0])]):
        cells = [*itertools.chain(*(column.cell(row).values.items() for column in columns))]
        names, values = zip(*cells, ("config", quoted_formula(row.words)), strict=True)
        writer.writerow(values if index else names)
    return text.getvalue()
