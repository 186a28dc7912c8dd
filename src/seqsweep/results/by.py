"""Compares the values of one key in pairs, all else equal.

A setting is a combination of values of the other keys. Two values are compared over the settings
that both have, on equal sequences. As in `results.comparison`, the independent samples are the
replicates: the difference of a replicate is its mean over the settings. If only seeds vary and are
too few for a test of all pairs, the settings are the samples instead, if they are enough.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from seqsweep.results.columns import estimate_text
from seqsweep.results.comparison import common_means, match_rows, why_no_mean
from seqsweep.results.data_sets import DataSet, data_sets
from seqsweep.results.formatting import KeyNames, config_label, key_names, probability
from seqsweep.results.keys import DATA, follows, text_columns
from seqsweep.results.leaderboard import Leaderboard, leaderboard
from seqsweep.results.measures import Measure
from seqsweep.results.power import replicates_override
from seqsweep.results.replicates import Replicate, varied_words
from seqsweep.results.rows import Row
from seqsweep.results.significance import Estimate, holm, is_significant, mean_of, seeds_needed
from seqsweep.runs.identity import REPLICATE_KEYS
from seqsweep.runs.ledger import Entry, not_begun, value_key
from seqsweep.runs.metrics import Metric
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.text import count, did_you_mean, nearest_or_all

MOST_VALUES = 12
"""The most values of a key that are compared in pairs; 12 values have 66 pairs."""

Samples = Mapping[Replicate, float]
"""The independent differences of two values. A setting in place of a seed has its number."""


@dataclass(frozen=True)
class Pair:
    """Two values of a key, compared over their common settings.

    Args:
        values: Both values as in the sentence; the one with the better mean comes first.
        difference: The score of the first value minus the score of the second; None if `untested`
            says why nothing is compared.
        p: The two-sided p; None if `untested` says why there is no test.
        adjusted: p after Holm's correction for all pairs of values.
        settings: The number of compared settings.
        replicates: The number of seeds or splits that the settings share; if the settings are the
            samples, the number that any of them has.
        better: The number of settings in which the first value is better.
    """

    values: tuple[str, str]
    verdict: Literal["different", "indistinguishable", "undecided"]
    difference: Estimate | None = None
    p: float | None = None
    adjusted: float | None = None
    settings: int = 0
    replicates: int = 0
    better: int = 0
    equal: int = 0
    worse: int = 0
    untested: str = ""
    sentence: str = ""


@dataclass(frozen=True)
class By:
    """The values of a key on one data set, compared in pairs.

    Args:
        data: The name of the data set.
        name: The short name of the key.
        unit: The independent samples: `seed`, `replicate` or `setting`.
        test: The name of the test and its correction.
        notes: Why nothing is compared on this data set, or which keys change with this key.
    """

    data: str
    key: str
    name: str
    score: Metric
    unit: str
    test: str
    pairs: Sequence[Pair] = ()
    notes: Sequence[str] = field(default_factory=list[str])

    @property
    def cells(self) -> list[list[str]]:
        """The table of the pairs as texts; its head comes first."""
        unit = "replicates" if self.unit == "replicate" else "seeds"
        head = [self.name, "minus", self.score, "p, adjusted", "settings", unit]
        rows = [
            [
                *(value.removeprefix(f"{self.name}=") for value in pair.values),
                estimate_text(pair.difference, "+") if pair.difference else "",
                "" if pair.adjusted is None else probability(pair.adjusted),
                *map(str, (pair.settings, pair.replicates)),
                f"{pair.better}/{pair.equal}/{pair.worse}",
            ]
            for pair in self.pairs
        ]
        return [[*head, "better/equal/worse"], *rows]


def compare_values(entries: Sequence[Entry], key: str, folder: Path | None = None) -> list[By]:
    """Compares the values of a key on each data set that has a complete run.

    Args:
        key: The whole name of a key, or the short name that tables show.
        folder: The folder of the runs, whose planned runs name the data sets and keys, too.

    Raises:
        ValueError: No run has the key, or no two of its values can be compared.
    """
    sweep = SweepFile.read(folder) if folder else None
    planned = not_begun(sweep.configs, entries) if sweep else []
    sets = [one for one in data_sets(entries, planned) if one.complete]
    if not sets:
        raise ValueError(f"{key}: its values are compared over complete runs, and there are none")
    boards = [leaderboard(one.entries, one.planned) for one in sets]
    key = _find_key(key, boards, sets)
    blocks = [_compare_on(one, board, key) for one, board in zip(sets, boards, strict=True)]
    if not any(pair.difference for block in blocks for pair in block.pairs):
        reasons = [*blocks[0].notes[:1], *(pair.untested for pair in blocks[0].pairs)]
        where = f" ({blocks[0].data})" if len(blocks) > 1 else ""
        raise ValueError(f"{key}: {reasons[0]}{where}")
    return blocks


def _find_key(text: str, boards: Sequence[Leaderboard], sets: Sequence[DataSet]) -> str:
    """Returns the whole name of a key from a name that tables show."""
    known = dict.fromkeys(key for one in sets for config in one.configs for key in config)
    shown = {name: key for board in boards for key, name in key_names(board.keys).items()}
    names = {name: key for key, name in key_names(known).items()} | shown
    if text in known or text in names:
        return text if text in known else names[text]
    hint = did_you_mean(text, [*names, *known]) or nearest_or_all(text, shown)
    raise ValueError(f"{text}: no run has this key{hint}")


def _compare_on(one: DataSet, board: Leaderboard, key: str) -> By:
    """Compares the values of a key in pairs on one data set."""
    # The fingerprint of the data may be a key of the board, but no config has it.
    keys = [other for other in board.keys if other not in (key, DATA)]
    columns = text_columns([key, *keys], one.configs)
    names = key_names(columns, one.configs)
    test = board.variation.test
    block = By(one.name, key, names[key], board.compared, board.variation.unit, test)
    if reason := _why_refused(key, board, columns, names):
        return replace(block, notes=[reason])
    # What follows from the key cannot be equal for two of its values.
    followers = [other for other in keys if follows(columns[key], columns[other])]
    others = [other for other in board.keys if other not in (key, *followers)]
    texts = {
        value_key(row.config.get(key)): config_label(row.config, names, [key]) for row in board.rows
    }
    if len(set(texts.values())) < len(texts):  # as of 1 and "1"
        texts = {value: f"{text} ({value})" for value, text in texts.items()}
    rows: dict[str, dict[str, Row]] = {}
    for row in board.rows:
        if board.compared in row.samples and not row.is_chosen:
            setting = value_key([row.config[other] for other in others])
            rows.setdefault(texts[value_key(row.config.get(key))], {})[setting] = row
    if len(rows) < 2:
        return replace(block, notes=["fewer than two of its values have a score to compare"])
    measure = Measure(board.compared, board.variation)
    pairs = [_match(values, rows, measure) for values in itertools.combinations(rows, 2)]
    is_over_settings, tested = _test(pairs, measure)
    if is_over_settings:
        block = replace(block, unit="setting", test=test.replace(",", " over settings,"))
    notes = [f"{names[other]} changes with {names[key]}" for other in followers]
    return replace(block, pairs=tested, notes=notes)


def _why_refused(
    key: str, board: Leaderboard, columns: Mapping[str, Sequence[str]], names: KeyNames
) -> str:
    """Says why the values of a key cannot be compared; empty if they can."""
    if not board.monitor:
        return "no metric has a known direction: give monitor and monitor_mode"
    # A search chose its trials by scores that are partly luck.
    if all(row.is_chosen for row in board.rows):
        return "no config of the search has fresh seeds"
    if key in REPLICATE_KEYS:
        return "its values are replicates of a config, not settings"
    if (number := len(set(columns[key]))) == 1:
        return "has only one value"
    for other, column in columns.items():
        if other != key and follows(column, columns[key]):
            return f"changes only together with {names[other]}"
    if key not in board.keys:
        return "does not distinguish configs"
    if number > MOST_VALUES:
        return f"has {number} values; expected at most {MOST_VALUES}, compared in pairs"
    return ""


@dataclass(frozen=True)
class _Matched:
    """The differences of two values, first minus second, by setting and by replicate.

    Args:
        means: The mean difference over the settings for each common replicate.
        reason: Why there is no difference.
    """

    values: tuple[str, str]
    differences: Sequence[Samples]
    means: Samples
    reason: str

    @property
    def by_setting(self) -> Samples:
        """The mean difference of each setting; its number takes the place of a seed."""
        means = (mean_of(differences.values()) for differences in self.differences)
        return {Replicate(seed=index): mean for index, mean in enumerate(means)}


def _match(
    values: tuple[str, str], rows: Mapping[str, Mapping[str, Row]], measure: Measure
) -> _Matched:
    """Matches two values over their common settings."""
    first, second = (rows[value] for value in values)
    matches = [match_rows(second[key], first[key], measure) for key in first if key in second]
    differences = [match.differences for match in matches if match.differences]
    reason = "no setting has both values"
    if matches:
        reason = why_no_mean(matches, has_several_sets=False, unit=measure.variation.unit)
    return _Matched(values, differences, common_means(matches), reason)


def _test(pairs: Sequence[_Matched], measure: Measure) -> tuple[bool, list[Pair]]:
    """Tests all pairs over replicates or over settings, and says whether over settings."""
    resampled, needed = measure.variation.resampled, seeds_needed(len(pairs) + 1)
    compared = [pair for pair in pairs if pair.differences]
    # Only counts decide, and one unit holds for all pairs.
    seeds = min((len(pair.means) for pair in compared), default=needed)
    settings = min((len(pair.differences) for pair in compared), default=0)
    is_over_settings = not resampled and seeds < needed <= settings
    samples = [pair.by_setting if is_over_settings else pair.means for pair in pairs]
    reasons: list[str] = []
    for pair, of in zip(pairs, samples, strict=True):
        reason = "" if of else pair.reason
        if of and resampled:
            reason = measure.why_untested(of)
        elif of and len(of) < needed:
            reason = f"{needed} seeds would make a test: {replicates_override(len(pairs) + 1)}"
        reasons.append(reason)
    p_values = [1.0 if why else measure.p(of) for of, why in zip(samples, reasons, strict=True)]
    each = zip(pairs, samples, reasons, p_values, holm(p_values), strict=True)
    return is_over_settings, [_judge(*one, measure, is_over_settings) for one in each]


def _judge(
    matched: _Matched,
    samples: Samples,
    untested: str,
    p: float,
    adjusted: float,
    measure: Measure,
    is_over_settings: bool,
) -> Pair:
    """Returns the result of two values, the better one first."""
    first, second = matched.values
    if not samples:
        sentence = f"{first} and {second} are not compared: {untested}."
        return Pair(matched.values, "undecided", untested=untested, sentence=sentence)
    gain = -1 if measure.metric.lower_is_better else 1
    sign = 1
    if gain * measure.difference(samples).mean < 0:
        sign, first, second = -1, second, first
    # As in the mean, a setting counts with the common replicates if these are the samples.
    settings = [
        {key: value for key, value in of.items() if is_over_settings or key in samples}
        for of in matched.differences
    ]
    gains = [sign * gain * measure.difference(of).mean for of in settings]
    verdict = "different" if is_significant(adjusted) else "indistinguishable"
    pair = Pair(
        (first, second),
        "undecided" if untested else verdict,
        measure.difference({key: sign * value or 0.0 for key, value in samples.items()}),
        p=None if untested else p,
        adjusted=None if untested else adjusted,
        settings=len(settings),
        replicates=len(set().union(*settings)),
        better=sum(value > 0 for value in gains),
        equal=sum(value == 0 for value in gains),
        worse=sum(value < 0 for value in gains),
        untested=untested,
    )
    runs = count(pair.replicates, measure.variation.unit)
    runs += f" ({varied_words(samples)})" if measure.variation.resampled else ""
    return replace(pair, sentence=_sentence(pair, measure.metric, runs, is_over_settings))


def _sentence(pair: Pair, metric: Metric, runs: str, is_over_settings: bool) -> str:
    """Says which value is better, by how much, and how certain that is."""
    assert pair.difference is not None
    relation = {
        # The signed-rank test may find a difference whose mean is 0.
        "different": "is better than" if pair.difference.mean else "is different from",
        "indistinguishable": "is statistically indistinguishable from",
        "undecided": "-",
    }[pair.verdict]
    p = "" if pair.adjusted is None else f", p {probability(pair.adjusted)}"
    assumption = (
        "tested over settings, because there are too few seeds: "
        "this assumes that settings do not share the luck of a seed"
    )
    parts = [
        f"{pair.values[0]} {relation} {pair.values[1]}: {metric} "
        f"{estimate_text(pair.difference, '+')}{p}, mean of {count(pair.settings, 'setting')}, "
        f"{runs}",
        f"better in {pair.better}, equal in {pair.equal}, worse in {pair.worse}",
        assumption if is_over_settings else pair.untested,
    ]
    return f"{'; '.join(filter(None, parts))}."
