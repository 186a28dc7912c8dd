"""Prepares what the page shows of a search: sentences, and which parts exist."""

from collections.abc import Mapping
from typing import Any

from seqsweep.results import formatting
from seqsweep.results.report.parallel_plot import drawn_keys, drawn_trials
from seqsweep.results.report.plot_parts import Figure
from seqsweep.results.search import words
from seqsweep.results.search.findings import Search
from seqsweep.results.significance import Estimate

_UNITS = ("trials", "epochs", "seconds")
_AXIS_WIDTH = 130
"""The least distance of two axes in CSS pixels; a phone scrolls the plot."""


def search_view(search: Search | None, drawn: Mapping[str, Figure]) -> dict[str, Any]:
    """Returns the variables of the section's template, by name; none without a search.

    Args:
        drawn: The figures of the page.
    """
    if search is None:
        return {}
    having = [trial for trial in search.trials if trial.value is not None]
    budgets = [unit for unit in _UNITS if f"search-budget-{unit}" in drawn]
    return {
        "said": _sentences(search),
        "fresh_first": words.FRESH_FIRST,
        "budgets": budgets,
        "has_pruned": any(trial.state == "pruned" for trial in having),
        "lines": len(drawn_trials(search)),
        "with_value": len(having),
        "axes": len(drawn_keys(search)),
        "parallel_width": _AXIS_WIDTH * (len(drawn_keys(search)) + 1),
    }


def _sentences(search: Search) -> dict[str, str]:
    confirmation = search.confirmation
    return {
        "search": words.search_words(search),
        "best": words.best_words(search),
        "optimism": words.optimism_words(search),
        "order": words.order_words(confirmation) if confirmation else "",
        "importance": words.importance_words(search),
        "budget": words.budget_words(search),
    }


def within(value: Estimate, metric: str) -> str:
    """The interval of an estimate, clipped to the metric's range; empty without one."""
    if value.low is None or value.high is None:
        return ""
    ends = formatting.bounded_interval(metric, value.low, value.high)
    return f"[{', '.join(formatting.number_range(*ends))}]"
