"""Writes the sentences below leaderboards and ranks, for terminal, report and search."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from seqsweep.results.across_sets import AcrossSets
from seqsweep.results.formatting import count
from seqsweep.results.leaderboard import Leaderboard, Row
from seqsweep.results.measures import SPLITS_NEEDED
from seqsweep.results.ranks import RELIABLE_FROM, sets_needed, sets_needed_for_p
from seqsweep.results.replicates import Variation, shared_splits
from seqsweep.results.significance import LEVEL, is_significant, seeds_needed
from seqsweep.runs.metrics import own_metrics

CHOSEN = "*"
"""Marks the rank of a config without fresh seeds in the leaderboard of a search."""


_MOST_GROUPS, _MOST_NAMED = 3, 8
"""The most groups of configs that do not differ, and the most configs of a group, in a sentence."""


class Signs(NamedTuple):
    """The signs of a deviation and of an indistinguishable row."""

    deviation: str = "±"
    mark: str = "≈"


def name_test(variation: Variation) -> str:
    """Names the significance test for these replicates, and its correction."""
    test = "corrected resampled t-test" if variation.resampled else "Wilcoxon signed-rank"
    return f"{test}, Holm"


def too_few_words(
    shared: Sequence[int],
    seeds: Sequence[int],
    by_t: int,
    untested: Sequence[str] = (),
    folds: int = 0,
) -> str | None:
    """Says why configs are not compared with the first, or returns None.

    Args:
        shared: The number of replicates that each undecided config shares with the first one.
        seeds: The number of replicates of every config, including the first one.
        by_t: The number of undecided configs that differ from the first one by a paired t-test.
        untested: Why each undecided config was not tested, if the replicates have several splits.
        folds: The number of folds of a cross-validation; 0 without folds.
    """
    if not shared:
        return None
    configs, most = len(seeds), max(shared)
    if any(untested):
        reasons = Counter(untested)
        if len(reasons) == 1 and len(untested) == configs - 1:
            return untested[0]
        return "; ".join(
            f"{n} of {configs} configs not tested: {why}" for why, n in reasons.items()
        )
    if all(n == 1 for n in seeds):
        if folds:
            return (
                f"one of {folds} folds per config is complete: no confidence intervals and no"
                f" tests. A corrected t-test needs at least {SPLITS_NEEDED} folds"
            )
        return f"one seed per config: no confidence intervals and no tests. {needed_words(configs)}"
    # Some configs have enough seeds, other configs do not.
    if len(shared) < configs - 1:
        reason = f"{len(shared)} of {configs} configs share too few seeds with the first"
    elif not most:
        reason = "no seed is shared with the first config"
    else:
        # Seeds that only one of the two configs has do not help.
        kind = "seed" if most == min(seeds) else "shared seed"
        are = "is" if most == 1 else "are"
        reason = f"{count(most, kind)} {are} too few for a signed-rank test"
    return ". ".join([reason, needed_words(configs), *t_test_words(by_t)])


def needed_words(configs: int) -> str:
    """Says how many seeds this number of configs needs."""
    return f"{configs} configs need at least {seeds_needed(configs)} seeds"


def t_test_words(by_t: int) -> list[str]:
    """Says how many configs differ by a t-test; empty if none does."""
    return [f"By paired t-tests, {_differ_words(by_t)} from the first"] if by_t else []


def _differ_words(configs: int) -> str:
    return f"{configs} {'config differs' if configs == 1 else 'configs differ'}"


def replicates_override(configs: int, folds: int = 0) -> str:
    """Returns the quoted override that trains all folds or enough seeds."""
    return f"'data.fold=range({folds})'" if folds else f"'seed=range({seeds_needed(configs)})'"


def leaderboard_notes(board: Leaderboard, signs: Signs | None = None) -> list[str]:
    """Writes the lines below the table: its signs, missing runs, comparisons."""
    signs, variation = signs or Signs(), board.variation
    notes: list[str] = []
    if has_replicates(board):
        over = f"replicates ({variation.words})" if variation.resampled else "seeds"
        notes.append(f"[dim]{signs.deviation} is one standard deviation over the {over}[/]")
    tested = sum(map(_is_tested, board.rows))
    compared = (
        f"from the first in {board.compared} (paired by {variation.unit}, {name_test(variation)}, "
        f"{1 - LEVEL:.0%})"
    )
    if any(map(is_marked, board.rows)):
        notes.append(f"{signs.mark} statistically indistinguishable {compared}")
    elif variation.resampled and tested:
        notes.append(f"{_differ_words(tested)} {compared}")
    if any(row.is_chosen for row in board.rows):
        notes.append(f"{CHOSEN} no fresh seeds: the search chose by these values, partly by luck")
    notes += _split_notes(board)
    notes += _missing_notes(board)
    for reason, configs in Counter(row.apart for row in board.rows if row.apart).items():
        notes.append(f"{count(configs, 'config')} not compared with the first: {reason}")
    notes += _too_few_notes(board)
    lacking = sum(board.monitor not in row.metrics for row in board.rows)
    if lacking and any(own_metrics(row.metrics) for row in board.rows):
        notes.append(f"[yellow]{count(lacking, 'config')} without {board.monitor}: ranked last[/]")
    if board.compares_on_ranking_split and tested:
        reason = "no test split" if board.monitor.is_ours else "no test metric of its kind"
        notes.append(
            f"{reason}: {board.monitor} chose the first config, so the differences to it in "
            f"{board.compared} are optimistic"
        )
    return notes


def has_replicates(board: Leaderboard) -> bool:
    """Returns whether a config has more than one run."""
    return any(row.n > 1 for row in board.rows)


def is_marked(row: Row) -> bool:
    """Returns whether the row was compared with the first and is indistinguishable."""
    return row.difference is not None and row.difference.verdict == "indistinguishable"


def _is_tested(row: Row) -> bool:
    """Returns whether a test has a result for the row."""
    difference = row.difference
    if difference is None:
        return False
    return difference.verdict in ("different", "indistinguishable") or difference.differs_by_t


def _missing_notes(board: Leaderboard) -> list[str]:
    notes: list[str] = []
    if missing := len(board.grid.missing):
        are = "is" if missing == 1 else "are"
        states = ", ".join(f"{number} {state}" for state, number in board.missing_states.items())
        runs = count(board.grid.planned, "run")
        notes.append(f"[yellow]{missing} of {runs} {are} not complete ({states})[/]")
    if board.pruned:
        notes.append(f"{count(board.pruned, 'run')} pruned by a search: not ranked")
    if board.left_out:
        runs, unit = count(board.left_out, "run"), board.variation.unit
        notes.append(
            f"[yellow]{runs} left out: a newer run has the same config, data and {unit}[/]"
        )
    return notes


def _split_notes(board: Leaderboard) -> list[str]:
    """Says by which splits configs are ranked, if their splits differ."""
    variation = board.variation
    # The splits of two data sets have nothing in common.
    if not variation.resampled or board.sets > 1:
        return []
    shared = shared_splits(
        [variation.by_replicate(row.entries) for row in board.rows], board.monitor
    )
    if all(
        {key.split for key in row.samples.get(board.monitor, {})} <= shared for row in board.rows
    ):
        return []
    if not shared:
        return ["[yellow]no split is common to all configs: each is ranked by its own splits[/]"]
    splits = count(len(shared), "split")
    return [f"[yellow]ranked by the {splits} that all configs have[/]"]


def _too_few_notes(board: Leaderboard) -> list[str]:
    """Says why rows are not compared, if they have too few replicates."""
    compared = [(row.n, row.difference) for row in board.rows if row.difference is not None]
    runs = [n for n, _ in compared]
    undecided = [difference for _, difference in compared if difference.verdict == "undecided"]
    untested, folds = [difference.untested for difference in undecided], board.variation.folds
    by_t = sum(difference.differs_by_t for difference in undecided)
    words = too_few_words([one.n for one in undecided], runs, by_t, untested, folds)
    if words is None:
        return []
    # One seed per config is usual and not meant for tests, so it gets no warning.
    if any(untested) or any(n > 1 for n in runs):
        return [f"[yellow]{words}[/]"]
    return [f"[dim]{words}: {replicates_override(len(runs), folds)}[/]"]


def ranking_words(found: AcrossSets) -> list[str]:
    """Writes the sentences on the ranks and their significant differences."""
    ranking, noun, methods = found.ranking, found.noun, len(found.methods)
    if ranking is None:
        kept = count(len(found.sets) - len(found.left_out), "data set")
        need = f"ranks need at least 2 data sets and 2 {noun}s"
        return [f"no ranks: {kept} with a score of every {noun}, and {need}"]
    sets = count(ranking.number, "data set")
    words = [
        f"mean ranks in {found.metric} on {sets}; won/drawn/lost and p against the first "
        "(two-sided signed-rank test, Holm's correction for all pairs)"
    ]
    if ranking.friedman_p is not None:
        significant = is_significant(ranking.friedman_p)
        verdict = f"the {noun}s differ" if significant else "no significant difference"
        words.append(
            f"Friedman's test: p {probability(ranking.friedman_p)}, {verdict}"
            + (f"; unreliable on {sets}" if ranking.number < RELIABLE_FROM else "")
        )
    bars, p = sets_needed(methods), sets_needed_for_p(methods)
    if ranking.number < p:
        need = f"{bars} for the bars of the diagram and {p} for the p of the table"
        words.append(
            f"{sets} are too few for a signed-rank test: {count(methods, noun)} need at least"
            f" {p if bars == p else need}"
        )
    if ranking.number < bars:
        return words
    return [*words, _clique_words(found, ranking.cliques)]


def _clique_words(found: AcrossSets, cliques: Sequence[tuple[int, int]]) -> str:
    """Names the groups of methods that do not differ significantly."""
    methods, noun = len(found.methods), found.noun
    rule = f"by the rule of aeon's diagrams ({clique_rule(methods)})"
    if cliques == [(0, methods - 1)]:
        return f"{rule}, all {methods} {noun}s are statistically indistinguishable"
    if not cliques:
        return f"{rule}, every {noun} differs from every other"
    groups = [found.methods[start : end + 1] for start, end in cliques[:_MOST_GROUPS]]
    texts = [_group_text([method.words for method in group], noun) for group in groups]
    if more := len(cliques) - len(groups):
        texts.append(f"and {count(more, 'more group')}")
    return f"statistically indistinguishable {rule}: {'; '.join(texts)}"


def _group_text(names: Sequence[str], noun: str) -> str:
    """Joins the names of a group; a large group is cut in the middle."""
    if len(names) <= _MOST_NAMED:
        return " ~ ".join(names)
    return f"{' ~ '.join([*names[:2], '...', *names[-2:]])} ({len(names)} {noun}s)"


def clique_rule(methods: int) -> str:
    """Names the tests that decide which methods form a clique, a group without differences."""
    if methods == 2:
        return "a two-sided signed-rank test at 0.05"
    return f"Friedman's test, then one-sided signed-rank tests at 0.05 / {methods - 1}"


def left_out_words(found: AcrossSets) -> list[str]:
    """Writes a sentence for each data set that the ranks leave out."""
    return [f"{name} left out of the ranks: {why}" for name, why in found.left_out.items()]


def uneven_words(found: AcrossSets) -> list[str]:
    """Says if the cells are means of different numbers of runs."""
    runs = {one.n for method in found.methods for one in method.cells if one is not None}
    if len(runs) < 2:
        return []
    return [f"the cells are means of {min(runs)} to {count(max(runs), 'run')}"]


def rank_cells(found: AcrossSets, index: int) -> list[str]:
    """Returns the mean rank, the comparison with the first, and its p."""
    if found.ranking is None:
        return []
    mean, one = f"{found.ranking.mean_ranks[index]:.2f}", found.ranking.against[index]
    if one is None:
        return [mean, "", ""]
    return [mean, f"{one.wins}/{one.draws}/{one.losses}", probability(one.adjusted)]


def probability(p: float) -> str:
    """Formats a p with three decimals: `0.041`, `< 0.001`."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
