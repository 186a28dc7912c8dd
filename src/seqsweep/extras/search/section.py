"""Builds the report's section on a search, and the lines below a leaderboard."""

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqsweep.console import place
from seqsweep.extras.search.findings import Confirmation, Search, find_search
from seqsweep.extras.search.searchfile import Choice
from seqsweep.extras.search.trials import Tried, trial_words
from seqsweep.results.report.plotly_parts import GREY, PALETTE, label, layout, log_axis, rounded
from seqsweep.results.sections import Figure, Section
from seqsweep.results.significance import LEVEL
from seqsweep.results.words import reason_words, too_few_reasons
from seqsweep.runs.ledger import Entry
from seqsweep.runs.metrics import compared_metric
from seqsweep.text import NBSP, count, interval_texts, number, plain_text

_TEMPLATE = Path(__file__).with_name("section.html.j2")

MOST_POINTS = 500
"""The most trials in a figure, best first: more points overlap and make the page slow."""

_MOST_KEYS = 8
"""The most keys that have a figure, most important keys first."""


def find_section(folder: Path, entries: Sequence[Entry]) -> Section | None:
    """Returns the section on a folder's search, if the folder has one."""
    search = find_search(folder, entries)
    if search is None:
        return None
    trials = _trials_with_value(search)
    keys = list(search.importance or search.file.space)[:_MOST_KEYS] if len(trials) > 1 else []
    figures = {f"search-key-{n}": key_figure(key, search) for n, key in enumerate(keys)}
    view = {
        "said": {
            "search": search_words(search),
            "best": best_words(search),
            "optimism": optimism_words(search),
            "order": order_words(search.confirmation) if search.confirmation else "",
            "importance": importance_words(search),
            "budget": budget_words(search),
        },
        "fresh_first": FRESH_FIRST,
        "keys": dict(zip(figures, [search.names[key] for key in keys], strict=True)),
        "has_pruned": any(trial.state == "pruned" for trial in trials),
        "drawn": min(len(trials), MOST_POINTS),
        "with_value": len(trials),
    }
    run_ids = {run_id for trial in search.trials for run_id in trial.run_ids}
    content = {"search": search}
    return Section("search", "The search", content, figures, view, run_ids, template=_TEMPLATE)


def _trials_with_value(search: Search) -> list[Tried]:
    """Returns the trials with a value: complete trials by rank, then pruned trials."""
    pruned = [t for t in search.trials if t.state == "pruned" and t.value is not None]
    pruned.sort(key=lambda trial: search.file.sign * (trial.value or 0.0))
    return [*search.complete, *pruned]


def key_figure(key: str, search: Search) -> Figure:
    """Returns a figure of the trials' values against a searched key."""
    drawn = [t for t in _trials_with_value(search)[:MOST_POINTS] if key in t.params]
    best = search.best[:1]
    groups = (
        ([t for t in drawn if t.state == "pruned"], GREY, "circle-open", 5),
        ([t for t in drawn if t.state == "complete" and t.number not in best], PALETTE[0],
         "circle", 5),
        ([t for t in drawn if t.number in best], PALETTE[1], "circle", 9),
    )  # fmt: skip
    values = search.file.space[key]
    figure = layout(search.names[key], search.file.monitor.words, 340)
    if isinstance(values, Choice):
        order = {"categoryorder": "array", "categoryarray": [*map(label, values.choices)]}
        figure["xaxis"] |= {"type": "category", **order}
    elif values.log:
        figure["xaxis"] |= log_axis([t.params[key] for t in drawn])
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter", "mode": "markers",
            "x": [label(plain_text(t.params[key])) for t in trials] if isinstance(values, Choice)
            else rounded([t.params[key] for t in trials]),
            "y": rounded([trial.value or 0.0 for trial in trials]),
            "marker": {"color": colour, "symbol": symbol, "size": size},
            "text": [_hover(trial, search) for trial in trials], "hoverinfo": "text",
        }
        for trials, colour, symbol, size in groups if trials
    ]  # fmt: skip
    return {"data": traces, "layout": figure}


def _hover(trial: Tried, search: Search) -> str:
    """Returns a trial's number, value and params, one line each."""
    state = "" if trial.state == "complete" else f", {trial.state}"
    value = f"{search.file.monitor.words} {number(trial.value or 0.0)}"
    words = [f"trial {trial.number}{state}", value, trial_words(trial, search.names)]
    return "<br>".join(map(label, words))


def table_lines(folder: Path, entries: Sequence[Entry]) -> list[str]:
    """Returns the lines on a folder's search below its leaderboard; none without a search."""
    search = find_search(folder, entries, with_importance=False)
    if search is None:
        return []
    lines = [f"search: {trials_words(search)}. {best_words(search)}", optimism_words(search)]
    if search.confirmation is not None:
        lines += [order_words(search.confirmation), FRESH_FIRST]
    command = f"seqsweep report {shlex.quote(place(folder))}"
    lines += [budget_words(search), f"importance of the keys, all trials, budget: {command}"]
    return [line.replace(NBSP, " ") for line in lines if line]


FRESH_FIRST = """In the leaderboard the configs with fresh seeds come first, and only their fresh \
seeds are compared: the seeds of the search were partly lucky."""

