"""The report of a sweep: one HTML file that needs nothing else, and the same as CSV and JSON."""

import csv
import functools
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from seqsweep.results import formatting
from seqsweep.results.formatting import NBSP, true_minus
from seqsweep.results.leaderboard import TIE_BREAKER
from seqsweep.results.report import freshness
from seqsweep.results.report.analysis import analyse
from seqsweep.results.report.axes import keys_of_other_sets
from seqsweep.results.report.config_runs import RunCurves, run_curves
from seqsweep.results.report.details import ENDED_EARLY
from seqsweep.results.report.findings import Gap, Report, Stat
from seqsweep.results.report.plot_parts import DARK, DASHES, PALETTE, SYMBOLS, Figure
from seqsweep.results.report.plots import confusion_width, figures
from seqsweep.results.report.row_view import row_view
from seqsweep.results.report.split_sizes import size_words
from seqsweep.results.verdicts import enough_seeds
from seqsweep.runs.files import write_text
from seqsweep.runs.metric_names import lower_is_better

_FOLDED_FROM = 30
"""A longer leaderboard shows its first twenty rows (report.css) until it is unfolded."""

_FIRST_CURVES = 5
"""The number of curves that are shown at first: more would cover each other."""

_TEMPLATES = Path(__file__).with_name("templates")
_PLOTLY = Path(__file__).with_name("plotly") / "plotly-basic.min.js"
_NETWORK_DENIED = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
)


def write_report(folder: Path) -> list[Path]:
    """Writes report.html, report.csv and report.json into the folder of a sweep or of a run.

    Each is whole or not there, so they can be renewed while somebody reads them. Only the folders
    of the runs are read, with sweep.json and baselines.json where they are there.

    Returns:
        The paths of the three.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: no run in it.
    """
    report = analyse(folder)
    curves = run_curves([run for config in report.configs for run in config.all_runs], folder)
    texts = {"report.html": as_html(report, curves), "report.csv": as_csv(report)}
    # Without a sync: the runs are what must outlive the power.
    beside = [write_text(folder / name, texts[name], sync=False) for name in freshness.BESIDE]
    # The last one proves that all three are whole.
    proof = freshness.report_proof(report.made_from, beside)
    write_text(folder / "report.json", as_json(replace(report, made_from=proof)), sync=False)
    return [folder / name for name in (*texts, "report.json")]


def as_json(report: Report) -> str:
    """Everything that the page shows: a field a line, and a config or a curve."""
    return (
        "{\n" + ",\n".join(f" {_dumped(k)}: {_lines(v)}" for k, v in vars(report).items()) + "\n}\n"
    )


def _lines(value: Any) -> str:
    """The text of a field of report.json, with the objects of a list on a line each."""
    if isinstance(value, list) and any(map(is_dataclass, value)):
        return "[\n  " + ",\n  ".join(map(_dumped, value)) + "\n ]"
    return _dumped(value)


# With an indent json would take its encoder that is written in Python.
_dumped = json.JSONEncoder(allow_nan=False, default=vars).encode


def as_csv(report: Report) -> str:
    """A row per config: keys, metrics of validation and test, costs, the verdict."""
    metrics = list(dict.fromkeys(name for config in report.configs for name in config.metrics))
    metrics = [name for name in metrics if name.startswith(("val/", "test/"))] or [report.score]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    statistics = [f"{name}{part}" for name in metrics for part in ("", " std", " low", " high")]
    difference = [f"{report.score} - best", "low", "high", "p", "adjusted p", "adjusted p of t"]
    costs = ("params", "seconds", "epoch")
    writer.writerow(
        ["rank", *report.names, "n", "lost", *statistics, *costs, *difference, "verdict"]
    )
    for config in report.configs:
        gap = config.gap
        writer.writerow(
            [config.rank, *(formatting.plain_text(config.keys[key]) for key in report.names)]
            + [len(config.runs), config.lost]
            + [value for name in metrics for value in _four(config.metrics.get(name))]
            + [
                _mean(config.metrics.get(name))
                for name in ("params", "train_seconds", "best_epoch")
            ]
            + _six(gap)
            + [config.verdict]
        )
    return table.getvalue()


def as_html(report: Report, curves: RunCurves) -> str:
    """The page, with plotly's library in it where it has figures.

    Args:
        curves: of the runs that the rows of the leaderboard draw when they are opened.
    """
    drawn = figures(report)
    return _template().render(
        report=report,
        figures=drawn,
        curves=curves,
        **_view(report, drawn),
        **row_view(report, curves),
        dark=DARK,
        palette=PALETTE,
        dashes=DASHES,
        symbols=SYMBOLS,
        policy=_NETWORK_DENIED,
        style=_part(_TEMPLATES / "report.css"),
        script=_part(_TEMPLATES / "report.js"),
        plotly=_part(_PLOTLY) if drawn or curves else "",
    )


