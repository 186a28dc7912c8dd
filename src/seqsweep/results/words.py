"""Writes the sentences on leaderboards and ranks, which all views share."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Literal

from seqsweep.results.across_sets import AcrossSets
from seqsweep.results.columns import CHOSEN, Signs, estimate_text
from seqsweep.results.formatting import probability, split_words
from seqsweep.results.leaderboard import Leaderboard
from seqsweep.results.measures import SPLITS_NEEDED, sampling_error
from seqsweep.results.power import SMALL_DIFFERENCE, needed_replicates, replicates_override
from seqsweep.results.ranks import RELIABLE_FROM, sets_needed
from seqsweep.results.replicates import Variation, shared_splits
from seqsweep.results.significance import LEVEL, Difference, Estimate, is_significant, seeds_needed
from seqsweep.runs.metrics import BY_RECORDING, Metric, has_other_windows, own_metrics
from seqsweep.text import count

_NAMED = 3
"""The most configs that a sentence names."""

_SMALL = 0.01
"""A sampling error of the test accuracy below this value is not mentioned."""


@dataclass(frozen=True)
class Finding:
    """The answer of a leaderboard or of ranks, in one sentence.

    Args:
        verdict: The kind of the sentence.
        numbers: The numbers of the sentence, not rounded.
    """

    verdict: Literal["none", "alone", "best", "different", "indistinguishable", "ranks"]
    sentence: str
    numbers: Mapping[str, Estimate | float] = field(default_factory=dict[str, Estimate | float])

    def _repr_html_(self) -> str:
        return f"<p><strong>{escape(self.sentence)}</strong></p>"


def find_answer(board: Leaderboard) -> Finding:
    """Returns the answer: which config is best, and which others do not differ from it."""
    metric, rows, words = board.compared, board.rows, board.words
    if rows and not board.monitor:
        return Finding("none", "no metric has a known direction: give monitor and monitor_mode")
    if not rows or metric not in rows[0].metrics:
        return Finding("none", "no run is complete")
    if len(rows) == 2 and (pair := _answer_of_pair(board)):
        return pair
    score = rows[0].metrics[metric]
    result = f"{metric} {estimate_text(score)}, {_runs_text(score.n, board.variation)}"
    if len(rows) == 1:
        return Finding("alone", f"{words[0]}: {result}", {"score": score})
    # The other configs by the verdict of their comparison with the first.
    others = dict[str, list[int]]()
    for index, row in enumerate(rows[1:], start=1):
        verdict = row.difference.verdict if row.difference else "undecided"
        others.setdefault(verdict, []).append(index)
    different, similar = others.get("different", []), others.get("indistinguishable", [])
    untested = others.get("undecided", [])
    by = "" if board.monitor == metric else f" by {board.monitor}"
    parts = [f"{words[0]} is best{by}: {result}"]
    numbers: dict[str, Estimate | float] = {"score": score, "different": len(different)}
    if ahead := _ahead_of(rows[1].difference):
        numbers |= {"difference": ahead[0], "p": ahead[1]}
        gap, p = estimate_text(ahead[0], "+"), probability(ahead[1])
        parts.append(f"{gap} against the second, {words[1]}, p {p}")
    if different or similar:
        parts.append(f"different from it: {len(different)} of {len(rows) - 1}")
    if similar:
        parts.append(f"not different: {_listed([_with_p(board, index) for index in similar])}")
        parts += _seeds_for_more(board)
    if untested:
        parts.append(f"not compared: {len(untested)}{_for_a_test(board)}")
    # Another metric than the compared one chose the first config.
    better = sum(_is_better(row.difference, metric) for row in rows[1:])
    if better:
        parts.append(f"better in {metric}, but ranked lower: {better}")
    numbers |= {"indistinguishable": len(similar), "not_compared": len(untested), "better": better}
    return Finding("best", "; ".join(parts), numbers)


def _answer_of_pair(board: Leaderboard) -> Finding | None:
    """Returns the answer for two configs; None without a test."""
    difference, words = board.rows[1].difference, board.words
    ahead = _ahead_of(difference)
    if difference is None or difference.interval is None or ahead is None:
        return None
    value, p = ahead
    is_better = difference.verdict == "different"
    # The signed-rank test may find a difference whose mean is 0.
    if is_better and not value.mean:
        return None
    if _is_better(difference, board.compared):
        words, value = words[::-1], difference.interval
    relation = "better than" if is_better else "statistically indistinguishable from"
    sentence = (
        f"{words[0]} is {relation} {words[1]}: {board.compared} {estimate_text(value, '+')}, "
        f"p {probability(p)}, {_runs_text(value.n, board.variation)}"
    )
    more = [] if is_better else _seeds_for_more(board)
    numbers = {"difference": value, "p": p}
    verdict = "different" if is_better else "indistinguishable"
    return Finding(verdict, "; ".join([sentence, *more]), numbers)


def _ahead_of(difference: Difference | None) -> tuple[Estimate, float] | None:
    """Returns the first config minus another, and the corrected p; None without a test."""
    if difference is None or difference.verdict == "undecided":
        return None
    value, p = difference.interval, difference.adjusted
    if value is None or p is None:
        return None
    # The interval is the other config minus the first.
    ends = [None if end is None else 0.0 - end for end in (value.high, value.low)]
    return Estimate(value.n, 0.0 - value.mean, value.std, *ends), p


def _for_a_test(board: Leaderboard) -> str:
    """Says which replicates would make a test; empty if more of them would not."""
    compared = [row.difference for row in board.rows if row.difference is not None]
    few = [one for one in compared if one.verdict == "undecided" and not one.untested]
    # The fresh seeds of a search are asked for by the search.
    if not few or any(row.is_chosen for row in board.rows):
        return ""
    folds = board.variation.folds if all(one.n < 2 for one in compared) else 0
    return f" (a test needs {replicates_override(len(compared), folds)})"


def _seeds_for_more(board: Leaderboard) -> list[str]:
    """Says how many seeds or splits would show a small difference, if that is known."""
    estimates = needed_replicates(board, SMALL_DIFFERENCE) if board.compared.is_bounded else None
    unit = "split" if board.variation.resampled else "seed"
    if estimates and (needed := estimates["n"]):
        return [f"{count(needed, unit)} would show {SMALL_DIFFERENCE:g}"]
    return []


def _with_p(board: Leaderboard, index: int) -> str:
    difference = board.rows[index].difference
    assert difference is not None and difference.adjusted is not None
    return f"{board.words[index]} (p {probability(difference.adjusted)})"


def _listed(names: Sequence[str]) -> str:
    """Lists the first names, and counts the others."""
    more = [f"{len(names) - _NAMED} more"] if len(names) > _NAMED else []
    return ", ".join([*names[:_NAMED], *more])


def answer_of_ranks(found: AcrossSets) -> Finding:
    """Returns the answer over several data sets: which config has the lowest mean rank."""
    if found.ranking is None:
        return Finding("none", ranking_words(found)[0])
    ranks, sets = found.ranking.mean_ranks, found.ranking.number
    numbers = {"mean_rank": ranks[0], "first": ranks.count(ranks[0]), "configs": len(ranks)}
    sentence = (
        f"{found.methods[0].words} has the lowest mean rank in {found.metric}: {ranks[0]:.2f} on "
        f"{count(sets, 'data set')}; configs with this rank: {numbers['first']} of {len(ranks)}"
    )
    return Finding("ranks", sentence, {**numbers, "sets": sets})


def _runs_text(number: int, variation: Variation) -> str:
    runs = count(number, variation.unit)
    return f"{runs} ({variation.words})" if variation.resampled else runs


def _is_better(difference: Difference | None, metric: Metric) -> bool:
    """Returns whether a config is better than the first, by either test."""
    if difference is None or difference.interval is None or not difference.interval.mean:
        return False
    differs = difference.verdict == "different" or (
        difference.verdict == "undecided" and difference.differs_by_t
    )
    return differs and (difference.interval.mean < 0) == metric.lower_is_better


def untested_reasons(board: Leaderboard) -> dict[str, int]:
    """Returns why configs are not compared with the first, and how many."""
    differences = [row.difference for row in board.rows if row.difference is not None]
    apart = Counter(row.apart for row in board.rows if row.apart)
    return apart | too_few_reasons(differences, board.variation.folds)


def too_few_reasons(differences: Sequence[Difference], folds: int = 0) -> dict[str, int]:
    """Returns why compared configs are not tested, and how many.

    Args:
        differences: The differences of all compared configs, including the first one.
        folds: The number of folds of a cross-validation; 0 without folds.
    """
    undecided = [one for one in differences if one.verdict == "undecided"]
    needed = f"{seeds_needed(len(differences))} seeds for a signed-rank test"
    if folds and all(one.n < 2 for one in differences):
        needed = f"{SPLITS_NEEDED} folds for a corrected t-test"
    most = max((one.n for one in undecided), default=0)
    few = f"{len(differences)} configs need at least {needed}, and share {most}"
    if by_t := sum(one.differs_by_t for one in undecided):
        few += f"; different by paired t-tests: {by_t}"
    return Counter(one.untested or few for one in undecided)


def reason_words(reasons: Mapping[str, int]) -> list[str]:
    """Writes a sentence for each reason why configs are not compared."""
    return [
        f"{count(configs, 'config')} not compared with the first: {reason}"
        for reason, configs in reasons.items()
    ]


def leaderboard_notes(board: Leaderboard, signs: Signs | None = None) -> list[str]:
    """Writes the lines below the table: its signs, then what limits the answer."""
    signs, variation = signs or Signs(), board.variation
    notes: list[str] = []
    if board.has_replicates:
        over = f"replicates ({variation.words})" if variation.resampled else "seeds"
        notes.append(f"{signs.deviation} is one standard deviation over the {over}")
    if any(row.is_marked for row in board.rows):
        notes.append(
            f"{signs.mark} statistically indistinguishable from the first in {board.compared} "
            f"(paired by {variation.unit}, {variation.test}, {1 - LEVEL:.0%})"
        )
    if any(row.is_chosen for row in board.rows):
        notes.append(f"{CHOSEN} no fresh seeds: the search chose by these values, partly by luck")
    return notes + limit_words(board)


def limit_words(board: Leaderboard) -> list[str]:
    """Says what limits the answer: missing runs, missing tests, few sequences."""
    limits = [*_split_words(board), *_missing_words(board), *_engine_words(board)]
    limits += _first_weights_words(board)
    reasons = reason_words(untested_reasons(board))
    limits += reasons
    if has_other_windows([row.entries[0].config for row in board.rows]):
        limits.append(_windows_words(board))
    if board.rows and board.compares_on_ranking_split:
        limits.append(optimism_words(board))
    if (
        board.rows
        and board.compared.kind in ("acc", BY_RECORDING)
        and board.compared in board.rows[0].metrics
    ):
        mean = board.rows[0].metrics[board.compared].mean
        error = sampling_error(mean, mean, board.compared, board.tested[0])
        if error >= _SMALL:
            split = split_words(board.compared.split_name)
            sequences = f"{count(*board.tested)} of {split}"
            limits.append(f"sampling error of a difference on {sequences}: {error:.2g}")
    return limits


def _first_weights_words(board: Leaderboard) -> list[str]:
    """Says that runs with different seeds have begun with the same weights."""
    for row in board.rows:
        runs = {(e.record.content.get("first_weights"), e.config.get("seed")) for e in row.entries}
        if max(Counter(digest for digest, _ in runs if digest).values(), default=0) > 1:
            return ["the seeds begin with equal weights: they differ only in order and dropout"]
    return []


def _engine_words(board: Leaderboard) -> list[str]:
    """Says that several engines or devices have trained the runs of a config."""
    mixed: list[set[str]] = []
    for row in board.rows:
        records = [entry.record for entry in row.entries if entry.record.engine]
        names = {f"{record.engine} on {record.device}" for record in records}
        mixed += [names] if len(names) > 1 else []
    if not mixed:
        return []
    engines = " and ".join(sorted(set().union(*mixed)))
    configs = f"{count(len(mixed), 'config')} with runs by {engines}"
    return [f"{configs}: they agree within rounding, not to the last bit"]


def _windows_words(board: Leaderboard) -> str:
    """Says how configs with other windows are compared, or why they are not."""
    if board.compared.kind == BY_RECORDING:
        return "configs with other windows are compared by recording: by most of its windows"
    if any(row.entries[0].config.get("data.transform.window") is None for row in board.rows):
        return "windows and whole recordings are other sequences: they are not compared"
    return "other windows are other sequences: without a label by recording they are not compared"


def optimism_words(board: Leaderboard) -> str:
    """Says that the metric that chose the first config also compares it."""
    reason = "no test split" if board.monitor.is_ours else "no test metric of its kind"
    return (
        f"{reason}: {board.monitor} chose the first config, so its {board.compared} is optimistic"
    )


def _missing_words(board: Leaderboard) -> list[str]:
    """Says which runs are not in the table, or are ranked last."""
    words: list[str] = []
    if missing := len(board.grid.missing):
        states = ", ".join(f"{number} {state}" for state, number in board.missing_states.items())
        words.append(f"{missing} of {count(board.grid.planned, 'run')} not complete ({states})")
    if board.left_out:
        runs, unit = count(board.left_out, "run"), board.variation.unit
        words.append(f"{runs} left out: a newer run has the same config, data and {unit}")
    if board.pruned:
        words.append(f"{count(board.pruned, 'run')} pruned by a search: not ranked")
    lacking = sum(board.monitor not in row.metrics for row in board.rows)
    if board.monitor and lacking and any(own_metrics(row.metrics) for row in board.rows):
        words.append(f"{count(lacking, 'config')} without {board.monitor}: ranked last")
    return words


def _split_words(board: Leaderboard) -> list[str]:
    """Says by which splits configs are ranked, if their splits differ."""
    variation = board.variation
    # The splits of two data sets have nothing in common.
    if not variation.resampled or board.sets > 1:
        return []
    runs = [variation.by_replicate(row.entries) for row in board.rows]
    shared = shared_splits(runs, board.monitor)
    samples = [row.samples.get(board.monitor, {}) for row in board.rows]
    if all({key.split for key in sample} <= shared for sample in samples):
        return []
    if not shared:
        return ["no split is common to all configs: each is ranked by its own splits"]
    return [f"ranked by the {count(len(shared), 'split')} that all configs have"]


def ranking_words(found: AcrossSets) -> list[str]:
    """Writes the sentences on the ranks: their tests, and what limits them."""
    notes = [f"left out of the ranks: {name} ({why})" for name, why in found.left_out.items()]
    runs = {one.n for method in found.methods for one in method.cells if one is not None}
    if len(runs) > 1:
        notes.append(f"cells are means of {min(runs)} to {count(max(runs), 'run')}")
    ranking, noun, methods = found.ranking, found.noun, len(found.methods)
    if ranking is None:
        kept = count(len(found.sets) - len(found.left_out), "data set")
        need = f"ranks need at least 2 data sets and 2 {noun}s"
        return [f"no ranks: {kept} with a score of every {noun}, and {need}", *notes]
    words = [
        f"mean ranks in {found.metric} on {count(ranking.number, 'data set')}; won/drawn/lost and "
        "p against the first (two-sided signed-rank test, Holm's correction for all pairs)"
    ]
    if ranking.friedman_p is not None:
        verdict = "significant" if is_significant(ranking.friedman_p) else "not significant"
        words.append(
            f"Friedman's test: p {probability(ranking.friedman_p)}, {verdict}; "
            f"reliable from {RELIABLE_FROM} data sets on"
        )
    # `seeds_needed` expects a number of configs: the number of comparisons plus 1.
    bars, p = sets_needed(methods), seeds_needed(math.comb(methods, 2) + 1)
    if ranking.number < p:
        words.append(
            f"{count(methods, noun)} need at least {p} data sets for a significant p in the table, "
            f"and {bars} for the bars of the diagram"
        )
    return [*words, *notes]


def clique_rule(methods: int) -> str:
    """Names the tests that decide which methods form a clique, a group without differences."""
    if methods == 2:
        return "a two-sided signed-rank test at 0.05"
    return f"Friedman's test, then one-sided signed-rank tests at 0.05 / {methods - 1}"


def rank_cells(found: AcrossSets, index: int) -> list[str]:
    """Returns the mean rank, the comparison with the first, and its p."""
    if found.ranking is None:
        return []
    mean, one = f"{found.ranking.mean_ranks[index]:.2f}", found.ranking.against[index]
    if one is None:
        return [mean, "", ""]
    return [mean, f"{one.wins}/{one.draws}/{one.losses}", probability(one.adjusted)]