FEWEST_TRIALS = 20
"""The fewest trials for which the importances are called reliable.

The importances compare the best tenth of the trials with all trials. A tenth of fewer trials is
less than two trials, so chance decides."""

_STATES = ("complete", "pruned", "failed", "running")


def search_words(search: Search) -> str:
    """Says how the search chose its trials, and within what budget."""
    file = search.file
    budget = f" Budget: {file.limits_text}." if file.budget else ""
    return f"Search by {file.method}, pruner {file.pruner}: {trials_words(search)}.{budget}"


def trials_words(search: Search) -> str:
    """Counts the trials by state: `256 trials, 9 complete, 247 pruned`."""
    states = Counter[str](trial.state for trial in search.trials)
    parts = [f"{states[state]:,} {state}" for state in _STATES if states[state]]
    if search.file.pruner != "none" and not states["pruned"] and not states["running"]:
        # Nothing was saved, which is usual if a search has few more trials than `parallel`.
        parts.append(f"none pruned by {search.file.pruner} (the first trials have no threshold)")
    return ", ".join([count(len(search.trials), "trial"), *parts])


def best_words(search: Search) -> str:
    """Names the best trial with its values."""
    if not search.best:
        return "No trial is complete, so there is no best one."
    best, metric = search.complete[0], search.file.monitor
    values = {metric: best.value or 0.0}
    compared = compared_metric(metric, search.best_metrics)
    if compared in search.best_metrics:
        values.setdefault(compared, search.best_metrics[compared])
    texts = [f"{name.words} {number(value)}" for name, value in values.items()]
    trial = [f"trial {best.number}", trial_words(best, search.names), *texts]
    return f"Best in the search: {', '.join(trial)}."


def optimism_words(search: Search) -> str:
    """Says how much of the best value in the search was luck, if known."""
    name, sign = search.file.monitor.words, search.file.sign
    if not search.best:
        return ""
    if search.confirmation is None:
        return (
            f"The best {name} of {count(len(search.best), 'complete trial')} is partly luck. How "
            "much is unknown: no trial was trained again over fresh seeds."
        )
    row = search.confirmation.first
    # A positive number means that the value in the search was too good.
    luck = -sign * (row.searched - row.fresh.mean)
    fresh = number(row.fresh.mean)
    verdict = "without an interval it is open whether the search was optimistic"
    if row.fresh.low is not None and row.fresh.high is not None:
        fresh, *ends = interval_texts(row.fresh.mean, row.fresh.low, row.fresh.high)
        fresh += f", {LEVEL * 100:.0f}{NBSP}% interval [{', '.join(ends)}],"
        verdict = "the value in the search is within this interval"
        if not row.fresh.low <= row.searched <= row.fresh.high:
            by = f"optimistic by {number(luck)}" if luck > 0 else "not optimistic"
            verdict = f"the search was {by}"
    return (
        f"Trial {row.number} had {name} {number(row.searched)} in the search, and "
        f"{fresh} over {count(row.fresh.n, 'fresh seed')}: {verdict}."
    )


def order_words(confirmation: Confirmation) -> str:
    """Says which trial is best over fresh seeds, and whether the others differ."""
    first, *others = confirmation.trials
    decided = [row.difference.verdict for row in others if row.difference.verdict != "undecided"]
    parts = [f"Trial {first.number} is the first of {len(others) + 1} by the mean over fresh seeds"]
    if decided:
        different = decided.count("different")
        parts.append(f"Significantly different from it: {different} of {len(decided)}")
    parts += reason_words(too_few_reasons([row.difference for row in confirmation.trials]))
    if confirmation.missing:
        runs = count(confirmation.missing, "run is", "runs are")
        parts.append(f"{runs} not complete: the numbers are preliminary")
    return f"{'. '.join(parts)}."


def importance_words(search: Search) -> str:
    """Says which key matters most, and how reliable that is."""
    importance, epochs = search.importance, search.compared_after
    if importance is None:
        return "Optuna computes the importance of the keys: pip install 'seqsweep[search]'."
    at = f"after {count(epochs, 'epoch')} " if epochs is not None else ""
    trials = count(search.compared, "trial")
    of = f"Computed from the {search.file.monitor.words} {at}of {trials}."
    if not any(importance.values()):
        return f"The best trials cannot be distinguished from the others. {of}"
    if search.compared < FEWEST_TRIALS:
        of += f" With fewer than {FEWEST_TRIALS} trials the importances are unreliable."
    first, share = next(iter(importance.items()))
    return f"{search.names[first]} matters most: {share * 100:.0f}{NBSP}% of the importance. {of}"


def budget_words(search: Search) -> str:
    """Says what the search has cost, and when it found the best trial."""
    results = [trial.result for trial in search.trials]
    epochs, seconds = sum(each.epochs for each in results), sum(each.seconds for each in results)
    text = f"Spent: {count(epochs, 'epoch')}, {seconds:,.1f} seconds of training."
    if not search.best or search.file.method == "halving":
        return text
    return f"{text} The best was found after {search.best[0] + 1:,} of {len(results):,} trials."