def _view(report: Report, drawn: Mapping[str, Figure]) -> dict[str, Any]:
    """What the template would have to work out: scales, columns, which parts there are."""
    intervals = _intervals(report)
    stats = [c.metrics[report.score] for c in report.configs if report.score in c.metrics]
    ends = [s.mean for s in stats] + [end for interval in intervals.values() for end in interval]
    crossed = report.crossing.means if report.crossing else []
    early = [f"{n} {state}" for state, n in report.states.items() if state in ENDED_EARLY]
    lines = [line for panel in report.axis.panels for line in panel.lines] if report.axis else []
    tested = any(c.verdict in ("different", "indistinguishable") for c in report.configs)
    return {
        "intervals": intervals,
        "cut": any(intervals[r] != raw for r, raw in _intervals(report, cut=False).items()),
        "scale": _scale(ends),
        "means": _scale([mean for factor in report.factors for mean in factor.means]),
        "grand": math.fsum(s.mean for s in stats) / len(stats) if stats else 0.0,
        "cells": _scale([mean for row in crossed for mean in row if mean is not None]),
        "columns": _columns(report),
        "folded": len(report.configs) > _FOLDED_FROM,
        "tested": tested,
        "by_t": any(config.told_by_t for config in report.configs),
        "seeds": enough_seeds(len(report.configs)),
        "confusion_width": report.confusion and confusion_width(report.confusion),
        "scored": len(stats),
        "of_other_sets": [report.names[key] for key in keys_of_other_sets(report.configs)],
        "confounded": any(factor.confounded for factor in report.factors),
        "has_lost": any(config.lost for config in report.configs),
        "ended_early": ", ".join(early),
        "legend": list({line.label: line for line in lines}.values()),
        "first_curves": _FIRST_CURVES,
        "pale": any(b.whole < len(b.epochs) for c in report.curves for b in c.bands.values()),
        "curve_kinds": [kind for kind in ("loss", "acc") if f"curves-{kind}" in drawn],
        "has_validation": any(name.startswith("val/") for c in report.curves for name in c.bands),
    }


@functools.cache
def _template() -> Any:
    import jinja2  # a tenth of a second, and the runs' folders are checked before it is needed

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= _FILTERS
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    return environment.get_template("report.html.j2")


@functools.cache
def _part(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _columns(report: Report) -> list[str]:
    """The metrics beside the score: what chose, what decided a tie, its accuracy, and F1."""
    there = {name for config in report.configs for name in config.metrics}
    kind = report.score.partition("/")[2]
    tie = [TIE_BREAKER] if report.tied > 1 else []
    wanted = dict.fromkeys([report.monitor, *tie, f"val/{kind}", "test/f1"])
    return [name for name in wanted if name in there and name != report.score]


def _intervals(report: Report, cut: bool = True) -> dict[int, tuple[float, float]]:
    """Of the score, by rank; where its bounds are, unless it is not cut."""
    found: dict[int, tuple[float, float]] = {}
    for config in report.configs:
        stat = config.metrics.get(report.score)
        if stat and stat.low is not None and stat.high is not None:
            raw = (stat.low, stat.high)
            found[config.rank] = formatting.shown_interval(report.score, *raw) if cut else raw
    return found


def _scale(values: Sequence[float]) -> tuple[float, float]:
    return (min(values), max(values)) if values else (0.0, 0.0)


def _on(value: float, scale: tuple[float, float]) -> str:
    """Where a value lies on a scale, as a length of CSS."""
    low, high = scale
    return f"{min(1.0, max(0.0, (value - low) / (high - low))):.2%}" if high > low else "50%"


def _signed(value: float) -> str:
    return true_minus(f"{value:+.3f}")


def _probability(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _share(value: float) -> str:
    return f"< 1{NBSP}%" if 0 < value < 0.01 else f"{value:.0%}".replace("%", f"{NBSP}%")


def _breakable(name: str) -> Any:
    """May be broken after each `_`: a key's name is wider than its values."""
    from markupsafe import Markup, escape  # jinja2's own

    return Markup("_<wbr>").join(map(escape, name.split("_")))


def _six(gap: Gap | None) -> list[float | None]:
    if gap is None:
        return [None] * 6
    return [gap.mean, gap.low, gap.high, gap.p, gap.adjusted, gap.t_adjusted]


def _four(stat: Stat | None) -> list[float | None]:
    return [stat.mean, stat.std, stat.low, stat.high] if stat else [None] * 4


def _mean(stat: Stat | None) -> float | None:
    return stat.mean if stat else None


_FILTERS: dict[str, Callable[..., Any]] = {
    "number": lambda value: true_minus(formatting.number(value)),
    "short": lambda value: true_minus(formatting.short_number(value)),
    "interval": lambda ends: formatting.interval_text(*ends),
    "signed": _signed,
    "href": quote,
    "sizes": size_words,
    "gap": formatting.shown_difference,
    "breakable": _breakable,
    "probability": _probability,
    "share": _share,
    "cost": lambda value, name: formatting.cost(name, value),
    "split": formatting.split_words,
    "kind": formatting.kind_words,
    "on": _on,
    "metric": formatting.metric_words,
    "order": lambda name: "ascending" if lower_is_better(name) else "descending",
    "count": formatting.count,
    "shown": lambda value, key="": formatting.value_text(key, value),
}
