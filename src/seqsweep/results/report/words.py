"""Writes the sentences that only the report has: its limits, and the best baseline."""

import math
from collections.abc import Sequence

from seqsweep.results.data_sets import tested_sequences
from seqsweep.results.formatting import count, short_number, split_words, upper_first
from seqsweep.results.power import SMALL_DIFFERENCE, needed_replicates_words
from seqsweep.results.report.findings import Baseline, Facts
from seqsweep.results.words import optimism_words, ranking_words, reason_words, untested_reasons
from seqsweep.runs.metrics import Metric, as_metric

_MAJORITY = "majority class"
_SMALL = 0.01
"""A sampling error of the test accuracy below this value is not mentioned."""


def limit_words(facts: Facts) -> list[str]:
    """Returns what limits the answer, a sentence each, without their full stops."""
    board, score = facts.board, facts.score
    if facts.across:
        return list(map(upper_first, ranking_words(facts.across)[1:]))
    if not facts.scored:
        return []
    tied = f"; configs with the best value: {board.tied}" if board.tied > 1 else ""
    words = [f"ranked by {board.chosen_by}{tied}", *reason_words(untested_reasons(board))]
    if board.compares_on_ranking_split:
        words.append(optimism_words(board))
    tested = _tested_sequences(facts)
    mean = facts.scored[0].metrics[score].mean
    error = sampling_error(mean, mean, score, tested)
    if error >= _SMALL and score.kind == "acc":
        sequences = f"{count(tested, 'sequence')} of {split_words(score.split_name)}"
        words.append(f"sampling error of a difference on {sequences}: {error:.2g}")
    power = needed_replicates_words(board, SMALL_DIFFERENCE) if score.is_bounded else None
    return [upper_first(sentence) for sentence in [*words, *([power] if power else [])]]


def _tested_sequences(facts: Facts) -> int:
    """Returns the number of sequences behind the score of one split; 0 if unknown."""
    # The interval over splits already includes the variation between test sets.
    if facts.board.variation.resampled:
        return 0
    return tested_sequences(facts.board.rows[0].entries[0].record or {}, facts.score)


def baseline_words(facts: Facts, baselines: Sequence[Baseline]) -> str | None:
    """Compares the best network with the best baseline; None without a baseline.

    A difference is stated only if it exceeds the errors due to the number of test sequences and the
    number of replicates.
    """
    if facts.across or not facts.scored or not facts.score.is_ours:
        return None
    # Baselines have no loss, so their accuracy is compared instead.
    lost, split = facts.score.lower_is_better, facts.score.split_name
    score = as_metric(f"{split}/acc") if lost else facts.score
    best, run = facts.configs[0], facts.board.rows[0].entries[0]
    # A baseline on another data set would make the networks look better or worse than they are.
    scored = [one for one in baselines if score in one.metrics and one.has_data_of(run)]
    # The majority class is only compared if nothing else was measured.
    candidates = [baseline for baseline in scored if baseline.name != _MAJORITY] or scored
    if not candidates or score not in best.metrics:
        return None
    # A validation metric chooses the baseline, if all baselines have this metric.
    wanted = (f"val/{score.kind}", "val/acc", score)
    judge = next(name for name in wanted if all(name in one.metrics for one in candidates))
    baseline = max(candidates, key=lambda one: one.metrics[judge])
    value, network = baseline.metrics[score], best.metrics[score]
    error = sampling_error(network.mean, value, score, _tested_sequences(facts))
    relation = "above" if value > network.mean else "below"
    if abs(value - network.mean) <= error or (
        network.low is not None and network.low <= value <= (network.high or 0.0)
    ):
        relation = "statistically indistinguishable from"
    where = f" ({baseline.label})" if baseline.label else ""
    text = (
        f"Best baseline by {judge}: {baseline.name}{where}, {score} {short_number(value)}, "
        f"{relation} the network ({short_number(network.mean)})."
    )
    # Choosing a baseline by the test split would be unfair, but a better one must not be hidden.
    if above := [b for b in candidates if b.metrics[score] > max(network.mean, value)]:
        better = ", ".join(f"{b.name} {short_number(b.metrics[score])}" for b in above)
        text += f" Better, but not chosen by {judge}: {better}."
    return text


def sampling_error(first: float, second: float, score: Metric, tested: int) -> float:
    """Returns the largest difference of accuracies that chance explains at 95 %.

    The formula is the interval of Agresti and Caffo (2000, The American Statistician 54), valid for
    few sequences and for accuracies of 0 and 1, if the accuracies are independent. Two networks
    make similar errors on the same sequences, so chance explains less than the result.

    Args:
        tested: The number of sequences behind each accuracy; 0 if unknown.
    """
    if not tested or not score.is_bounded:
        return 0.0
    return math.hypot(_share_error(first, tested), _share_error(second, tested))


def _share_error(share: float, tested: int) -> float:
    """Returns an accuracy's sampling error, with a success and a failure added."""
    share = (min(max(share, 0.0), 1.0) * tested + 1) / (tested + 2)
    return 1.96 * math.sqrt(share * (1 - share) / (tested + 2))
