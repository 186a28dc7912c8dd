"""The findings of a report out of the folders of its runs."""

import json
import math
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from seqsweep.results import axes, details, wording
from seqsweep.results.findings import Config, Crossing, Gap, Holes, Report, Stat
from seqsweep.results.leaderboard import Leaderboard, leaderboard
from seqsweep.results.names import readable_names
from seqsweep.results.statistics import Difference, differences_to_best, holes, mean_interval
from seqsweep.runs.ledger import Entry, differing_keys, read_folder
from seqsweep.runs.sweepfile import SweepFile

_NETWORK = ("model.cell", "model.hidden_size", "model.num_layers", "model.bidirectional")
"""What a config is called by that differs from no other."""


def analyse(folder: Path) -> Report:
    """What the runs of a sweep's folder, or a run's own folder, say.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: no run in it.
    """
    entries = read_folder(folder)
    sweep = SweepFile.read(folder)
    labels = _labels(entries, sweep)
    board = leaderboard(entries)
    groups = _grouped(entries, board)
    score = _score(board, groups)
    configs = _configs(board, groups, score)
    factors = axes.factors(_scored(configs, score), score)
    keys = axes.telling_keys(board.keys, [config.keys for config in configs], factors)
    names = wording.key_names(board.keys)
    configs = _in_words(configs, {key: names[key] for key in keys}, groups)
    scored = _scored(configs, score)
    best = groups[0] if groups else []
    confusion, absent = details.confusion(best)
    baselines, notes = details.baselines(folder)
    states = dict(Counter(entry.state for entry in entries))
    waiting = len(set(sweep.configs) - set(labels)) if sweep else 0
    if scored[:1] == configs[:1] and configs:
        rivals = [b.shown for b in baselines if b.is_of(best[0])]
        tested = confusion.sequences if confusion and score.startswith(confusion.split) else 0
        answer = wording.answer(configs, board.monitor, score, rivals, tested)
    else:
        answer = wording.no_answer(states, waiting)
    return Report(
        name=folder.resolve().name,
        written=time.strftime("%Y-%m-%d %H:%M:%S %z"),
        states=states,
        waiting=waiting,
        running=[labels[e.folder.run_id] for e in entries if e.state == "running"],
        monitor=board.monitor,
        score=score,
        names=names,
        answer=answer,
        configs=configs,
        baselines=[baseline.shown for baseline in baselines],
        baseline_notes=notes,
        axis=axes.choose_axis(scored, factors, keys, names),
        factors=factors,
        crossing=_crossing(scored, score, names),
        holes=_holes(groups, keys),
        curves=details.curves(configs, groups) or details.unfinished_curves(entries, labels),
        confusion=confusion,
        confusion_absent=absent,
        failures=details.failures(entries, labels),
        environment=details.environment(best[0] if best else entries[0]),
        commands=details.commands(folder, sweep, best[0] if best else entries[0]),
    )


def _labels(entries: Sequence[Entry], sweep: SweepFile | None) -> dict[str, str]:
    """What a person calls each run: the values of the keys in which it differs from others."""
    configs = {entry.folder.run_id: entry.config for entry in entries}
    everything = [*configs.values(), *(sweep.configs.values() if sweep else ())]
    keys = differing_keys([dict(config) for config in everything])
    names = wording.key_names(keys)
    return {
        run_id: wording.settings(config, names, "=", " ") or run_id
        for run_id, config in configs.items()
    }


