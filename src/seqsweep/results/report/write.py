"""Writes a folder's report, and checks whether a report is current.

report.json contains a digest of its inputs, which also covers the files written beside it. So the
digest does not match after two processes have written at once, or after a process was killed
between two files.
"""

import functools
import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from seqsweep import text
from seqsweep.errors import Damaged
from seqsweep.results import formatting, sections
from seqsweep.results import run_details as runs
from seqsweep.results.baselines import compare_best_baseline, read_baselines
from seqsweep.results.columns import estimate_text
from seqsweep.results.comparison import By
from seqsweep.results.findings import Findings
from seqsweep.results.formatting import probability
from seqsweep.results.importance import find_importance, importance_section
from seqsweep.results.report import page_sections
from seqsweep.results.report import plotly_parts as plots
from seqsweep.results.report.board_section import as_csv, board_section
from seqsweep.results.sections import Section
from seqsweep.results.words import answer_of_ranks, find_answer, limit_words, ranking_words
from seqsweep.runs.documents import DIGEST
from seqsweep.runs.files import open_regular, write_text
from seqsweep.runs.ledger import Entry, read_folder
from seqsweep.runs.metrics import as_metric
from seqsweep.runs.provenance import version
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.text import NBSP

BESIDE = ("report.html", "report.csv")
"""The files that are written before report.json."""

_HEAD = 200
_PLOTLY = Path(__file__).with_name("plotly") / "plotly-basic.min.js"
_NETWORK_DENIED = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
)


@dataclass(frozen=True)
class Report:
    """The report of a folder.

    Args:
        head: The content of the page before its sections, by the fields of report.json.
        sections: The sections in the order of the page.
    """

    findings: Findings
    head: Mapping[str, Any]
    sections: list[Section]

    @property
    def content(self) -> dict[str, Any]:
        """The fields of report.json."""
        content = dict(self.head)
        for section in self.sections:
            content |= section.content
        return content


def write_report(
    folder: Path,
    page: Path | None = None,
    entries: Sequence[Entry] | None = None,
    by: Sequence[By] = (),
) -> list[Path]:
    """Writes report.html, report.csv and report.json into a folder of runs.

    Each file is replaced as a whole, so a reader never sees an incomplete file. The inputs are the
    folders of the runs and, if they exist, sweep.json, baselines.json and the files of extras.

    Args:
        page: Another path for the page, ending in `.html`; the other files are written beside it.
        entries: The runs, if they have just been read.
        by: What `compare_values` returns, for a section of its own.

    Returns:
        The paths of the three files.

    Raises:
        OSError: The folder does not exist, or a file cannot be written.
        ValueError: The folder contains no run of this version.
    """
    report = analyse(folder, read_folder(folder) if entries is None else entries, by)
    page = page or folder / "report.html"
    texts = {".html": as_html(report, page.stem), ".csv": as_csv(report.findings)}
    # Files are not synced to disk, because a lost report can be written again.
    beside = [write_text(page.with_suffix(end), texts[end], sync=False) for end in texts]
    # report.json is written last: its digest proves that all three files are complete.
    content = report.content | {"made_from": _report_proof(report.head["made_from"], beside)}
    write_text(page.with_suffix(".json"), as_json(content), sync=False)
    return [page.with_suffix(end) for end in (*texts, ".json")]


def analyse(folder: Path, entries: Sequence[Entry], by: Sequence[By] = ()) -> Report:
    """Returns the report on the runs of a folder."""
    # The digest is taken before the other files are read, so that a later change makes the report
    # stale.
    head = {"made_from": made_from(folder, entries)}
    findings = Findings(folder, entries)
    ended = runs.failures(entries, findings.label, folder)
    # The environment is shown for a run that the numbers are computed from, if there is one.
    run = findings.board.best if findings.board.rows else entries[0]
    again = {
        "environment": runs.environment(run),
        "commands": runs.commands(findings.sweep, entries, run, folder),
    }
    made = [
        page_sections.sets_section(findings),
        board_section(findings),
        *([page_sections.by_section(by)] if by else []),
        *sections.extra_sections(folder, entries),
        *(build(findings) for build in page_sections.BELOW),
        importance_section(folder, entries),
        page_sections.seeds_section(findings),
        Section("failures", "Failures", {"failures": ended}, is_shown=bool(ended)),
        Section("again", "Run it again", again),
    ]
    report = Report(findings, head | _head(findings), made)
    if points := sections.installed():
        # Before the last two, which say what failed and how to run it again.
        made[-2:-2] = sections.installed_sections(points, json.loads(as_json(report.content)))
    return report


def _head(findings: Findings) -> dict[str, Any]:
    """Returns the content of the page before its sections."""
    ranking, variation = findings.board, findings.board.variation
    baselines, notes = findings.baselines
    baseline = None if findings.across else compare_best_baseline(ranking, baselines)
    return {
        "name": findings.folder.resolve().name,
        "written": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "states": findings.states,
        "waiting": findings.waiting,
        "running": [findings.label(e) for e in findings.entries if e.state == "running"],
        # The number of runs that repeat the config, data and replicate of a newer run.
        "left_out": ranking.left_out,
        "monitor": ranking.monitor,
        "score": findings.score,
        "names": findings.names,
        "answer": answer_of_ranks(findings.across) if findings.across else find_answer(ranking),
        "limits": _limits(findings),
        "baseline": baseline,
        "baselines": baselines,
        "baseline_notes": notes,
        "splits": {} if findings.across else runs.splits_of(ranking.entries),
        "overlaps": runs.overlap_words(ranking.entries),
        # The number of configs that equal the best in the monitor, including the best.
        "tied": ranking.tied,
        "unit": findings.unit,
        "varied": variation.words if variation.resampled else "",
        "folds": variation.folds,
        "test": variation.test,
    }


