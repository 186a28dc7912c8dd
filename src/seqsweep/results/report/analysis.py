"""Builds the content of a report from the folders of its runs."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from seqsweep.results import formatting
from seqsweep.results.across_sets import across_sets
from seqsweep.results.datasets import tested_sequences
from seqsweep.results.effects import main_effects, strongest_interaction
from seqsweep.results.leaderboard import Leaderboard, leaderboard
from seqsweep.results.naming import label_keys
from seqsweep.results.replicates import varied_words
from seqsweep.results.report import axes, details, freshness, sentences
from seqsweep.results.report.config_runs import config_runs
from seqsweep.results.report.extra_sections import extra_sections
from seqsweep.results.report.findings import Answer, Baseline, Config, Report, Run
from seqsweep.results.report.rerun_commands import commands
from seqsweep.results.report.sets_section import answer_over_sets, overlap_words, splits_of
from seqsweep.results.run_names import Name, names_of
from seqsweep.results.verdicts import name_test
from seqsweep.runs.ledger import not_begun, read_folder
from seqsweep.runs.sweepfile import SweepFile

_NETWORK = ("model.cell", "model.hidden_size", "model.num_layers", "model.bidirectional")
"""The keys whose values name a config if no key distinguishes the configs."""


def analyse(folder: Path) -> Report:
    """Returns the report on the folder of a sweep or of a run.

    Raises:
        FileNotFoundError: The folder does not exist.
        ValueError: There is no run in it.
    """
    entries = read_folder(folder)
    sweep = SweepFile.read(folder)
    # The digest is taken before anything else is read, so that a later change makes the report
    # stale.
    made_from = freshness.made_from(folder, entries)
    planned: dict[str, Mapping[str, Any]] = dict(sweep.configs) if sweep else {}
    states = dict(Counter(entry.state for entry in entries))
    others = not_begun(planned, entries)
    begun = {entry.folder.run_id: entry.config for entry in entries}
    labels = _labels(begun, others)
    # Every run that has started has a label.
    waiting = len(planned.keys() - labels.keys())

    board = leaderboard(entries, others)
    counted = board.entries
    # The environment is that of a run that the numbers are computed from, if there is one.
    representative = (counted or entries)[0]

    # Planned runs are included, so a name does not change when more runs start.
    names = names_of(planned | begun)
    configs = _configs(board, config_runs(board, entries, names, folder), names)
    across = across_sets(entries, others)
    # An effect over several data sets would be a mean of scores of different test sets.
    compared = [] if across else [one for one in configs if board.compared in one.metrics]
    # Each config counts once, whatever its number of replicates, so that no config weighs more.
    settings = [config.keys for config in compared]
    means = [config.metrics[board.compared].mean for config in compared]
    effects = main_effects(settings, means)
    interaction = strongest_interaction(settings, means)
    key_names = formatting.key_names(board.keys)
    keys = axes.independent_keys(board.keys, [config.keys for config in configs], effects)
    # The words of a config contain only the keys that are needed to distinguish it.
    configs = _add_words(configs, {key: key_names[key] for key in keys}, board)

    baselines, notes = details.baselines(folder, counted)
    groups = [row.entries for row in board.rows]
    confusion, absent = details.confusion(groups[0] if groups else [])
    return Report(
        made_from=made_from,
        name=folder.resolve().name,
        written=time.strftime("%Y-%m-%d %H:%M:%S %z"),
        states=states,
        waiting=waiting,
        running=[labels[e.folder.run_id] for e in entries if e.state == "running"],
        left_out=board.left_out,
        monitor=board.monitor,
        score=board.compared,
        names=key_names,
        answer=(across and answer_over_sets(across))
        or _answer(configs, board, baselines)
        or sentences.no_answer(states, waiting),
        configs=configs,
        baselines=baselines,
        baseline_notes=notes,
        axis=axes.choose_axis(compared, effects, keys, key_names),
        effects=effects,
        interaction=interaction,
        interaction_words=sentences.interaction_words(interaction, key_names, board.compared),
        grid=board.grid,
        missing_states=board.missing_states,
        curves=details.curves(configs, groups) or details.unfinished_curves(entries, labels),
        confusion=confusion,
        confusion_absent=absent,
        failures=details.failures(entries, labels, folder),
        environment=details.environment(representative),
        commands=commands(sweep, entries, representative, folder),
        splits={} if across else splits_of(counted),
        overlaps=overlap_words(counted),
        tied=board.tied,
        extras=extra_sections(folder, entries),
        across=across,
        unit=board.variation.unit,
        varied=board.variation.words if board.variation.resampled else "",
        folds=board.variation.folds,
        test=name_test(board.variation),
    )


def _labels(
    configs: Mapping[str, Mapping[str, Any]], planned: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    """The label of each run: the values of the keys in which runs differ."""
    keys = formatting.key_names(label_keys([*configs.values(), *planned]))
    return {
        run_id: formatting.run_label(config, keys) or run_id for run_id, config in configs.items()
    }


def _configs(
    board: Leaderboard, runs: Sequence[list[Run]], names: Mapping[str, Name]
) -> list[Config]:
    """The rows of the leaderboard as plain values."""
    return [
        Config(
            rank=rank,
            name=names[row.entries[0].folder.run_id].config,
            words="",
            keys=row.config,
            runs=[entry.folder.run_id for entry in row.entries],
            metrics=row.metrics,
            scores=[
                (board.variation.label(replicate), value)
                for replicate, value in sorted(row.samples.get(board.compared, {}).items())
            ],
            difference=row.difference if len(board.rows) > 1 else None,
            apart=row.apart,
            lost=row.lost_words,
            data=row.data,
            varied=varied_words(board.variation.by_replicate(row.entries)),
            all_runs=all_runs,
        )
        for rank, (row, all_runs) in enumerate(zip(board.rows, runs, strict=True), start=1)
    ]


def _add_words(
    configs: Sequence[Config], names: Mapping[str, str], board: Leaderboard
) -> list[Config]:
    """Adds to each config the values that distinguish it, or else its network's settings."""
    if names:
        words = [formatting.run_label(config.keys, names) for config in configs]
    else:
        network = formatting.key_names(_NETWORK)
        words = [formatting.known_settings(row.entries[0].config, network) for row in board.rows]
    return [
        replace(config, words=text or "This run")
        for config, text in zip(configs, words, strict=True)
    ]


def _answer(
    configs: Sequence[Config], board: Leaderboard, baselines: Sequence[Baseline]
) -> Answer | None:
    """Returns the answer in sentences; None if the best config has no score."""
    if not configs or board.compared not in configs[0].metrics:
        return None
    best = board.rows[0].entries[0]
    # A baseline on another data set would make the networks look better or worse than they are.
    comparable = [baseline for baseline in baselines if baseline.has_data_of(best)]
    # The interval over splits contains the choice of the test sequences already.
    is_one_split = not board.variation.resampled
    tested = tested_sequences(best.record or {}, board.compared) if is_one_split else 0
    return sentences.answer(configs, board, comparable, tested)
