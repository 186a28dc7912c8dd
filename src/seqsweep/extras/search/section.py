"""The section on a search in a report, and its lines below a leaderboard."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from seqsweep.console import place
from seqsweep.extras.search import words
from seqsweep.extras.search.findings import find_search
from seqsweep.extras.search.parallel_plot import drawn_keys, drawn_trials
from seqsweep.extras.search.plots import search_figures
from seqsweep.results.formatting import NBSP
from seqsweep.results.report.findings import Section
from seqsweep.runs.ledger import Entry

_TEMPLATE = Path(__file__).with_name("section.html.j2")
_UNITS = ("trials", "epochs", "seconds")
_AXIS_WIDTH = 130
"""The least distance of two axes in CSS pixels; a phone scrolls the plot."""


def find_section(folder: Path, entries: Sequence[Entry]) -> Section | None:
    """Returns the section on the search of a folder; None without a search."""
    search = find_search(folder, entries)
    if search is None:
        return None
    figures = search_figures(search)
    having = [trial for trial in search.trials if trial.value is not None]
    confirmation = search.confirmation
    view = {
        "said": {
            "search": words.search_words(search),
            "best": words.best_words(search),
            "optimism": words.optimism_words(search),
            "order": words.order_words(confirmation) if confirmation else "",
            "importance": words.importance_words(search),
            "budget": words.budget_words(search),
        },
        "fresh_first": words.FRESH_FIRST,
        "budgets": [unit for unit in _UNITS if f"search-budget-{unit}" in figures],
        "has_pruned": any(trial.state == "pruned" for trial in having),
        "lines": len(drawn_trials(search)),
        "with_value": len(having),
        "axes": len(drawn_keys(search)),
        "parallel_width": _AXIS_WIDTH * (len(drawn_keys(search)) + 1),
    }
    run_ids = {run_id for trial in search.trials for run_id in trial.run_ids}
    return Section("search", "The search", _TEMPLATE, {"search": search}, figures, view, run_ids)


def table_lines(folder: Path, entries: Sequence[Entry]) -> list[str]:
    """Returns the best trial, its confirmation and where to read more."""
    search = find_search(folder, entries, with_importance=False)
    if search is None:
        return []
    lines = [
        f"search: {words.trials_words(search)}. {words.best_words(search)}",
        words.optimism_words(search),
    ]
    if search.confirmation is not None:
        lines += [words.order_words(search.confirmation), words.FRESH_FIRST]
    lines.append(words.budget_words(search))
    lines.append(
        f"importance of the keys, all trials, budget: seqsweep report {shlex.quote(place(folder))}"
    )
    # A terminal may lack these two characters.
    plain = (line.replace(NBSP, " ").replace("\N{MINUS SIGN}", "-") for line in lines)
    return [line for line in plain if line]