def _grouped(entries: Sequence[Entry], board: Leaderboard) -> list[list[Entry]]:
    """The complete runs of each row of the leaderboard, in its order, by seed."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.state == "complete":
            text = json.dumps([entry.config.get(key) for key in board.keys])
            groups.setdefault(text, []).append(entry)
    rows = [groups[json.dumps([row.config[key] for key in board.keys])] for row in board.rows]
    return [sorted(group, key=lambda entry: str(entry.config.get("seed"))) for group in rows]


def _score(board: Leaderboard, groups: Sequence[Sequence[Entry]]) -> str:
    """The metric to compare: of the test split where there is one, and of the monitored kind."""
    kind = board.monitor.rpartition("/")[2]
    kinds = ["acc", kind] if kind == "loss" else [kind, "acc", "loss"]
    there = {name for group in groups[:1] for name in _metrics(group[0])}
    wanted = [f"{split}/{name}" for split in ("test", "val", "train") for name in kinds]
    return next((name for name in wanted if name in there), board.monitor)


def _metrics(entry: Entry) -> dict[str, float]:
    record = entry.record or {}
    found = record.get("metrics", {}) | {
        name: record.get(name) for name in ("params", "train_seconds", "best_epoch")
    }
    return {name: float(value) for name, value in found.items() if value is not None}


def _configs(board: Leaderboard, groups: Sequence[Sequence[Entry]], score: str) -> list[Config]:
    samples = [_sample(group, score) for group in groups]
    differences = differences_to_best(samples, 0) if len(samples) > 1 else []
    short = readable_names({str(place): row.config for place, row in enumerate(board.rows)})
    return [
        Config(
            rank=place + 1,
            name=short[str(place)],
            words="",
            keys=row.config,
            runs=[entry.folder.run_id for entry in group],
            metrics=_stats(group),
            scores=sorted(samples[place].items()),
            gap=_gap(differences[place]) if differences else None,
            verdict=differences[place].verdict if differences else "best",
        )
        for place, (row, group) in enumerate(zip(board.rows, groups, strict=True))
    ]


def _sample(group: Sequence[Entry], score: str) -> dict[int, float]:
    """The score by seed; runs without one are told apart by their place."""
    found: dict[int, float] = {}
    for place, entry in enumerate(group):
        value, seed = _metrics(entry).get(score), entry.config.get("seed")
        if value is not None:
            found[seed if isinstance(seed, int) else place] = value
    return found


def _stats(group: Sequence[Entry]) -> dict[str, Stat]:
    samples: dict[str, list[float]] = {}
    for entry in group:
        for name, value in _metrics(entry).items():
            samples.setdefault(name, []).append(value)
    return {name: _stat(sample) for name, sample in samples.items()}


def _stat(sample: Sequence[float]) -> Stat:
    interval = mean_interval(sample)
    std = statistics.stdev(sample) if len(sample) > 1 else None
    return Stat(len(sample), math.fsum(sample) / len(sample), std, interval.low, interval.high)


def _gap(difference: Difference) -> Gap:
    interval = difference.interval
    return Gap(
        interval.n, interval.mean, interval.low, interval.high, difference.p, difference.adjusted
    )


def _in_words(
    configs: Sequence[Config], names: Mapping[str, str], groups: Sequence[Sequence[Entry]]
) -> list[Config]:
    """The configs, each with the words that tell it apart, or with what its network is."""
    network = wording.key_names(_NETWORK)
    return [
        replace(config, words=wording.settings(config.keys, names, " ", ", "))
        if names
        else replace(config, words=wording.known_settings(group[0].config, network) or "This run")
        for config, group in zip(configs, groups, strict=True)
    ]


def _scored(configs: Sequence[Config], score: str) -> list[Config]:
    return [config for config in configs if score in config.metrics]


def _crossing(configs: Sequence[Config], score: str, names: Mapping[str, str]) -> Crossing | None:
    found = axes.crossing(configs, score)
    return found and replace(found, words=wording.crossing_words(found, names, score))


def _holes(groups: Sequence[Sequence[Entry]], keys: Sequence[str]) -> Holes | None:
    """What the grid of all values and seeds lacks among the complete runs."""
    runs = [entry.config for group in groups for entry in group]
    if len(runs) < 2:
        return None
    grid = holes(runs, [*keys, "seed"])
    names = wording.key_names([*keys, "seed"])
    missing = [
        wording.settings(point, {k: names[k] for k in point}, " ", ", ") for point in grid.missing
    ]
    return Holes(grid.size, missing) if missing else None
