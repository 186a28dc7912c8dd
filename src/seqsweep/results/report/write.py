"""Writes the report of a folder as HTML, CSV and JSON."""

import csv
import functools
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from seqsweep.results import formatting
from seqsweep.results.formatting import NBSP, bounded_interval, number_range, true_minus
from seqsweep.results.report import freshness
from seqsweep.results.report.analysis import Report, analyse
from seqsweep.results.report.findings import TEMPLATES, Facts
from seqsweep.results.report.plot_parts import DARK, DASHES, PALETTE, SYMBOLS, Scale
from seqsweep.results.report.sets import size_words
from seqsweep.results.significance import Difference, Estimate
from seqsweep.results.words import probability
from seqsweep.runs.files import write_text
from seqsweep.runs.metric_names import lower_is_better

_COSTS = ("params", "train_seconds", "best_epoch")
_PLOTLY = Path(__file__).with_name("plotly") / "plotly-basic.min.js"
_NETWORK_DENIED = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
)


def write_report(folder: Path, page: Path | None = None) -> list[Path]:
    """Writes report.html, report.csv and report.json into a folder of runs.

    Args:
        page: Another place for the page, whose name ends in `.html`; the other two lie beside it.

    Each file is replaced as a whole, so it can be renewed while somebody reads it. The folders of
    the runs are read, and sweep.json and baselines.json if they exist.

    Returns:
        The paths of the three files.

    Raises:
        FileNotFoundError: The folder does not exist.
        ValueError: There is no run in it.
    """
    report = analyse(folder)
    page = page or folder / "report.html"
    texts = {".html": as_html(report, page.stem), ".csv": as_csv(report.facts)}
    # No sync: a report that a power failure destroys can be written again.
    beside = [write_text(page.with_suffix(end), texts[end], sync=False) for end in texts]
    # The last file proves that all three are complete.
    proof = freshness.report_proof(report.head["made_from"], beside)
    content = report.content | {"made_from": proof}
    write_text(page.with_suffix(".json"), as_json(content), sync=False)
    return [page.with_suffix(end) for end in (*texts, ".json")]


def as_json(content: Mapping[str, Any]) -> str:
    """The content of the page, with a line for each field, config and curve."""
    fields = [f" {_dumped(name)}: {_lines(value)}" for name, value in content.items()]
    return "{\n" + ",\n".join(fields) + "\n}\n"


def _lines(value: Any) -> str:
    """The text of a field, with a line for each object in a list."""
    if isinstance(value, list) and any(map(is_dataclass, value)):
        return "[\n  " + ",\n  ".join(map(_dumped, value)) + "\n ]"
    return _dumped(value)


# With an indent, json would use its slow encoder, which is written in Python.
_dumped = json.JSONEncoder(allow_nan=False, default=vars).encode


def as_csv(facts: Facts) -> str:
    """A row per config: keys, metrics of validation and test, costs, the comparison."""
    metrics = list(dict.fromkeys(name for config in facts.configs for name in config.metrics))
    # Training metrics are of interest only if there is nothing else.
    metrics = [name for name in metrics if name.startswith(("val/", "test/"))] or [facts.score]
    statistics = [f"{name}{part}" for name in metrics for part in ("", " std", " low", " high")]
    difference = [f"{facts.score} - best", "low", "high", "p", "adjusted p", "adjusted p of t"]
    costs = ("params", "seconds", "epoch")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["rank", *facts.names, "n", "lost", *statistics, *costs, *difference, "verdict"]
    )
    for config in facts.configs:
        texts = [formatting.plain_text(config.keys[key]) for key in facts.names]
        keys = map(formatting.quoted_formula, texts)
        values = [value for name in metrics for value in _four(config.metrics.get(name))]
        spent = [_four(config.metrics.get(name))[0] for name in _COSTS]
        row = [config.rank, *keys, len(config.runs), config.lost, *values, *spent]
        writer.writerow([*row, *_six(config.difference), config.verdict])
    return text.getvalue()


def as_html(report: Report, name: str = "report") -> str:
    """The page, which contains plotly's library if it has figures.

    Args:
        name: The name of the page's file without its ending, for links to the other two.
    """
    facts, environment = report.facts, _environment()
    figures: dict[str, Any] = {}
    # The variables of all templates; those of two sections must have different names.
    view: dict[str, Any] = {"curves": {}}
    for section in report.sections:
        figures |= section.figures
        view |= section.view
    shown = [section for section in report.sections if section.is_shown]
    return environment.get_template("report.html.j2").render(
        # The template of an extra is a file of its own folder.
        sections=[(each, environment.from_string(_part(each.template))) for each in shown],
        report=report.content | {"listed": facts.listed, "has_seeds": facts.has_seeds},
        chosen_by=set[str]().union(*(section.chosen_by for section in report.sections)),
        stem=name,
        figures=figures,
        **view,
        dark=DARK,
        palette=PALETTE,
        dashes=DASHES,
        symbols=SYMBOLS,
        policy=_NETWORK_DENIED,
        style=_part(TEMPLATES / "report.css"),
        script=_part(TEMPLATES / "report.js"),
        plotly=_part(_PLOTLY) if figures or view["curves"] else "",
    )


@functools.cache
def _environment() -> Any:
    import jinja2  # takes a tenth of a second, so the runs' folders are checked first

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= _FILTERS
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    return environment


@functools.cache
def _part(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _on(value: float, scale: Scale) -> str:
    """The position of a value on a scale, as a CSS length."""
    low, high = scale
    return f"{min(1.0, max(0.0, (value - low) / (high - low))):.2%}" if high > low else "50%"


def _within(value: Estimate, metric: str) -> str:
    """The interval of an estimate, clipped to the metric's range; empty without one."""
    if value.low is None or value.high is None:
        return ""
    ends = bounded_interval(metric, value.low, value.high)
    return f"[{', '.join(number_range(*ends))}]"


def _share(value: float) -> str:
    return f"< 1{NBSP}%" if 0 < value < 0.01 else f"{value:.0%}".replace("%", f"{NBSP}%")


def _breakable(name: str) -> Any:
    """A name that may be broken after each `_`.

    The name of a key is often wider than its values.
    """
    from markupsafe import Markup, escape  # jinja2's own dependency

    return Markup("_<wbr>").join(map(escape, name.split("_")))


def _four(value: Estimate | None) -> list[float | None]:
    return [value.mean, value.std, value.low, value.high] if value else [None] * 4


def _six(difference: Difference | None) -> list[float | None]:
    if difference is None:
        return [None] * 6
    mean, _, low, high = _four(difference.interval)
    return [mean, low, high, difference.p, difference.adjusted, difference.t_adjusted]


_FILTERS: dict[str, Callable[..., Any]] = {
    "number": lambda value: true_minus(formatting.number(value)),
    "short": lambda value: true_minus(formatting.short_number(value)),
    "interval": lambda ends: formatting.interval_text(*ends),
    "signed": formatting.signed,
    "href": quote,
    "sizes": size_words,
    "bounded": formatting.bounded_difference,
    "breakable": _breakable,
    "probability": probability,
    "share": _share,
    "cost": lambda value, name: formatting.cost(name, value),
    "split": formatting.split_words,
    "kind": formatting.kind_words,
    "on": _on,
    "metric": formatting.metric_words,
    "within": _within,
    "order": lambda name: "ascending" if lower_is_better(name) else "descending",
    "count": formatting.count,
    "shown": lambda value, key="": formatting.value_text(key, value),
}
