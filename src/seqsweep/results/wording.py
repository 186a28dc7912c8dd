"""The words of a report: keys, values, numbers, and the sentences made of them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from seqsweep.results.findings import Answer, Baseline, Config, Crossing, Stat
from seqsweep.results.statistics import seeds_needed
from seqsweep.runs.ledger import short_names

_SPLITS = {"val": "validation", "test": "test", "train": "training"}
_KINDS = {"acc": "accuracy", "f1": "F1", "loss": "loss"}
NBSP = "\N{NO-BREAK SPACE}"
_MAJORITY = "majority class"


def key_names(keys: Iterable[str]) -> dict[str, str]:
    """Short names of config keys; a `_target_` is called by the section that it chooses.

    >>> key_names(["model.hidden_size", "optimizer._target_"])
    {'model.hidden_size': 'hidden_size', 'optimizer._target_': 'optimizer'}
    """
    shown = {key: key.removesuffix("._target_") for key in keys}
    short = short_names(shown.values())
    return {key: short[name] for key, name in shown.items()}


def value_text(key: str, value: Any) -> str:
    """A config value; of a `_target_` its last name alone."""
    if isinstance(value, str) and key.endswith("_target_"):
        return value.rpartition(".")[2]
    return plain_text(value)


def plain_text(value: Any) -> str:
    """A config value as the command line writes it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def settings(config: Mapping[str, Any], names: Mapping[str, str], between: str, join: str) -> str:
    """`hidden_size 32, cell gru`, or with other marks between and after the words."""
    return join.join(f"{name}{between}{value_text(k, config.get(k))}" for k, name in names.items())


