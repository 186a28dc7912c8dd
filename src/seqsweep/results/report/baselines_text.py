"""What may be said of a difference against a baseline, and with the test sequences there are."""

import math
from collections.abc import Sequence

from seqsweep.results.formatting import count, metric_words, short_number, split_words
from seqsweep.results.report.findings import Baseline, Config, Stat
from seqsweep.runs.metric_names import is_bounded, lower_is_better

_MAJORITY = "majority class"


_SMALL = 0.01
"""The error of the test split below which three decimals are not limited by it."""


def baseline_words(
    best: Config, score: str, baselines: Sequence[Baseline], tested: int, alone: bool = False
) -> str | None:
    """The networks against what needs none; None without a baseline to compare with.

    Args:
        alone: whether there is one network only.
    """
    scored = [baseline for baseline in baselines if score in baseline.metrics]
    learned = [baseline for baseline in scored if baseline.name != _MAJORITY]
    if not scored:
        return None
    candidates = learned or scored
    rival, judged_by = _rival(candidates, score)
    network, value = best.metrics[score], rival.metrics[score]
    name = "always the most frequent class" if rival.name == _MAJORITY else rival.name
    text = _against(name, value, network, score, tested, alone)
    if rival.data:
        text = f"{text[:-1]}, on the data with {rival.data}."
    text += _unchosen(candidates, rival, network, score, tested)
    if len(candidates) > 1 and not judged_by.startswith("val/"):
        judge = metric_words(judged_by)
        text += f" It was chosen among the baselines by {judge}: there is no validation of them."
    return text


def _rival(baselines: Sequence[Baseline], score: str) -> tuple[Baseline, str]:
    """The best baseline and the metric that says so: one of validation where all have one."""
    kinds = (score.rpartition("/")[2], "acc")
    wanted = [f"val/{kind}" for kind in kinds]
    there = [name for name in wanted if all(name in b.metrics for b in baselines)]
    metric = there[0] if there else score
    sign = -1 if lower_is_better(metric) else 1
    return max(baselines, key=lambda baseline: sign * baseline.metrics[metric]), metric


def _against(name: str, value: float, network: Stat, score: str, tested: int, alone: bool) -> str:
    """A baseline's score against the best network's.

    One is said to be above the other only where neither the number of test sequences nor that of
    the seeds leaves it open.
    """
    ours, theirs = short_number(network.mean), short_number(value)
    gap = abs(value - network.mean)
    best = "the network" if alone else "the best network"
    if gap <= sampling_error(network.mean, value, score, tested):
        sequences = f"{tested:,} {split_words(score.partition('/')[0])} sequences"
        return (
            f"{_upper(name)} reaches {theirs}, {best} {ours}: not distinguishable on {sequences}."
        )
    if network.low is not None and network.low <= value <= (network.high or 0.0):
        seeds = count(network.n, "seed")
        return (
            f"{_upper(name)} reaches {theirs}, {best} {ours}: "
            f"with {seeds} they cannot be told apart."
        )
    first, second = f"{best} ({ours})", f"{name} ({theirs})"
    if (value < network.mean) == lower_is_better(score):
        first, second = second, first
    side = "below" if lower_is_better(score) else "above"
    return f"{_upper(first)} is {short_number(gap)} {side} {second}."


def _unchosen(
    baselines: Sequence[Baseline], rival: Baseline, network: Stat, score: str, tested: int
) -> str:
    """Those that validation ranks below the rival, and that score above it and the networks.

    They are said to be better only where no sequences and no seeds leave that open.
    """
    sign = -1 if lower_is_better(score) else 1
    bar = max(sign * network.mean, sign * rival.metrics[score])
    above = [b for b in baselines if sign * b.metrics[score] > bar]
    if not above:
        return ""
    words = ", ".join(f"{b.name} {short_number(b.metrics[score])}" for b in above)
    ends = [network.mean, *(end for end in (network.low, network.high) if end is not None)]
    reach = max(sign * end for end in ends)

    def is_sure(value: float) -> bool:
        error = sampling_error(network.mean, value, score, tested)
        return sign * value > max(reach, sign * network.mean + error)

    if all(is_sure(b.metrics[score]) for b in above):
        return f" Above both, though not chosen by validation: {words}."
    return f" Not chosen by validation: {words}."


def test_set_words(means: Sequence[float], score: str, tested: int) -> str:
    """Says how large a difference the test sequences can show, if that limits the claims.

    Args:
        means: the accuracies of the best config and of those that are compared with it.
        tested: how many sequences they are of; 0 where that is not known.
    """
    split, _, kind = score.partition("/")
    if not tested or kind != "acc":
        return ""
    best, *others = means
    head = f" The {split_words(split)} split has {count(tested, 'sequence')}"
    if not others:
        error = _share_error(best, tested)
        return f"{head}: its error is about {error:.2g}." if error >= _SMALL else ""
    error = sampling_error(best, best, score, tested)
    if error < _SMALL or all(abs(mean - best) > error for mean in others):
        return ""
    return f"{head}: differences below {error:.2g} are within its error."


def sampling_error(first: float, second: float, score: str, tested: int) -> float:
    """The difference of two shares that chance alone explains, at 95 %; 0 if unknown.

    The interval of Agresti and Caffo (2000, The American Statistician 54), which holds for few
    sequences and for shares of 0 and 1. It takes the two shares as independent. On the same
    sequences they usually agree more than that, so it is on the safe side.
    """
    if not tested or not is_bounded(score):
        return 0.0
    return math.hypot(_share_error(first, tested), _share_error(second, tested))


def _share_error(share: float, tested: int) -> float:
    """The error of one share, with a success and a failure added."""
    share = (min(max(share, 0.0), 1.0) * tested + 1) / (tested + 2)
    return 1.96 * math.sqrt(share * (1 - share) / (tested + 2))


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
