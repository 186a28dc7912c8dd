"""Writes the first sentences of a report from fixed templates."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seqsweep.results.across_sets import AcrossSets
from seqsweep.results.data_sets import tested_sequences
from seqsweep.results.formatting import (
    NBSP,
    count,
    estimate_texts,
    short_number,
    split_words,
    upper_first,
)
from seqsweep.results.leaderboard import TIE_BREAKER, Leaderboard
from seqsweep.results.power import SMALL_DIFFERENCE, needed_replicates_words
from seqsweep.results.replicates import Variation
from seqsweep.results.report.findings import Baseline, Config, Facts
from seqsweep.results.significance import LEVEL
from seqsweep.results.words import needed_words, ranking_words, t_test_words, too_few_words
from seqsweep.runs.metrics import Metric, as_metric

_MAJORITY = "majority class"
_SMALL = 0.01
"""A sampling error of the test accuracy below this value is not mentioned."""

_MOST_NAMED = 3
"""The most other sets of sequences whose best configs are named."""

_VERDICTS = {
    "different": ("differs", "differ"),
    "indistinguishable": (
        "is statistically indistinguishable",
        "are statistically indistinguishable",
    ),
    "undecided": ("has too few seeds", "have too few seeds"),
}
"""The words for one and for several configs with a verdict."""


@dataclass(frozen=True)
class Answer:
    """The first sentences of the report.

    `lead`, `best` and `rest` are read as one text. `choice` says what chose the best epoch and
    config, `baseline` compares them with a baseline, and `power` says how many replicates would
    show a difference.
    """

    best: str
    rest: str
    lead: str = ""
    choice: str | None = None
    baseline: str | None = None
    power: str | None = None


def find_answer(facts: Facts, baselines: Sequence[Baseline]) -> Answer:
    """Writes the first sentences of a report, with or without complete runs."""
    over_sets = facts.across and answer_over_sets(facts.across)
    if over_sets:
        return over_sets
    if not facts.configs or facts.score not in facts.configs[0].metrics:
        return no_answer(facts.states, facts.waiting)
    configs, board, score = facts.configs, facts.board, facts.score
    best, run = configs[0], board.rows[0].entries[0]
    # The interval over splits already includes the variation between test sets.
    is_one_split = not board.variation.resampled
    tested = tested_sequences(run.record or {}, score) if is_one_split else 0
    # A baseline on another data set would make the networks look better or worse than they are.
    comparable = [baseline for baseline in baselines if baseline.has_data_of(run)]
    # Only configs evaluated on the same sequences as the best config are compared with it.
    same = [config for config in configs if not config.apart]
    means = [config.metrics[score].mean for config in same if score in config.metrics]
    has_rivals = sum(config.data == best.data for config in configs) > 1
    needs_power = has_rivals and score.is_bounded
    monitor = board.monitor
    by = f"on {split_words(monitor.split_name)}" if monitor.is_ours else f"by {monitor}"
    alone = " (one run, no confidence interval)" if len(configs) == len(best.runs) == 1 else ""
    sentences = [
        f"{score.words} {_estimate_words(best, score, board.variation)}{alone}",
        *_comparison_sentences(same, score, board.variation),
        *_sentence_on_other_sets(configs, score),
    ]
    return Answer(
        lead=f"Best {by}: " if has_rivals else "",
        best=best.words,
        rest=f", {'. '.join(sentences)}.",
        choice=choice_words(board) + test_set_words(means, score, tested),
        baseline=baseline_words(best, score, comparable, tested, alone=len(configs) == 1),
        power=needed_replicates_words(board, SMALL_DIFFERENCE) if needs_power else None,
    )


def no_answer(states: Mapping[str, int], waiting: int) -> Answer:
    """Writes the first sentence of a report without a complete run."""
    parts = [f"{number} {state}" for state, number in states.items()]
    parts += [f"{waiting} not started"] if waiting else []
    return Answer("", f"No run is complete yet: {', '.join(parts)}.")


def answer_over_sets(across: AcrossSets) -> Answer | None:
    """Writes the first sentences on several data sets; None without ranks."""
    ranking = across.ranking
    if ranking is None:
        return None
    mean, sets = ranking.mean_ranks[0], count(ranking.number, "data set")
    equal = sum(rank == mean for rank in ranking.mean_ranks)
    tied = f", shared with {count(equal - 1, 'other config')}" if equal > 1 else ""
    # The second sentence on the ranks says whether the ranks differ at all.
    verdict = upper_first(ranking_words(across)[1])
    return Answer(
        lead=f"Lowest mean rank in {across.metric.words} on {sets}: ",
        best=across.methods[0].words,
        rest=f", mean rank {mean:.2f} of {count(len(across.methods), 'config')}{tied}. {verdict}.",
        choice=(
            "Best epochs are chosen by validation. The ranks describe the configs on "
            f"{across.metric.words}; each data set has its own leaderboard, ranked by "
            "validation."
        ),
    )


def choice_words(board: Leaderboard) -> str:
    """Says what chose the best epoch and the best config."""
    metric, split = board.monitor.words, split_words(board.compared.split_name)
    # A user's own metrics do not tell whether the data have a validation split.
    is_ours, is_one = board.monitor.is_ours, len(board.rows) == 1
    names = [name for row in board.rows for name in row.metrics]
    has_validation = not is_ours or any(name.startswith("val/") for name in names)
    # Runs whose monitor was not logged keep their last epoch.
    if board.epoch == "last":
        ranked = "" if is_one else f", and {metric} ranks the configs"
        return f"No validation metric was monitored: all numbers are of the last epoch{ranked}."
    chosen = f"Best epoch{'' if is_one else ' and config'} chosen by {metric}"
    if board.epoch == "own":
        chosen = f"Best epoch chosen by each run's own monitor, best config by {metric}"
    sentence = "" if has_validation else "There is no validation split. "
    if board.compares_on_ranking_split:
        lacks = f"test split, so this {split}" if is_ours else "test metric of its kind, so this"
        sentence += f"{chosen}. There is no {lacks} number is optimistic."
    else:
        sentence += f"{chosen}, not by any {split} number."
    if board.tied > 1 and board.monitor != TIE_BREAKER and TIE_BREAKER in board.rows[0].metrics:
        sentence += f" {board.tied} configs tie in it; {TIE_BREAKER.words} decides."
    return sentence


def _estimate_words(config: Config, score: Metric, variation: Variation) -> str:
    """Returns a mean with its interval: `0.708, 95 % interval [0.667, 0.750] over 5 seeds`."""
    value = config.metrics[score]
    mean, interval = estimate_texts(value)
    runs = config.varied if variation.resampled else count(value.n, "seed")
    if value.n == 1:
        return mean
    if not interval:
        lacks = "no interval over" if variation.resampled else "no spread between"
        return f"{mean} ({lacks} {runs})"
    return f"{mean}, {LEVEL * 100:.0f}{NBSP}% interval {interval} over {runs}"


def _comparison_sentences(
    configs: Sequence[Config], score: Metric, variation: Variation
) -> list[str]:
    """Says how many of the other configs differ from the first."""
    others = configs[1:]
    if not others:
        return []
    verdicts = [config.verdict for config in others]
    by_t = sum(config.differs_by_t for config in others)
    if verdicts.count("undecided") == len(others):
        # No other config is compared with the first.
        differences = [config.difference for config in others if config.difference]
        runs = [len(config.runs) for config in configs]
        untested = [difference.untested for difference in differences]
        shared = [difference.n for difference in differences]
        few = too_few_words(shared, runs, by_t, untested, variation.folds)
        sentences = [upper_first(few or "")]
    else:
        sentences = [_count_verdicts(verdicts, variation)]
        if "undecided" in verdicts and not variation.resampled:
            sentences += [needed_words(len(configs)), *t_test_words(by_t)]
    if better := sum(_is_better(config, score) for config in others):
        are = "is" if better == 1 else "are"
        sentences.append(f"{better} of those that differ {are} better, but ranked lower")
    return sentences


def _count_verdicts(verdicts: Sequence[str], variation: Variation) -> str:
    """Counts the other configs by verdict: `5 of 23 others differ, 12 have too few seeds`."""
    words = _VERDICTS
    if variation.resampled:
        # Even many splits are not tested if, for example, their sizes are unknown.
        words = words | {"undecided": ("is not tested", "are not tested")}
    if len(verdicts) == 1:
        return f"The other config {words[verdicts[0]][0]}"
    parts: list[str] = []
    for verdict, (one, many) in words.items():
        if number := verdicts.count(verdict):
            of = "" if parts else f" of {len(verdicts)} others"
            parts.append(f"{number}{of} {one if number == 1 else many}")
    return ", ".join(parts)


def _is_better(config: Config, score: Metric) -> bool:
    """Returns whether a config is better than the first, by either test."""
    interval = config.difference.interval if config.difference else None
    differs = config.verdict == "different" or config.differs_by_t
    if not differs or interval is None or not interval.mean:
        return False
    return (interval.mean < 0) == score.lower_is_better


def _sentence_on_other_sets(configs: Sequence[Config], score: Metric) -> list[str]:
    """Names the best config on each other set of sequences."""
    firsts: dict[str, Config] = {}
    for config in configs:
        if config.data != configs[0].data and config.apart and score in config.metrics:
            firsts.setdefault(config.data, config)
    if not firsts:
        return []
    best = list(firsts.values())
    reasons = ", ".join(dict.fromkeys(config.apart for config in best))
    named = [f"{one.words} {short_number(one.metrics[score].mean)}" for one in best[:_MOST_NAMED]]
    if len(best) > _MOST_NAMED:
        named.append("...")
    return [f"Not compared ({reasons}): {'; '.join(named)}"]


def baseline_words(
    best: Config, score: Metric, baselines: Sequence[Baseline], tested: int, alone: bool = False
) -> str | None:
    """Compares the best network with the best baseline; None without a baseline.

    A difference is stated only if it exceeds the errors due to the number of test sequences and the
    number of replicates.

    Args:
        tested: The number of test sequences; 0 if unknown, or if the interval of the network
            already includes the variation between test sets.
        alone: Whether there is only one network.
    """
    if not score.is_ours:
        return None
    # Baselines have no loss, so their accuracy is compared instead.
    score = as_metric(f"{score.split_name}/acc") if score.lower_is_better else score
    scored = [baseline for baseline in baselines if score in baseline.metrics]
    # The majority class is only compared if nothing else was measured.
    candidates = [baseline for baseline in scored if baseline.name != _MAJORITY] or scored
    if not candidates or score not in best.metrics:
        return None
    # A validation metric chooses the baseline, if all baselines have this metric.
    wanted = (f"val/{score.kind}", "val/acc")
    shared = [name for name in wanted if all(name in one.metrics for one in candidates)]
    judge = as_metric(shared[0]) if shared else score
    baseline = max(candidates, key=lambda one: one.metrics[judge])
    value, network = baseline.metrics[score], best.metrics[score]
    gap = abs(value - network.mean)
    words = f"{'the network' if alone else 'the best network'} ({short_number(network.mean)})"
    equal = f"statistically indistinguishable from {words}"
    if gap <= sampling_error(network.mean, value, score, tested):
        relation = f"{equal} on {tested:,} {split_words(score.split_name)} sequences"
    elif network.low is not None and network.low <= value <= (network.high or 0.0):
        relation = f"{equal} over {best.varied}"
    else:
        side = "below" if value < network.mean else "above"
        relation = f"{short_number(gap)} {side} {words}"
    name = "always the most frequent class" if baseline.name == _MAJORITY else baseline.name
    where = f", on the data with {baseline.label}" if baseline.label else ""
    text = f"Best baseline: {name}, {score.words} {short_number(value)}, {relation}{where}."
    # Choosing a baseline by the test split would be unfair, but a better one must not be hidden.
    if above := [b for b in candidates if b.metrics[score] > max(network.mean, value)]:
        better = ", ".join(f"{b.name} {short_number(b.metrics[score])}" for b in above)
        text += f" Better score, but not chosen by validation: {better}."
    if len(candidates) > 1 and not judge.startswith("val/"):
        text += f" It was chosen by {judge.words}: baselines have no validation score here."
    return text


def test_set_words(means: Sequence[float], score: Metric, tested: int) -> str:
    """Says which differences the test split is too small to show.

    Args:
        means: The accuracies of the best config and of the configs compared with it.
        tested: The number of sequences behind each accuracy; 0 if unknown.
    """
    split, kind = score.split_name, score.kind
    if not tested or kind != "acc":
        return ""
    best, *others = means
    head = f" The {split_words(split)} split has {count(tested, 'sequence')}"
    if not others:
        error = _share_error(best, tested)
        return f"{head}: its error is about {error:.2g}." if error >= _SMALL else ""
    error = sampling_error(best, best, score, tested)
    # Nothing is said if all differences are larger than the error.
    if error < _SMALL or all(abs(mean - best) > error for mean in others):
        return ""
    return f"{head}: differences below {error:.2g} are within its error."


def sampling_error(first: float, second: float, score: Metric, tested: int) -> float:
    """Returns the largest difference of accuracies that chance explains at 95 %.

    The formula is the interval of Agresti and Caffo (2000, The American Statistician 54), valid for
    few sequences and for accuracies of 0 and 1, if the accuracies are independent. Two networks
    make similar errors on the same sequences, so chance explains less than the result.
    """
    if not tested or not score.is_bounded:
        return 0.0
    return math.hypot(_share_error(first, tested), _share_error(second, tested))


def _share_error(share: float, tested: int) -> float:
    """Returns an accuracy's sampling error, with a success and a failure added."""
    share = (min(max(share, 0.0), 1.0) * tested + 1) / (tested + 2)
    return 1.96 * math.sqrt(share * (1 - share) / (tested + 2))
