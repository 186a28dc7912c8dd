"""The first sentences of a report, each by a fixed frame."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seqsweep.results.formatting import (
    NBSP,
    bounded_interval,
    count,
    metric_words,
    number_range,
    short_number,
    split_words,
    true_minus,
    upper_first,
)
from seqsweep.results.leaderboard import TIE_BREAKER, Leaderboard
from seqsweep.results.power import SMALL_DIFFERENCE, needed_replicates_words
from seqsweep.results.replicates import Variation
from seqsweep.results.report.baselines import Baseline, baseline_words, test_set_words
from seqsweep.results.report.findings import Config
from seqsweep.results.significance import LEVEL
from seqsweep.results.words import needed_words, t_test_words, too_few_words
from seqsweep.runs.metric_names import is_bounded, lower_is_better

_MOST_NAMED = 3
"""The number of other data sets whose best configs are named."""

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

    `lead`, `best` and `rest` are read as one text. `power` says how many replicates would show a
    difference.
    """

    best: str
    rest: str
    lead: str = ""
    choice: str | None = None
    baseline: str | None = None
    power: str | None = None


def answer(
    configs: Sequence[Config], board: Leaderboard, baselines: Sequence[Baseline], tested: int
) -> Answer:
    """The first sentences of a report that has complete runs.

    Args:
        tested: The number of sequences behind the score of one run; 0 if unknown.
    """
    best, score = configs[0], board.compared
    # Only configs evaluated on the sequences of the best are compared with it.
    same = [config for config in configs if not config.apart]
    means = [config.metrics[score].mean for config in same if score in config.metrics]
    has_rivals = sum(config.data == best.data for config in configs) > 1
    ranking_split = split_words(board.monitor.partition("/")[0])
    # Baselines have no loss.
    judged = f"{score.partition('/')[0]}/acc" if lower_is_better(score) else score
    alone = " (one run, no confidence interval)" if len(configs) == len(best.runs) == 1 else ""
    sentences = [
        f"{metric_words(score)} {_estimate_words(best, score, board.variation)}{alone}",
        *_comparison_sentences(same, score, board.variation),
        *_sentence_on_other_sets(configs, score),
    ]
    return Answer(
        lead=f"Best on {ranking_split}: " if has_rivals else "",
        best=best.words,
        rest=f", {'. '.join(sentences)}.",
        choice=choice_words(board) + _tie_words(board) + test_set_words(means, score, tested),
        baseline=baseline_words(best, judged, baselines, tested, alone=len(configs) == 1)
        if judged in best.metrics
        else None,
        power=needed_replicates_words(board, SMALL_DIFFERENCE)
        if has_rivals and is_bounded(score)
        else None,
    )


def no_answer(states: Mapping[str, int], waiting: int) -> Answer:
    """The first sentence of a report without a complete run."""
    parts = [f"{number} {state}" for state, number in states.items()]
    parts += [f"{waiting} not started"] if waiting else []
    total = sum(states.values()) + waiting
    if set(states) == {"failed"} and not waiting:
        return Answer("", "The only run failed." if total == 1 else f"All {total} runs failed.")
    return Answer("", f"No run is complete yet: {', '.join(parts)}.")


def choice_words(board: Leaderboard) -> str:
    """Says what chose the best epoch and the best config."""
    metric, split = metric_words(board.monitor), split_words(board.compared.partition("/")[0])
    has_validation = any(name.startswith("val/") for row in board.rows for name in row.metrics)
    is_one = len(board.rows) == 1
    # Runs whose monitor was not logged keep their last epoch.
    if board.epoch == "last":
        ranked = "" if is_one else f", and {metric} ranks the configs"
        return f"No validation metric was monitored: all numbers are of the last epoch{ranked}."
    if board.epoch == "own":
        chosen = "Each run's epoch was chosen by its own monitor"
        chosen += "" if is_one else f", the best config by {metric}"
    else:
        chosen = f"Best epoch{'' if is_one else ' and config'} chosen by {metric}"
    lacks = "" if has_validation else "There is no validation split. "
    if not board.compares_on_ranking_split:
        return f"{lacks}{chosen}, not by any {split} number."
    optimistic = "number is" if is_one else "number and the differences to it are"
    return f"{lacks}{chosen}. There is no test split, so this {split} {optimistic} optimistic."


def _estimate_words(config: Config, score: str, variation: Variation) -> str:
    """Returns a mean with its interval: `0.708, 95 % interval [0.667, 0.750] over 5 seeds`."""
    value = config.metrics[score]
    mean = true_minus(short_number(value.mean))
    runs = config.varied if variation.resampled else count(value.n, "seed")
    if value.n == 1:
        return mean
    if value.low is None or value.high is None:
        lacks = "no interval over" if variation.resampled else "no spread between"
        return f"{mean} ({lacks} {runs})"
    low, high = number_range(*bounded_interval(score, value.low, value.high))
    return f"{mean}, {LEVEL * 100:.0f}{NBSP}% interval [{low}, {high}] over {runs}"


def _comparison_sentences(configs: Sequence[Config], score: str, variation: Variation) -> list[str]:
    """Says how many of the other configs differ from the first."""
    others = configs[1:]
    if not others:
        return []
    verdicts = [config.verdict for config in others]
    by_t = sum(config.differs_by_t for config in others)
    if verdicts.count("undecided") == len(others):
        # None of them is compared with the first.
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
        # Splits may have no test although they are many, such as splits of unknown sizes.
        words = words | {"undecided": ("is not tested", "are not tested")}
    if len(verdicts) == 1:
        return f"The other config {words[verdicts[0]][0]}"
    parts: list[str] = []
    for verdict, (one, many) in words.items():
        if number := verdicts.count(verdict):
            of = "" if parts else f" of {len(verdicts)} others"
            parts.append(f"{number}{of} {one if number == 1 else many}")
    return ", ".join(parts)


def _is_better(config: Config, score: str) -> bool:
    """Returns whether a config differs from the first and has the better score."""
    interval = config.difference.interval if config.difference else None
    differs = config.verdict == "different" or config.differs_by_t
    if not differs or interval is None or not interval.mean:
        return False
    return (interval.mean < 0) == lower_is_better(score)


def _sentence_on_other_sets(configs: Sequence[Config], score: str) -> list[str]:
    """Names the best config on each other set of sequences; these are not compared."""
    # In reversed order the best config of each data set is the last one set.
    others = [config for config in reversed(configs) if config.data != configs[0].data]
    firsts = {config.data: config for config in others if config.apart}
    ranked = sorted(firsts.values(), key=lambda config: config.rank)
    if not ranked:
        return []
    reasons = {config.apart for config in ranked}
    reason = reasons.pop() if len(reasons) == 1 else "other sets"
    named = [
        f"{config.words} {short_number(config.metrics[score].mean)}"
        for config in ranked[:_MOST_NAMED]
        if score in config.metrics
    ]
    more = f" and {len(ranked) - _MOST_NAMED} more" if len(ranked) > _MOST_NAMED else ""
    return [f"Not compared ({reason}): {'; '.join(named)}{more}"]


def _tie_words(board: Leaderboard) -> str:
    is_tie_broken = board.monitor != TIE_BREAKER and TIE_BREAKER in board.rows[0].metrics
    if board.tied < 2 or not is_tie_broken:
        return ""
    return f" {board.tied} configs tie in it; {metric_words(TIE_BREAKER)} decides."
