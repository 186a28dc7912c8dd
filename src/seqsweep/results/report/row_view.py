"""Prepares the rows of the leaderboard for filtering and opening."""

from typing import Any

from seqsweep.results.formatting import plain_text, value_text
from seqsweep.results.report.config_runs import DRAWN_RUNS, RunCurves
from seqsweep.results.report.findings import Report
from seqsweep.runs.ledger import value_key


def row_view(report: Report, curves: RunCurves) -> dict[str, Any]:
    """Returns the filters of the leaderboard and what its opened rows show."""
    filters: dict[str, list[str]] = {}
    # The index of each value of a key among the choices of its filter.
    indices: dict[str, dict[str, int]] = {}
    for key in report.names if len(report.listed) > 1 else ():
        values = {value_key(config.keys[key]): config.keys[key] for config in report.listed}
        ordered = sorted(values, key=lambda text: _filter_order(values[text]))
        indices[key] = {text: index for index, text in enumerate(ordered)}
        filters[key] = [value_text(key, values[text]) for text in ordered]
    metrics = {name for columns in curves.values() for name in columns}
    has_validation = any(name.startswith("val/") for name in metrics)
    return {
        "filters": filters,
        "filter_values": [
            [indices[key][value_key(config.keys[key])] for key in filters]
            for config in report.listed
        ],
        "run_kinds": [k for k in ("loss", "acc") if {f"val/{k}", f"train/{k}"} & metrics],
        "curve_legend": "Validation solid, training dotted; diamonds mark the best epoch"
        if has_validation
        else "Training",
        "most_drawn": DRAWN_RUNS,
    }


def _filter_order(value: Any) -> tuple[bool, float, str]:
    """The sort key of a filter's value: numbers by size, then texts."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return (False, value, "") if is_number else (True, 0.0, plain_text(value))