def _limits(findings: Findings) -> list[str]:
    """Returns what limits the answer, a sentence each, without their full stops."""
    board = findings.board
    if findings.across:
        limits = ranking_words(findings.across)[1:]
    elif findings.scored:
        tied = f"; configs with the best value: {board.tied}" if board.tied > 1 else ""
        limits = [f"ranked by {board.chosen_by}{tied}", *limit_words(board)]
    else:
        running, waiting = findings.states.get("running"), findings.waiting
        limits = [f"{running} running"] if running else []
        limits += [f"{waiting} not started"] if waiting else []
    return list(map(text.upper_first, limits))


def as_json(content: Mapping[str, Any]) -> str:
    """Returns the content of report.json, with a line for each field."""
    fields = [f" {_dumped(name)}: {_dumped(value)}" for name, value in content.items()]
    return "{\n" + ",\n".join(fields) + "\n}\n"


# With an indent, json would use its slow encoder, which is written in Python.
_dumped = json.JSONEncoder(allow_nan=False, default=vars).encode


def as_html(report: Report, name: str = "report") -> str:
    """Returns the page, which contains plotly's library if it has figures.

    Args:
        name: The name of the page's file without its ending, for links to the other two files.
    """
    findings = report.findings
    figures: dict[str, Any] = {}
    # All templates share these variables, so two sections must use different names.
    view: dict[str, Any] = {"curves": {}}
    for section in report.sections:
        figures |= section.figures
        view |= section.view
    shown = [
        (each, _compiled(each.template or sections.TEMPLATES / f"{each.name}.html.j2"))
        for each in report.sections
        if each.is_shown
    ]
    page = _environment().get_template("report.html.j2")
    return page.render(
        sections=shown,
        report=report.content,
        listed=findings.listed,
        has_seeds=findings.board.has_replicates,
        chosen_by=set[str]().union(*(section.chosen_by for section in report.sections)),
        ended_early=[state for state in findings.states if state in runs.ENDED_EARLY],
        stem=name,
        figures=figures,
        **view,
        palette=plots.PALETTE,
        dashes=plots.DASHES,
        symbols=plots.SYMBOLS,
        policy=_NETWORK_DENIED,
        style=_part(sections.TEMPLATES / "report.css"),
        script=_part(sections.TEMPLATES / "report.js"),
        plotly=_part(_PLOTLY) if figures or view["curves"] else "",
    )


@functools.cache
def _environment() -> Any:
    import jinja2  # its import takes a tenth of a second, so the runs' folders are checked first

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(sections.TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= _FILTERS
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    return environment


@functools.cache
def _compiled(template: Path) -> Any:
    """Compiles the template of a section once for all reports of this process."""
    # An extra keeps its template in its own folder, so jinja2's loader cannot find it.
    return _environment().from_string(_part(template))


@functools.cache
def _part(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _on(value: float, scale: plots.Scale) -> str:
    """Returns a value's position on a scale, as a CSS length."""
    low, high = scale
    return f"{min(1.0, max(0.0, (value - low) / (high - low))):.2%}" if high > low else "50%"


def _share(value: float) -> str:
    return f"< 1{NBSP}%" if 0 < value < 0.01 else f"{value:.0%}".replace("%", f"{NBSP}%")


_FILTERS: dict[str, Callable[..., Any]] = {
    "number": text.number,
    "interval": lambda ends: " to ".join(text.interval_texts(*ends)),
    "estimate": estimate_text,
    "href": quote,
    "sizes": runs.size_words,
    "probability": probability,
    "described": plots.description,
    "share": _share,
    "cost": lambda value, name: text.cost(name, value),
    "split": formatting.split_words,
    "heading": formatting.heading,
    "on": _on,
    "metric": lambda name: as_metric(name).words,
    "count": text.count,
}


def made_from(folder: Path, entries: Sequence[Entry]) -> str:
    """Returns a digest of the inputs of a folder's report, to find a stale report.

    Args:
        entries: The runs of the folder. The digest covers the record of a finished run, and the
            state and error of any other run, but not its epochs.
    """
    sweep = SweepFile.read(folder)
    planned = None if sweep is None else [list(sweep.command), list(sweep.configs)]
    # The digest of a record identifies its content.
    states = [[e.folder.run_id, e.state, e.record.digest, e.error] for e in entries]
    own = [version(), planned, read_baselines(folder).get(DIGEST), sorted(states, key=str)]
    others = [[point.name, point.value] for point in sections.installed()]
    others += [] if (found := find_importance(folder, entries)) is None else [found[DIGEST]]
    return _digest([*own, *others, *sections.extra_contents(folder)])


def is_report_fresh(folder: Path, made_from: str) -> bool:
    """Returns whether a folder's report has this digest and unchanged files."""
    try:
        beside = [(folder / name).stat() for name in BESIDE]
        with open_regular(folder / "report.json") as file:
            head = file.read(_HEAD).decode(errors="replace")
    except (OSError, Damaged):
        return False
    return f'"made_from": "{_report_proof(made_from, beside)}"' in head


def _report_proof(made_from: str, beside: Sequence[os.stat_result]) -> str:
    return _digest([made_from, *([stat.st_size, stat.st_mtime_ns] for stat in beside)])


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