def known_settings(config: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """As `settings`, of those keys alone that the config has."""
    known = {key: name for key, name in names.items() if config.get(key) is not None}
    return settings(config, known, " ", ", ")


def metric_words(name: str) -> str:
    """
    >>> metric_words("val/acc")
    'validation accuracy'
    """
    split, _, kind = name.partition("/")
    return f"{_SPLITS.get(split, split)} {_KINDS.get(kind, kind)}"


def short_number(value: float) -> str:
    """Three decimals, or four significant digits of what is larger than 10 or tiny."""
    return f"{value:.3f}" if 0.01 <= abs(value) < 10 or value == 0 else f"{value:.4g}"


def count(number: int, one: str, many: str | None = None) -> str:
    """
    >>> count(1, "run"), count(1200, "run")
    ('1 run', '1,200 runs')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def answer(
    configs: Sequence[Config], monitor: str, score: str, baselines: Sequence[Baseline], tested: int
) -> Answer:
    """The first sentence of a report that has complete runs, and the two below it.

    Args:
        tested: how many sequences the score of one run is of; 0 where that is not known.
    """
    best = configs[0]
    reached = f"{metric_words(score)} {_reached(best.metrics[score])}"
    if len(configs) == 1:
        rest = f" reaches {reached}{_alone(best)}."
        return Answer(best.words, rest, choice_words(monitor, score, 1),
                      baseline_words(best, score, baselines, tested))  # fmt: skip
    rest = f" is best: {reached}{_sureness(configs, score)}."
    choice = choice_words(monitor, score, len(configs))
    return Answer(best.words, rest, choice, baseline_words(best, score, baselines, tested))


def no_answer(states: Mapping[str, int], waiting: int) -> Answer:
    """Where no run is complete."""
    parts = [f"{number} {state}" for state, number in states.items()]
    parts += [f"{waiting} not started"] if waiting else []
    total = sum(states.values()) + waiting
    if set(states) == {"failed"} and not waiting:
        return Answer("", "The only run failed." if total == 1 else f"All {total} runs failed.")
    return Answer("", f"No run is complete yet: {', '.join(parts)}.")


def choice_words(monitor: str, score: str, configs: int) -> str:
    """What chose the best epoch and the best config, and that test did not."""
    chosen = "epoch" if configs == 1 else "epoch and config"
    if not monitor.startswith("val/"):
        return (
            f"No validation split chose the {chosen}: configs are ranked by {metric_words(monitor)}"
            " of the last epoch."
        )
    text = f"The best {chosen} were chosen" if configs > 1 else f"The best {chosen} was chosen"
    text += f" by {metric_words(monitor)}"
    if score.startswith("test/"):
        return f"{text}; the test numbers chose nothing."
    return (
        f"{text}. There is no test split: this number is of the split that chose, so it flatters."
    )


def baseline_words(
    best: Config, score: str, baselines: Sequence[Baseline], tested: int
) -> str | None:
    """The networks against what needs none; None without a baseline to compare with."""
    scored = [baseline for baseline in baselines if score in baseline.metrics]
    learned = [baseline for baseline in scored if baseline.name != _MAJORITY]
    if not scored:
        return None
    network = best.metrics[score]
    chosen = score.replace("test/", "val/")
    rival = max(learned or scored, key=lambda b: b.metrics.get(chosen, b.metrics[score]))
    value = rival.metrics[score]
    ours, theirs = short_number(network.mean), short_number(value)
    name = "always the most frequent class" if rival.name == _MAJORITY else rival.name
    margin = _margin(network, tested)
    if value > network.mean + margin:
        return f"Better than the networks: {name} reaches {theirs}, the best network {ours}."
    if value >= network.mean - margin:
        return f"{_upper(name)} reaches {theirs}, as good as the best network ({ours})."
    above = short_number(network.mean - value)
    return f"The best network ({ours}) is {above} above {name} ({theirs})."


def crossing_words(crossing: Crossing, names: Mapping[str, str], score: str) -> str:
    """How the effect of one key depends on the other, told by its two extremes."""
    if crossing.share < 0.01:
        return (
            f"No two axes act together: none of the pairs explains as much as 1{NBSP}% of the "
            "variance between configs beyond what each does alone."
        )
    rows, columns = crossing.values
    key, other = crossing.keys
    means = crossing.means
    if len(rows) > len(columns):  # the key with fewer values is the one that is changed
        changes = [(line[-1] or 0.0) - (line[0] or 0.0) for line in means]
        changed, ends, at, places = other, (columns[0], columns[-1]), key, rows
    else:
        changes = [(b or 0.0) - (a or 0.0) for a, b in zip(means[0], means[-1], strict=True)]
        changed, ends, at, places = key, (rows[0], rows[-1]), other, columns
    low, high = changes.index(min(changes)), changes.index(max(changes))
    first, last = (value_text(changed, end) for end in ends)
    share = f"{crossing.share * 100:.0f}{NBSP}%"
    return (
        f"The strongest interaction is that of {names[key]} and {names[other]}, with "
        f"{share} of the variance between configs: {names[changed]} from {first} to "
        f"{last} changes the {metric_words(score)} by {changes[low]:+.3f} at "
        f"{names[at]} {value_text(at, places[low])} and by {changes[high]:+.3f} at "
        f"{names[at]} {value_text(at, places[high])}."
    )


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


def _reached(stat: Stat) -> str:
    if stat.low is None or stat.high is None:
        return short_number(stat.mean)
    return (
        f"{short_number(stat.mean)} (95{NBSP}% interval {short_number(stat.low)} to "
        f"{short_number(stat.high)} over {stat.n} seeds)"
    )


def _alone(best: Config) -> str:
    return "; it is one run, so there is no interval" if len(best.runs) == 1 else ""


def _sureness(configs: Sequence[Config], score: str) -> str:
    """How many of the others cannot be told apart from the first."""
    others = configs[1:]
    if all(len(config.runs) == 1 for config in configs):
        return ", with one seed: there is no interval, and nothing can be told apart"
    if all(config.verdict == "undecided" for config in others):
        seeds = count(max(len(config.runs) for config in configs), "seed")
        needed = seeds_needed(len(configs))
        return f"; {seeds} are too few to tell {len(configs)} configs apart (it takes {needed})"
    alike = [config for config in others if config.verdict != "different"]
    if not alike:
        text = "; it can be told apart from " + (
            "the other config" if len(others) == 1 else f"all {len(others)} others"
        )
    elif len(others) == 1:
        text = "; the other config cannot be told apart from it"
    else:
        text = f"; {len(alike)} of the {len(others)} others cannot be told apart from it"
    better = [
        config for config in others if config.verdict == "different" and _above(config, score)
    ]
    if better:
        text += f", and {len(better)}, which validation did not choose, did better on this metric"
    return text


def _above(config: Config, score: str) -> bool:
    mean = config.gap.mean if config.gap else None
    return mean is not None and (mean < 0) == score.endswith("loss") and mean != 0


def _margin(stat: Stat, tested: int) -> float:
    """What the number of seeds and of sequences leaves open around a network's accuracy."""
    over_seeds = stat.high - stat.mean if stat.high is not None else 0.0
    if not tested:
        return max(over_seeds, 0.005)
    share = min(max(stat.mean, 0.0), 1.0)
    return max(over_seeds, 1.96 * (share * (1 - share) / tested) ** 0.5)  # normal approximation


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
