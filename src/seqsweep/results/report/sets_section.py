"""Prepares what a report says about data sets and their splits."""

from collections.abc import Mapping, Sequence
from typing import Any

from seqsweep.results.across_sets import AcrossSets
from seqsweep.results.formatting import count, key_names, metric_words, split_words, upper_first
from seqsweep.results.report.critical_difference import MOST_DRAWN, diagram
from seqsweep.results.report.findings import Answer
from seqsweep.results.words import (
    clique_rule,
    left_out_words,
    rank_cells,
    ranking_words,
    uneven_words,
)
from seqsweep.runs.ledger import Entry

_NO_MEAN = (
    "Accuracies of different test sets have no common scale, so no mean over data sets is shown."
)


def sets_view(across: AcrossSets | None) -> dict[str, Any]:
    """Returns the variables of the section; nothing for a folder with one data set."""
    if across is None:
        return {"across": None}
    ranking = across.ranking
    return {
        "across": across,
        "across_names": list(key_names(across.methods[0].keys).values()),
        "across_ranks": ranking and [rank_cells(across, i) for i in range(len(across.methods))],
        "across_notes": [
            *(f"{upper_first(words)}." for words in ranking_words(across)),
            *(f"{words}." for words in left_out_words(across)),
            *(f"{upper_first(words)}." for words in uneven_words(across)),
            _NO_MEAN,
        ],
        "across_diagram": ranking and diagram([one.words for one in across.methods], ranking),
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


Splits = Mapping[str, Mapping[str, Any]]
"""The values of a split in record.json: `sequences`, `fingerprint`, `also_in_train`."""


def splits_of(entries: Sequence[Entry]) -> Splits:
    """The splits of the first run; empty if its record lacks them."""
    record = entries[0].record if entries else None
    splits = (record or {}).get("splits")
    if not isinstance(splits, dict):
        return {}
    return {
        name: part
        for name, part in splits.items()
        if isinstance(part, dict) and isinstance(part.get("sequences"), int)
    }


def size_words(splits: Splits) -> str:
    """The number of sequences in each split, in words.

    >>> size_words({"train": {"sequences": 1216}, "test": {"sequences": 370}})
    '1,216 training and 370 test sequences'
    """
    parts = [f"{part['sequences']:,} {split_words(name)}" for name, part in splits.items()]
    *most, last = parts or [""]
    return f"{', '.join(most)} and {last} sequences" if most else last and f"{last} sequences"


def overlap_words(entries: Sequence[Entry]) -> list[str]:
    """A sentence for each split that shares sequences with training."""
    sentences: dict[str, None] = {}  # runs on the same data give the same sentence
    for entry in entries:
        for name, part in splits_of([entry]).items():
            if shared := part.get("also_in_train"):
                split, verb = split_words(name), "is" if shared == 1 else "are"
                total = count(part["sequences"], f"{split} sequence")
                head = f"{shared:,} of {total} {verb} also in train"
                sentences[f"{head}, so the {split} accuracy is optimistic."] = None
    return list(sentences)
