"""The sentences of a report."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from seqsweep.results.formatting import (
    NBSP,
    count,
    interval_text,
    metric_words,
    short_number,
    shown_interval,
    split_words,
    true_minus,
    value_text,
)
from seqsweep.results.leaderboard import TIE_BREAKER, Leaderboard, has_chosen, tied_with_first
from seqsweep.results.report.baselines_text import baseline_words, test_set_words
from seqsweep.results.report.findings import Answer, Baseline, Config, Crossing, Stat
from seqsweep.results.significance import LEVEL
from seqsweep.results.verdicts import undecided
from seqsweep.runs.metric_names import lower_is_better

_FEW = 3
"""Of the best of other data sets so many are named."""


def answer(
    configs: Sequence[Config], board: Leaderboard, baselines: Sequence[Baseline], tested: int
) -> Answer:
    """The first sentence of a report that has complete runs, and the two below it.

    Args:
        tested: how many sequences the score of one run is of; 0 where that is not known.
    """
    best, score = configs[0], board.compared
    reached = f"{metric_words(score)} {_reached(score, best.metrics[score])}"
    among_networks = baseline_words(best, score, baselines, tested, alone=len(configs) == 1)
    if len(configs) == 1:
        rest = f" reaches {reached}{_alone(best)}."
        choice = choice_words(board, 1) + test_set_words([best.metrics[score].mean], score, tested)
        return Answer(best.words, rest, choice, among_networks)
    chosen = split_words(board.monitor.partition("/")[0])
    same = [config for config in configs if not config.is_apart]
    first = f"is best on {chosen}:" if len(same) > 1 else "reaches"
    rest = f" {first} {reached}{_sureness(same, score)}.{_elsewhere(configs, score)}"
    choice = (
        choice_words(board, len(configs))
        + _tie_words(board)
        + test_set_words([c.metrics[score].mean for c in same if score in c.metrics], score, tested)
    )
    return Answer(best.words, rest, choice, among_networks)


def no_answer(states: Mapping[str, int], waiting: int) -> Answer:
    """Where no run is complete."""
    parts = [f"{number} {state}" for state, number in states.items()]
    parts += [f"{waiting} not started"] if waiting else []
    total = sum(states.values()) + waiting
    if set(states) == {"failed"} and not waiting:
        return Answer("", "The only run failed." if total == 1 else f"All {total} runs failed.")
    return Answer("", f"No run is complete yet: {', '.join(parts)}.")


def choice_words(board: Leaderboard, configs: int) -> str:
    """What chose the best epoch and the best config, and that test did not."""
    metric, score = metric_words(board.monitor), board.compared
    if board.epoch == "last":
        chosen = "epoch" if configs == 1 else "epoch and config"
        text = f"No validation split chose the {chosen}: "
        if configs == 1:
            return f"{text}the numbers are of the last epoch."
        return f"{text}configs are ranked by {metric} of the last epoch."
    has_validation = any(name.startswith("val/") for row in board.rows for name in row.metrics)
    lacks = "" if has_validation else "There is no validation split. "
    if board.epoch == "own":
        chosen = "" if configs == 1 else f"The best config was chosen by {metric}. "
        text = f"{chosen}The epoch of each run was chosen by what it monitors"
    elif configs == 1:
        text = f"The best epoch was chosen by {metric}"
    else:
        text = f"The best epoch and config were chosen by {metric}"
    split = score.partition("/")[0]
    if not has_chosen(board):
        return f"{lacks}{text}; the {split_words(split)} numbers chose nothing."
    differences = ", and so do the differences to it" if configs > 1 else ""
    return (
        f"{lacks}{text}. There is no test split: this number is of the split that chose, so it "
        f"flatters{differences}."
    )


def _tie_words(board: Leaderboard) -> str:
    tied = tied_with_first(board)
    if tied < 2 or board.monitor == TIE_BREAKER or TIE_BREAKER not in board.rows[0].metrics:
        return ""
    return f" {tied} configs are equal in it: {metric_words(TIE_BREAKER)} has put the first before."


def _elsewhere(configs: Sequence[Config], score: str) -> str:
    """The best on each other set of sequences: they are not compared with the best of all."""
    firsts = {config.data: config for config in reversed(configs) if config.is_apart}
    found = sorted(firsts.values(), key=lambda config: config.rank)
    if not found:
        return ""
    words = [
        f"{config.words} ({short_number(config.metrics[score].mean)})"
        for config in found[:_FEW]
        if score in config.metrics
    ]
    more = f" and {len(found) - _FEW} more" if len(found) > _FEW else ""
    kinds = {config.verdict for config in found}
    where = kinds.pop() if len(kinds) == 1 else "other sets"
    if not where.startswith("other"):
        where = "sets that may be others"
    plural = "s" if where.endswith("set") else ""
    return f" On {where}{plural}, which are not compared with this one: {'; '.join(words)}{more}."


def crossing_words(crossing: Crossing, names: Mapping[str, str], score: str) -> str:
    """How the effect of one key depends on the other, told where it does most."""
    if crossing.share < 0.01:
        return (
            "No two axes act together: no pair of which all combinations are there explains as "
            f"much as 1{NBSP}% of the variance between configs beyond what each does alone."
        )
    rows, columns = crossing.values
    key, other = crossing.keys
    lines = [[mean or 0.0 for mean in line] for line in crossing.means]
    changed, values, at, places = key, rows, other, columns
    if len(rows) > len(columns):  # the key with fewer values is the one that is changed
        lines = [list(column) for column in zip(*lines, strict=True)]
        changed, values, at, places = other, columns, key, rows
    ends, changes = _most_apart(values, lines)
    low, high = changes.index(min(changes)), changes.index(max(changes))
    first, last = (value_text(changed, end) for end in ends)
    share = f"{crossing.share * 100:.0f}{NBSP}%"
    return (
        f"The strongest interaction is that of {names[key]} and {names[other]}, with "
        f"{share} of the variance between configs: {names[changed]} from {first} to "
        f"{last} changes the {metric_words(score)} by {_change(changes[low])} at "
        f"{names[at]}={value_text(at, places[low])} and by {_change(changes[high])} at "
        f"{names[at]}={value_text(at, places[high])}."
    )


def _most_apart(
    values: Sequence[Any], lines: Sequence[Sequence[float]]
) -> tuple[tuple[Any, Any], list[float]]:
    """The two values between which the change depends most on the place; the change at each.

    Args:
        lines: the score by values and places.
    """
    last = len(values) - 1
    pairs = sorted(itertools.combinations(range(last + 1), 2), key=lambda pair: pair != (0, last))
    changes = {(i, j): [b - a for a, b in zip(lines[i], lines[j], strict=True)] for i, j in pairs}
    i, j = max(pairs, key=lambda pair: round(max(changes[pair]) - min(changes[pair]), 9))
    return (values[i], values[j]), changes[i, j]


def confusion_words(classes: Sequence[str], counts: Sequence[Sequence[int]]) -> list[str]:
    """The three most frequent confusions, and the class that is found least often."""
    pairs = [
        (number, true, taken)
        for true, row in enumerate(counts)
        for taken, number in enumerate(row)
        if number and true != taken
    ]
    if not pairs:
        return ["No sequence is confused."]
    words = [
        f"“{classes[true]}” is taken for “{classes[taken]}” {count(number, 'time')} "
        f"({number / sum(counts[true]) * 100:.1f}{NBSP}% of its {sum(counts[true]):,})."
        for number, true, taken in sorted(pairs, key=lambda pair: -pair[0])[:3]
    ]
    recalls = [(row[i] / sum(row), i) for i, row in enumerate(counts) if sum(row)]
    recall, worst = min(recalls)
    return [
        *words,
        f"Found least often: “{classes[worst]}”, {recall * 100:.1f}{NBSP}% of its sequences.",
    ]


def _reached(score: str, stat: Stat) -> str:
    mean = true_minus(short_number(stat.mean))
    if stat.low is None or stat.high is None:
        return f"{mean} (no spread between {stat.n} seeds)" if stat.n > 1 else mean
    ends = interval_text(*shown_interval(score, stat.low, stat.high))
    return f"{mean} ({LEVEL * 100:.0f}{NBSP}% interval {ends} over {stat.n} seeds)"


def _change(value: float) -> str:
    return true_minus(f"{value:+.3f}")


def _alone(best: Config) -> str:
    return "; it is one run, so there is no interval" if len(best.runs) == 1 else ""


def _sureness(configs: Sequence[Config], score: str) -> str:
    """How many of the others cannot be told apart from the first."""
    others = configs[1:]
    if not others:
        return ""
    unknown = [config for config in others if config.verdict == "undecided"]
    shared = [config.gap.n if config.gap else 0 for config in unknown]
    by_t = [config for config in unknown if config.told_by_t]
    why = undecided(shared, [len(config.runs) for config in configs], len(by_t))
    if better := sum(_above(config, score) for config in by_t):
        why = f"{why} ({better} did better on this metric)"
    if why and len(shared) == len(others):
        return f"; {why}"
    alike = [c for c in others if c.verdict != "different" and not c.told_by_t]
    if len(alike) == len(others) > 1:
        which = "neither of the two" if len(others) == 2 else f"none of the {len(others)}"
        text = f"; {which} others can be told apart from it"
    elif not alike:
        text = "; it can be told apart from " + (
            "the other config" if len(others) == 1 else
            "both others" if len(others) == 2 else f"all {len(others)} others"
        )  # fmt: skip
    elif len(others) == 1:
        text = "; the other config cannot be told apart from it"
    else:
        text = f"; {len(alike)} of the {len(others)} others cannot be told apart from it"
    better = [
        config for config in others if config.verdict == "different" and _above(config, score)
    ]
    if better:
        text += f", and {len(better)}, which validation did not choose, did better on this metric"
    return f"{text}; {why}" if why else text


def _above(config: Config, score: str) -> bool:
    mean = config.gap.mean if config.gap else None
    return mean is not None and (mean < 0) == lower_is_better(score) and mean != 0
