"""Builds the sections of a report below the leaderboard."""

import itertools
import math
from collections.abc import Mapping, Sequence

from seqsweep.results.axis import choose_axis, keys_of_other_sets
from seqsweep.results.comparison import By
from seqsweep.results.confusion import find_confusion
from seqsweep.results.curves import MOST_CURVES
from seqsweep.results.effects import Interaction
from seqsweep.results.findings import Findings
from seqsweep.results.formatting import key_names, run_label
from seqsweep.results.power import replicates_override
from seqsweep.results.ranks import MOST_RANKED
from seqsweep.results.report import plotly_figures as figures
from seqsweep.results.report import plotly_parts as plots
from seqsweep.results.sections import Section
from seqsweep.results.words import clique_rule, rank_cells, ranking_words
from seqsweep.runs.files import JsonObject
from seqsweep.runs.ledger import Entry
from seqsweep.runs.metrics import as_metric
from seqsweep.text import NBSP, upper_first

_NO_MEAN = (
    "Accuracies of different test sets have no common scale, so no mean over data sets is shown."
)


def sets_section(findings: Findings) -> Section:
    """Builds the section on several data sets, with the diagram of ranks."""
    across = findings.across
    if across is None:
        return Section("sets", "Data sets", {"across": None}, is_shown=False)
    methods, ranking = across.methods, across.ranking
    names = [method.words for method in methods]
    view = {
        "across_keys": key_names(methods[0].keys, (one.keys for one in methods)),
        "across_ranks": ranking and [rank_cells(across, n) for n in range(len(methods))],
        "across_notes": [*(f"{upper_first(text)}." for text in ranking_words(across)), _NO_MEAN],
        "bars_rule": clique_rule(len(methods)),
        "across_cut": len(methods) > MOST_RANKED,
    }
    drawn = {"ranks": figures.ranks_figure(names, ranking)} if ranking else {}
    is_shown = bool(findings.rows)
    return Section("sets", "Data sets", {"across": across}, drawn, view, is_shown=is_shown)


def by_section(by: Sequence[By]) -> Section:
    """Builds the section that compares the values of a key, all else equal."""
    return Section("by", f"By {by[0].name}", {"by": by})


def effects_section(findings: Findings) -> Section:
    """Builds the section with the plot, main effects and the strongest interaction."""
    interaction, board = findings.interaction, findings.board
    axis = choose_axis(findings.compared, board, findings.names)
    missing = board.grid.missing
    names = key_names(missing[0], missing) if missing else findings.names
    content = {
        "axis": axis,
        "effects": findings.effects,
        "interaction": interaction,
        "interaction_words": interaction_words(interaction, findings.names),
        "grid": board.grid,
        "missing_states": board.missing_states,
    }
    view = {
        "means": plots.scale_of(mean for effect in findings.effects for mean in effect.means),
        "grand": findings.grand_mean,
        "cells": plots.scale_of(itertools.chain(*interaction.means) if interaction else ()),
        "of_other_sets": [findings.names[key] for key in keys_of_other_sets(findings.rows)],
        "missing": [run_label(point, names, point) for point in missing],
    }
    drawn = {"axis": figures.axis_figure(axis, findings)} if axis else {}
    is_shown = bool(axis or findings.effects)
    return Section("effects", "Effect of each axis", content, drawn, view, is_shown=is_shown)


def interaction_words(interaction: Interaction | None, names: Mapping[str, str]) -> str:
    """Says which two keys interact most, and how much; empty for None."""
    if interaction is None:
        return ""
    if interaction.share < 0.01:
        return (
            "No interaction: beyond the main effects, each pair of keys with all combinations "
            f"explains less than 1{NBSP}% of the variance between configs."
        )
    first, second = (names[key] for key in interaction.keys)
    share = f"{interaction.share * 100:.0f}{NBSP}% of the variance between configs"
    return f"Strongest interaction: {first} and {second}, {share}."


def curves_section(findings: Findings) -> Section:
    """Builds the section with learning curves of the best configs or incomplete runs."""
    kinds, curves = findings.kinds, findings.curves
    drawn = {f"curves-{kind.key}": figures.curves_figure(curves, kind) for kind in kinds}
    shown = {name: figure for name, figure in drawn.items() if figure is not None}
    bands = [item for curve in curves for item in curve.bands.items()]
    view = {
        "pale": any(band.whole < len(band.epochs) for _, band in bands),
        "has_validation": any(as_metric(name).split_name == "val" for name, _ in bands),
        "curve_kinds": [kind for kind in kinds if f"curves-{kind.key}" in shown],
    }
    content, is_shown = {"curves": curves}, bool(curves)
    return Section("curves", "Learning curves", content, shown, view, is_shown=is_shown)


def costs_section(findings: Findings) -> Section:
    """Builds the section that plots the score against parameters and training time."""
    # `compared` is empty for several data sets, whose scores cannot be compared.
    costs = figures.COSTS if len(findings.compared) > 1 else ()
    drawn = {f"pareto-{cost}": figures.pareto_figure(findings, cost) for cost in costs}
    shown = {name: figure for name, figure in drawn.items() if figure is not None}
    return Section("costs", "Cost", figures=shown, is_shown=bool(shown))


def confusion_section(findings: Findings) -> Section:
    """Builds the section with the confusion matrix of the best config."""
    rows = findings.board.rows
    confusion, absent = find_confusion(rows[0].entries if rows else [])
    content = {"confusion": confusion, "confusion_absent": absent}
    return Section("confusion", "Confusion", content, is_shown=bool(confusion or absent))


def lengths_section(findings: Findings) -> Section:
    """Builds the section with the accuracy of the best configs by length."""
    rows = findings.compared[:MOST_CURVES]
    found = {row.words: of for row in rows if (of := mean_by_length(row.entries))}
    content = {"lengths": [{"label": label, "by_length": of} for label, of in found.items()]}
    drawn = {"lengths": figures.lengths_figure(found)} if found else {}
    return Section("lengths", "Lengths", content if found else {}, drawn, is_shown=bool(found))


def mean_by_length(entries: Sequence[Entry]) -> list[JsonObject]:
    """Returns the mean accuracy of runs in each range of the first one."""
    ranges = [entry.record.by_length for entry in entries if entry.record.by_length]
    ends = [[(one["shortest"], one["longest"]) for one in of] for of in ranges]
    same = [of for of, bounds in zip(ranges, ends, strict=True) if bounds == ends[0]]
    return [
        group[0] | {"accuracy": math.fsum(one["accuracy"] for one in group) / len(group)}
        for group in zip(*same, strict=True)
    ]


def seeds_section(findings: Findings) -> Section:
    """Builds the section with the score of every replicate."""
    board = findings.board
    has_figure = board.has_replicates and findings.scored
    drawn = {"seeds": figures.seeds_figure(findings)} if has_figure else {}
    view = {"more_replicates": replicates_override(len(board.rows), board.variation.folds)}
    title, is_shown = f"{findings.unit.capitalize()}s", len(findings.rows) > 1
    return Section("seeds", title, figures=drawn, view=view, is_shown=is_shown)


BELOW = (effects_section, curves_section, costs_section, confusion_section, lengths_section)
"""The builders of the sections between the leaderboard and the importance, in their order."""
