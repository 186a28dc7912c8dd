"""Finds what the report of a folder says: its head and its sections."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqsweep.results.data_sets import tested_sequences
from seqsweep.results.report import freshness, words
from seqsweep.results.report.baselines import Baseline, find_baselines
from seqsweep.results.report.board import board_section
from seqsweep.results.report.confusion import confusion_section
from seqsweep.results.report.costs import costs_section, seeds_section
from seqsweep.results.report.curves import curves_section
from seqsweep.results.report.effects import effects_section
from seqsweep.results.report.extra_sections import extra_sections
from seqsweep.results.report.findings import TEMPLATES, Facts, Section, find_facts
from seqsweep.results.report.runs import ENDED_EARLY, commands, environment, failures
from seqsweep.results.report.sets import answer_over_sets, overlap_words, sets_section, splits_of
from seqsweep.results.report.words import Answer
from seqsweep.results.words import name_test
from seqsweep.runs.ledger import read_folder


@dataclass(frozen=True)
class Report:
    """The report of a folder.

    Args:
        head: What the page says before its sections, by the fields of report.json.
        sections: In the order of the page.
    """

    facts: Facts
    head: Mapping[str, Any]
    sections: list[Section]

    @property
    def content(self) -> dict[str, Any]:
        """The fields of report.json."""
        content = dict(self.head)
        for section in self.sections:
            content |= section.findings
        return content


def analyse(folder: Path) -> Report:
    """Returns the report on the folder of a sweep or of a run.

    Raises:
        FileNotFoundError: The folder does not exist.
        ValueError: There is no run in it.
    """
    entries = read_folder(folder)
    # The digest is taken before anything else is read, so that a later change makes the report
    # stale.
    made_from = freshness.made_from(folder, entries)
    facts = find_facts(folder, entries)
    sections = [
        sets_section(facts),
        board_section(facts),
        *extra_sections(folder, entries),
        effects_section(facts),
        curves_section(facts),
        costs_section(facts),
        confusion_section(facts),
        seeds_section(facts),
        _failures_section(facts),
        _again_section(facts),
    ]
    return Report(facts, {"made_from": made_from} | _head(facts), sections)


def _head(facts: Facts) -> dict[str, Any]:
    """Returns the part of the page before its sections."""
    board, across = facts.board, facts.across
    variation = board.variation
    baselines, notes = find_baselines(facts.folder, board.entries)
    return {
        "name": facts.folder.resolve().name,
        "written": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "states": facts.states,
        "waiting": facts.waiting,
        "running": [facts.labels[e.folder.run_id] for e in facts.entries if e.state == "running"],
        # The runs that repeat the config, data and replicate of a newer run.
        "left_out": board.left_out,
        "monitor": board.monitor,
        "score": facts.score,
        "names": facts.names,
        "answer": (across and answer_over_sets(across))
        or _answer(facts, baselines)
        or words.no_answer(facts.states, facts.waiting),
        "baselines": baselines,
        "baseline_notes": notes,
        "splits": {} if across else splits_of(board.entries),
        "overlaps": overlap_words(board.entries),
        # The configs that equal the best in the monitor.
        "tied": board.tied,
        "unit": facts.unit,
        "varied": variation.words if variation.resampled else "",
        "folds": variation.folds,
        "test": name_test(variation),
    }


def _answer(facts: Facts, baselines: list[Baseline]) -> Answer | None:
    """Returns the answer in sentences; None if the best config has no score."""
    board = facts.board
    if not facts.configs or facts.score not in facts.configs[0].metrics:
        return None
    best = board.rows[0].entries[0]
    # A baseline on another data set would make the networks look better or worse than they are.
    comparable = [baseline for baseline in baselines if baseline.has_data_of(best)]
    # The interval over splits contains the choice of the test sequences already.
    is_one_split = not board.variation.resampled
    tested = tested_sequences(best.record or {}, facts.score) if is_one_split else 0
    return words.answer(facts.configs, board, comparable, tested)


def _failures_section(facts: Facts) -> Section:
    found = failures(facts.entries, facts.labels, facts.folder)
    ended = [f"{number} {state}" for state, number in facts.states.items() if state in ENDED_EARLY]
    template, view = TEMPLATES / "failures.html.j2", {"ended_early": ", ".join(ended)}
    content = {"failures": found}
    return Section("failures", "Failures", template, content, view=view, is_shown=bool(found))


def _again_section(facts: Facts) -> Section:
    # The environment is that of a run that the numbers are computed from, if there is one.
    run = (facts.board.entries or facts.entries)[0]
    content = {
        "environment": environment(run),
        "commands": commands(facts.sweep, facts.entries, run, facts.folder),
    }
    return Section("again", "Run it again", TEMPLATES / "again.html.j2", content)
