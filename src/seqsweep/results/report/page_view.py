"""Prepares what the page shows beside the report: scales, columns, the rows of its table."""

import itertools
import math
from collections.abc import Iterable, Mapping
from typing import Any

from seqsweep.results.formatting import (
    bounded_interval,
    key_names,
    number_range,
    plain_text,
    run_label,
    value_text,
)
from seqsweep.results.leaderboard import TIE_BREAKER
from seqsweep.results.report.axes import keys_of_other_sets
from seqsweep.results.report.config_runs import DRAWN_RUNS, RunCurves
from seqsweep.results.report.confusion_plot import confusion_width
from seqsweep.results.report.details import ENDED_EARLY
from seqsweep.results.report.findings import Report
from seqsweep.results.report.plot_parts import Figure
from seqsweep.results.report.sets_section import sets_view
from seqsweep.results.significance import Estimate
from seqsweep.results.verdicts import replicates_override
from seqsweep.runs.identity import REPLICATE_KEYS, is_number
from seqsweep.runs.ledger import value_key

_FOLDED_FROM = 30
"""A longer leaderboard shows its first twenty rows (report.css) until it is unfolded."""

_FIRST_CURVES = 5
"""The number of curves that are shown at first: more would cover each other."""

Scale = tuple[float, float]
"""The smallest and the largest value of an axis."""


def page_view(report: Report, drawn: Mapping[str, Figure]) -> dict[str, Any]:
    """Returns the variables of the template, by name.

    Args:
        drawn: The figures of the page.
    """
    return {
        **_board_view(report),
        **_effects_view(report),
        **_curves_view(report, drawn),
        **sets_view(report.across),
        "confusion_width": report.confusion and confusion_width(report.confusion),
        "ended_early": ", ".join(
            f"{number} {state}" for state, number in report.states.items() if state in ENDED_EARLY
        ),
    }


def _board_view(report: Report) -> dict[str, Any]:
    intervals = _intervals(report)
    # Student's t ignores that an accuracy is between 0 and 1.
    clipped = {rank: bounded_interval(report.score, *ends) for rank, ends in intervals.items()}
    means = [config.metrics[report.score].mean for config in report.scored]
    verdicts = {config.verdict for config in report.configs}
    differences = [config.difference for config in report.configs if config.difference]
    # The reasons why splits of the data are not tested.
    untested = {difference.untested for difference in differences if difference.untested}
    return {
        "intervals": clipped,
        "cut": clipped != intervals,
        "scale": _scale([*means, *(end for ends in clipped.values() for end in ends)]),
        "columns": _columns(report),
        "folded": len(report.configs) > _FOLDED_FROM,
        "tested": bool(verdicts & {"different", "indistinguishable"}),
        "by_t": any(config.differs_by_t for config in report.configs),
        "untested": " or ".join(sorted(untested)),
        "more_replicates": replicates_override(len(report.configs), report.folds),
        "scored": len(means),
        "has_lost": any(config.lost for config in report.configs),
    }


def _effects_view(report: Report) -> dict[str, Any]:
    means = [config.metrics[report.score].mean for config in report.scored]
    cells = report.interaction.means if report.interaction else []
    panels = report.axis.panels if report.axis else []
    # Panels share a legend, with each label once.
    lines = {line.label: line for panel in panels for line in panel.lines}
    names = key_names([*report.names, *REPLICATE_KEYS])
    return {
        "means": _scale(mean for effect in report.effects for mean in effect.means),
        "grand": math.fsum(means) / len(means) if means else 0.0,
        "cells": _scale(itertools.chain.from_iterable(cells)),
        "of_other_sets": [report.names[key] for key in keys_of_other_sets(report.configs)],
        "confounded": any(effect.confounded for effect in report.effects),
        "legend": list(lines.values()),
        "has_gaps": bool(report.configs) and report.grid.complete != report.grid.size,
        "missing": [
            run_label(point, {k: names[k] for k in point}) for point in report.grid.missing
        ],
    }


def _curves_view(report: Report, drawn: Mapping[str, Figure]) -> dict[str, Any]:
    bands = [item for curve in report.curves for item in curve.bands.items()]
    return {
        "first_curves": _FIRST_CURVES,
        "pale": any(band.whole < len(band.epochs) for _, band in bands),
        "curve_kinds": [kind for kind in ("loss", "acc") if f"curves-{kind}" in drawn],
        "has_validation": any(name.startswith("val/") for name, _ in bands),
    }


def within(value: Estimate, metric: str) -> str:
    """The interval of an estimate, clipped to the metric's range; empty without one."""
    if value.low is None or value.high is None:
        return ""
    ends = bounded_interval(metric, value.low, value.high)
    return f"[{', '.join(number_range(*ends))}]"


def _columns(report: Report) -> list[str]:
    """The metrics beside the score: the monitor, the tie-breaker, the validation score and F1."""
    recorded = {name for config in report.configs for name in config.metrics}
    kind = report.score.partition("/")[2]
    tie = [TIE_BREAKER] if report.tied > 1 else []
    # The same metric may be wanted for several reasons.
    wanted = dict.fromkeys([report.monitor, *tie, f"val/{kind}", "test/f1"])
    return [name for name in wanted if name in recorded and name != report.score]


def _intervals(report: Report) -> dict[int, Scale]:
    """The confidence interval of the score for each rank that has one."""
    return {
        config.rank: (value.low, value.high)
        for config in report.scored
        if (value := config.metrics[report.score]).low is not None and value.high is not None
    }


def _scale(values: Iterable[float]) -> Scale:
    values = list(values)
    return (min(values), max(values)) if values else (0.0, 0.0)


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
        "chosen_by": {run_id for extra in report.extras for run_id in extra.chosen_by},
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
    return (False, value, "") if is_number(value) else (True, 0.0, plain_text(value))
