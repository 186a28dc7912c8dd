"""The findings of a report out of the folders of its runs."""

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from seqsweep.results import formatting
from seqsweep.results.datasets import tested_sequences
from seqsweep.results.leaderboard import Leaderboard, leaderboard, shares_time, tied_with_first
from seqsweep.results.naming import distinguishing_keys
from seqsweep.results.report import axes, details, freshness, sentences
from seqsweep.results.report.config_runs import config_runs
from seqsweep.results.report.findings import Config, Crossing, Gap, Holes, Report, Run, Stat
from seqsweep.results.report.rerun_commands import commands
from seqsweep.results.report.split_sizes import overlap_words, splits_of
from seqsweep.results.run_names import Name, names_of
from seqsweep.results.significance import Difference, deviation, mean_interval
from seqsweep.runs.ledger import Entry, read_folder
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
    made_from = freshness.made_from(folder, entries)  # first: what changes later makes it stale
    labels = _labels(entries, sweep)
    board = leaderboard(entries, sweep.configs.values() if sweep else ())
    score = board.compared
    shown = _shown_names(entries, sweep)
    configs = _configs(board, config_runs(board, entries, shown, folder), shown)
    factors = axes.factors(_scored(configs, score), score)
    keys = axes.independent_keys(board.keys, [config.keys for config in configs], factors)
    names = formatting.key_names(board.keys)
    configs = _in_words(configs, {key: names[key] for key in keys}, board)
    scored = _scored(configs, score)
    groups = [row.entries for row in board.rows]
    best = groups[0] if groups else []
    confusion, absent = details.confusion(best)
    baselines, notes = details.baselines(folder, [e for group in groups for e in group])
    states = dict(Counter(entry.state for entry in entries))
    waiting = len(set(sweep.configs) - set(labels)) if sweep else 0
    if scored[:1] == configs[:1] and configs:
        rivals = [b.shown for b in baselines if b.is_of(best[0])]
        tested = tested_sequences(best[0].record or {}, score)
        answer = sentences.answer(configs, board, rivals, tested)
    else:
        answer = sentences.no_answer(states, waiting)
    return Report(
        made_from=made_from,
        name=folder.resolve().name,
        written=time.strftime("%Y-%m-%d %H:%M:%S %z"),
        states=states,
        waiting=waiting,
        running=[labels[e.folder.run_id] for e in entries if e.state == "running"],
        left_out=board.left_out,
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
        holes=_holes(board),
        curves=details.curves(configs, groups) or details.unfinished_curves(entries, labels),
        confusion=confusion,
        confusion_absent=absent,
        failures=details.failures(entries, labels, folder),
        environment=details.environment(best[0] if best else entries[0]),
        commands=commands(sweep, entries, best[0] if best else entries[0], folder),
        splits=splits_of(best[0] if best else None),
        overlaps=overlap_words([entry for group in groups for entry in group]),
        tied=tied_with_first(board),
        shares_time=shares_time(board),
    )


def _labels(entries: Sequence[Entry], sweep: SweepFile | None) -> dict[str, str]:
    """What a person calls each run: the values of the keys in which it differs from others."""
    configs = {entry.folder.run_id: entry.config for entry in entries}
    everything = [*configs.values(), *(sweep.configs.values() if sweep else ())]
    keys = distinguishing_keys(everything)
    names = formatting.key_names(keys)
    return {
        run_id: formatting.run_label(config, names) or run_id for run_id, config in configs.items()
    }


def _shown_names(entries: Sequence[Entry], sweep: SweepFile | None) -> dict[str, Name]:
    """Returns the names of the runs in TensorBoard's view, by run_id."""
    configs = dict(sweep.configs) if sweep else {}
    return names_of(configs | {entry.folder.run_id: entry.config for entry in entries})


def _configs(
    board: Leaderboard, runs: Sequence[list[Run]], names: Mapping[str, Name]
) -> list[Config]:
    return [
        Config(
            rank=place + 1,
            name=names[row.entries[0].folder.run_id].config,
            words="",
            keys=row.config,
            runs=[entry.folder.run_id for entry in row.entries],
            metrics={name: _stat(list(values.values())) for name, values in row.samples.items()},
            scores=sorted(row.samples.get(board.compared, {}).items()),
            gap=_gap(row.difference) if row.difference and len(board.rows) > 1 else None,
            verdict=row.difference.verdict if row.difference else row.apart,
            lost=row.lost_words,
            data=row.data,
            all_runs=runs[place],
        )
        for place, row in enumerate(board.rows)
    ]


def _stat(sample: Sequence[float]) -> Stat:
    interval = mean_interval(sample)
    std = deviation(sample) if len(sample) > 1 else None
    return Stat(len(sample), math.fsum(sample) / len(sample), std, interval.low, interval.high)


def _gap(difference: Difference) -> Gap:
    interval = difference.interval
    return Gap(
        interval.n, interval.mean, interval.low, interval.high,
        difference.p, difference.adjusted, difference.t_adjusted,
    )  # fmt: skip


def _in_words(
    configs: Sequence[Config], names: Mapping[str, str], board: Leaderboard
) -> list[Config]:
    """The configs, each with the words that tell it apart, or with what its network is."""
    if names:
        words = [formatting.run_label(config.keys, names) for config in configs]
    else:
        network = formatting.key_names(_NETWORK)
        words = [formatting.known_settings(row.entries[0].config, network) for row in board.rows]
    return [
        replace(config, words=text or "This run")
        for config, text in zip(configs, words, strict=True)
    ]


def _scored(configs: Sequence[Config], score: str) -> list[Config]:
    return [config for config in configs if score in config.metrics]


def _crossing(configs: Sequence[Config], score: str, names: Mapping[str, str]) -> Crossing | None:
    found = axes.crossing(configs, score)
    return found and replace(found, words=sentences.crossing_words(found, names, score))


def _holes(board: Leaderboard) -> Holes | None:
    """What the grid of all values and seeds lacks among the complete runs."""
    names = formatting.key_names([*board.keys, "seed"])
    missing = [
        formatting.run_label(point, {key: names[key] for key in point})
        for point in board.grid.missing
    ]
    grid = board.grid
    if not board.rows or grid.there == grid.size:
        return None
    why = ", ".join(f"{number} {state}" for state, number in board.ended.items())
    return Holes(grid.size, grid.there, missing, why)
