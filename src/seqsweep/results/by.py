"""Compares the values of a key, or two sweeps, by setting.

If only seeds vary and are too few for a test of all pairs of a key's values, the settings are the
samples instead, if they are enough. Sweeps are never compared in this way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from seqsweep.results.comparison import By, Matched, judge, match_rows
from seqsweep.results.data_sets import (
    DataSet,
    data_key,
    data_names,
    data_sets,
    group_by,
    recordings_key,
)
from seqsweep.results.formatting import KeyNames, config_label, key_names
from seqsweep.results.keys import DATA, distinguishing_keys, follows, text_columns
from seqsweep.results.leaderboard import Leaderboard, leaderboard
from seqsweep.results.measures import Measure
from seqsweep.results.replicates import Variation, newest, numbers, shared_metric, variation_of
from seqsweep.results.rows import Row, make_row
from seqsweep.runs.identity import REPLICATE_KEYS
from seqsweep.runs.ledger import Entry, differing_keys, not_begun, value_key
from seqsweep.runs.metrics import Metric
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.text import did_you_mean, nearest_or_all

MOST_VALUES = 12
"""The most values of a key that are compared in pairs; 12 values have 66 pairs."""

SWEEP = "sweep"
"""The key whose values are sweeps."""


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
        first = blocks[0]
        reason = f"{key}: {first.pairs[0].untested}" if first.pairs else first.notes[0]
        raise ValueError(reason + (f" ({first.data})" if len(blocks) > 1 else ""))
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
    names, variation = key_names(columns, one.configs), board.variation
    block = By(one.name, key, names[key], board.compared, variation.unit, variation.test)
    # What follows from the key cannot be equal for two of its values.
    followers = [other for other in keys if follows(columns[key], columns[other])]
    reason = _why_refused(key, board, columns, names)
    rows = {} if reason else _rows_by_value(key, board, [key, *followers], names)
    if len(rows) < 2:
        reason = reason or "fewer than two of its values have a score to compare"
        return replace(block, notes=[f"{key}: {reason}"])
    measure = Measure(board.compared, variation)
    pairs = [match_rows((a, b), rows[a], rows[b], measure) for a, b in combinations(rows, 2)]
    notes = [f"{names[other]} changes with {names[key]}" for other in followers]
    return judge(replace(block, notes=notes), pairs, may_use_settings=True)


def _rows_by_value(
    key: str, board: Leaderboard, without: Sequence[str], names: KeyNames
) -> dict[str, dict[str, Row]]:
    """Returns the scored rows by the value of the key, then by setting."""
    others = [other for other in board.keys if other not in without]
    values = {value_key(row.config.get(key)): row for row in board.rows}
    texts = {value: config_label(row.config, names, [key]) for value, row in values.items()}
    if len(set(texts.values())) < len(texts):  # as of 1 and "1"
        texts = {value: f"{text} ({value})" for value, text in texts.items()}
    rows: dict[str, dict[str, Row]] = {}
    for row in board.rows:
        if board.compared in row.samples and not row.is_chosen:
            setting = value_key([row.config[other] for other in others])
            rows.setdefault(texts[value_key(row.config.get(key))], {})[setting] = row
    return rows


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


class Sweeps(NamedTuple):
    """Two sweeps as values of the key `sweep`, compared by config.

    Args:
        fixed: The keys that differ between the sweeps but not within one.
        rows: The rows of each sweep by config; empty if the sweeps have no common metric.
        matched: The configs of both sweeps, the second sweep minus the first.
        blocks: The result on each data set.
    """

    fixed: Sequence[str]
    rows: Sequence[Mapping[str, Row]]
    matched: Matched
    blocks: Sequence[By]

    @property
    def reason(self) -> str:
        """The reason why there is no mean difference; empty if there is one."""
        if not any(self.rows):
            return "no metric is common to the complete runs"
        if not self.blocks:
            return "no config is in both"
        if len(self.blocks) > 1:
            return "scores of different data sets have no common scale"
        return "" if self.matched.means else self.matched.reason


def compare_sweeps(labels: tuple[str, str], runs: tuple[list[Entry], list[Entry]]) -> Sweeps:
    """Compares two sweeps by config, given their complete runs."""
    every = [*runs[0], *runs[1]]
    configs = [entry.config for entry in every]
    differing = differing_keys(configs)
    keys = distinguishing_keys(configs, keep_shared=True, differing=differing)
    columns, of_sweep = text_columns(keys, configs), [0] * len(runs[0]) + [1] * len(runs[1])
    # The configs are matched without these keys, because otherwise no config would match.
    fixed = [k for k in keys if k not in REPLICATE_KEYS and follows(of_sweep, columns[k])]
    metric = shared_metric(runs)
    scored = [[entry for entry in group if metric in numbers(entry)] for group in runs]
    rows: list[dict[str, Row]] = [{}, {}]
    variation = Variation()
    if all(scored):
        has_all = sum(map(len, scored)) == len(every)
        rows, variation = _rows_by_config(scored, fixed, metric, differing if has_all else None)
    matched = match_rows((labels[1], labels[0]), rows[1], rows[0], Measure(metric, variation))
    return Sweeps(fixed, rows, matched, _blocks_of_sweeps(matched, every, fixed))


def _rows_by_config(
    runs: Sequence[Sequence[Entry]],
    fixed: Sequence[str],
    metric: Metric,
    differing: Sequence[str] | None,
) -> tuple[list[dict[str, Row]], Variation]:
    """Returns each sweep's rows by config, and how the replicates differ."""
    every = [entry for group in runs for entry in group]
    keys = distinguishing_keys([entry.config for entry in every], differing=differing)
    keys = [key for key in keys if key not in REPLICATE_KEYS and key not in fixed]
    # Data that differ only between the sweeps do not distinguish the configs of one sweep.
    data = data_names(every) if any(map(data_names, runs)) else {}

    def setting(entry: Entry) -> str:
        values = [entry.config.get(key) for key in keys]
        return value_key([*values, data_key(entry)] if data else values)

    groups = [group_by(group, setting) for group in runs]
    variation = variation_of([group for of_sweep in groups for group in of_sweep.values()])
    rows = [
        {
            name: make_row(newest(group, variation), keys, data, {}, variation, metric)
            for name, group in of_sweep.items()
        }
        for of_sweep in groups
    ]
    return rows, variation


def _blocks_of_sweeps(matched: Matched, entries: Sequence[Entry], fixed: Sequence[str]) -> list[By]:
    """Returns the result on each data set that has a config of both sweeps."""
    # The first run of each data set is enough for the names of the data sets.
    runs = {content: of[0] for content, of in group_by(entries, recordings_key).items()}
    named = data_sets(list(runs.values()))
    names = {run.folder.path: one.name for one in named for run in one.entries}
    notes = [f"{name} changes with {SWEEP}" for name in key_names(fixed).values()]
    sets = group_by(matched.matches, lambda match: recordings_key(match.rows[1].entries[0]))
    blocks: list[By] = []
    for content, matches in sets.items():
        measure = matched.measure
        if len(sets) > 1:  # only some data sets may have several splits
            groups = [row.entries for match in matches for row in match.rows]
            measure = replace(measure, variation=variation_of(groups))
        data, variation = names.get(runs[content].folder.path, "data"), measure.variation
        block = By(data, SWEEP, SWEEP, measure.metric, variation.unit, variation.test, notes=notes)
        blocks.append(judge(block, [Matched(matched.values, matches, measure)]))
    return blocks
