"""Prepares the section of a report that compares configs over several data sets."""

from typing import Any

from seqsweep.results.across_sets import AcrossSets
from seqsweep.results.across_text import (
    against_text,
    clique_rule,
    left_out_words,
    probability,
    ranking_words,
    uneven_words,
)
from seqsweep.results.formatting import count, key_names, metric_words, upper_first
from seqsweep.results.report.critical_difference import MOST_DRAWN, diagram
from seqsweep.results.report.findings import Answer

_NO_MEAN = (
    "Accuracies of different test sets have no common scale, so no mean over data sets is shown."
)


def sets_view(across: AcrossSets | None) -> dict[str, Any]:
    """Returns the variables of the section; nothing for a folder with one data set."""
    if across is None:
        return {"across": None}
    ranking = across.ranking
    ranks: list[tuple[str, str, str]] = []
    for index in range(len(across.methods) if ranking else 0):
        assert ranking is not None
        against = ranking.against[index]
        p = probability(against.adjusted) if against else ""
        ranks.append((f"{ranking.mean_ranks[index]:.2f}", against_text(against), p))
    return {
        "across": across,
        "across_names": list(key_names(across.methods[0].keys).values()),
        "across_ranks": ranks,
        "across_notes": [
            *(f"{upper_first(words)}." for words in ranking_words(across)),
            *(f"{words}." for words in left_out_words(across)),
            *(f"{upper_first(words)}." for words in uneven_words(across)),
            _NO_MEAN,
        ],
        "across_diagram": _diagram(across),
        "bars_rule": clique_rule(len(across.methods)),
        "across_cut": len(across.methods) > MOST_DRAWN,
    }


def answer_over_sets(across: AcrossSets) -> Answer | None:
    """The first sentences of a report on several data sets; None without ranks."""
    ranking = across.ranking
    if ranking is None:
        return None
    mean, sets = ranking.mean_ranks[0], count(ranking.number, "data set")
    equal = sum(rank == mean for rank in ranking.mean_ranks)
    tied = f", shared with {count(equal - 1, 'other config')}" if equal > 1 else ""
    # The sentence after the first says whether the ranks differ at all.
    verdict = upper_first(ranking_words(across)[1])
    return Answer(
        lead=f"Lowest mean rank in {metric_words(across.metric)} on {sets}: ",
        best=across.methods[0].words,
        rest=f", mean rank {mean:.2f} of {count(len(across.methods), 'config')}{tied}. {verdict}.",
        choice=(
            "Best epochs are chosen by validation. The ranks describe the configs on "
            f"{metric_words(across.metric)}; each data set has its own leaderboard, ranked by "
            "validation."
        ),
    )


def _diagram(across: AcrossSets) -> str:
    if across.ranking is None:
        return ""
    return diagram([method.words for method in across.methods], across.ranking)
