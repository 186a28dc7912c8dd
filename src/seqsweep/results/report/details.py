"""The parts of a report on single runs: baselines, curves, confusion, failures, environment."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from seqsweep.results import formatting
from seqsweep.results.grouping import group_by
from seqsweep.results.naming import distinguishing_keys
from seqsweep.results.report import sentences
from seqsweep.results.report.curves import CURVES, bands
from seqsweep.results.report.findings import Baseline, Config, Confusion, Curve, Failure
from seqsweep.results.report.rerun_commands import relative_folder
from seqsweep.runs.files import read_object
from seqsweep.runs.identity import REPLICATE_KEYS
from seqsweep.runs.ledger import Entry, value_key
from seqsweep.runs.sealed import read_sealed_or_none

MOST_CURVES = 8
"""The number of colours that a reader can distinguish."""

ENDED_EARLY = ("failed", "diverged", "interrupted", "incomplete", "damaged")
_MACHINE = ("device", "engine", "threads", "cpu", "cpu_count", "cpu_capability", "platform")
_REASONS = {
    "diverged": "the loss or a gradient became NaN or infinite",
    "interrupted": "stopped by request",
    "incomplete": "killed without a message",
}


def baselines(folder: Path, entries: Sequence[Entry]) -> tuple[list[Baseline], list[str]]:
    """The baselines in the folder's baselines.json, and its notes.

    Args:
        entries: A baseline of data that none of these runs has is left out.
    """
    content = read_sealed_or_none(folder / "baselines.json") or {}
    items = [
        Baseline(
            item["name"],
            item["metrics"],
            item.get("seconds"),
            item.get("data", {}),
            item.get("data_fingerprint"),
        )
        for item in content.get("baselines", [])
    ]
    # One run per data set is enough.
    known: list[Entry] = list({value_key(_data_of(entry)): entry for entry in entries}.values())
    items = _mean_over_splits([item for item in items if any(map(item.has_data_of, known))])
    names = formatting.key_names(distinguishing_keys([item.data for item in items]))
    root = str(folder.resolve())
    return (
        [replace(item, label=formatting.known_settings(item.data, names)) for item in items],
        [formatting.without_machine(str(note), root) for note in content.get("notes", [])],
    )


def _mean_over_splits(items: Sequence[Baseline]) -> list[Baseline]:
    """Averages each baseline over the splits of one data set."""

    def point(item: Baseline) -> tuple[str, str]:
        data = {key: value for key, value in item.data.items() if key not in REPLICATE_KEYS}
        return item.name, value_key([data, item.fingerprint])

    return [_mean(group) for group in group_by(items, point).values()]


def _mean(items: Sequence[Baseline]) -> Baseline:
    """Returns the mean of a baseline over its splits."""
    if len(items) == 1:
        return items[0]
    names = [name for name in items[0].metrics if all(name in item.metrics for item in items)]
    metrics = {n: math.fsum(item.metrics[n] for item in items) / len(items) for n in names}
    seconds = [item.seconds for item in items if item.seconds is not None]
    data = {key: value for key, value in items[0].data.items() if key not in REPLICATE_KEYS}
    mean = math.fsum(seconds) / len(seconds) if seconds else None
    return replace(items[0], metrics=metrics, seconds=mean, data=data)


def _data_of(entry: Entry) -> list[Any]:
    """The keys of a run's data and its fingerprint."""
    keys = {key: value for key, value in entry.config.items() if key.startswith("data.")}
    return [keys, (entry.record or {}).get("data_fingerprint")]


def curves(configs: Sequence[Config], groups: Sequence[Sequence[Entry]]) -> list[Curve]:
    """The learning curves of the best configs that have a metrics.csv."""
    result: list[Curve] = []
    for config, group in zip(configs[:MOST_CURVES], groups, strict=False):
        columns = bands([entry.folder.path for entry in group], CURVES)
        best = config.metrics.get("best_epoch")
        if columns:
            result.append(Curve(config.words, columns, best.mean if best else None))
    return result


def unfinished_curves(entries: Sequence[Entry], labels: Mapping[str, str]) -> list[Curve]:
    """The learning curves of runs that are not complete, runs in training first."""
    result: list[Curve] = []
    for entry in sorted(entries, key=lambda entry: entry.state != "running"):
        columns = bands([entry.folder.path], CURVES)
        if columns:
            result.append(Curve(labels[entry.folder.run_id], columns, None))
        if len(result) == MOST_CURVES:
            break
    return result


def confusion(group: Sequence[Entry]) -> tuple[Confusion | None, str | None]:
    """The confusion matrix of one config, or why there is none.

    It is summed over the replicates.
    """
    records = [entry.record or {} for entry in group]
    recorded = [record for record in records if record.get("confusion") and record.get("classes")]
    if not recorded:
        return None, _why_no_confusion(group) if group else None
    first = recorded[0]
    split = "test" if "test" in first["confusion"] else next(iter(first["confusion"]))
    # Matrices of other classes cannot be added.
    same = [record for record in recorded if record["classes"] == first["classes"]]
    matrices = [r["confusion"][split] for r in same if split in r["confusion"]]
    # Add the matrices of the replicates cell by cell.
    counts = [list(map(sum, zip(*rows, strict=True))) for rows in zip(*matrices, strict=True)]
    classes = list(map(str, first["classes"]))
    words = sentences.confusion_words(classes, counts)
    return Confusion(split, classes, counts, len(matrices), words), None


def _why_no_confusion(group: Sequence[Entry]) -> str:
    metrics = {name for entry in group for name in (entry.record or {}).get("metrics") or {}}
    splits = {name.partition("/")[0] for name in metrics}
    if not splits & {"val", "test"}:
        return "There is no confusion matrix: there is neither a validation nor a test split."
    is_off = all(entry.config.get("diagnostics") is False for entry in group)
    if "test" not in splits and is_off:
        return (
            "No confusion matrix was recorded: there is no test split, and diagnostics=false "
            "turns off that of validation."
        )
    return (
        "No confusion matrix was recorded: the runs were trained before it was kept, or there are "
        "more than 50 classes."
    )


def failures(entries: Sequence[Entry], labels: Mapping[str, str], folder: Path) -> list[Failure]:
    """The runs that ended early, grouped by their error."""
    root = str(folder.resolve())
    ended = [entry for entry in entries if entry.state in ENDED_EARLY]
    unsaid = "no error was written"
    groups = group_by(ended, lambda e: (e.state, e.error or _REASONS.get(e.state, unsaid)))
    # Failures come before runs that were only interrupted.
    ordered = sorted(groups.items(), key=lambda item: ENDED_EARLY.index(item[0][0]))
    return [
        Failure(
            state,
            formatting.without_machine(formatting.error_text(state, error), root),
            formatting.without_machine(_traceback(group[0]), root) or None,
            [(relative_folder(entry, folder), labels[entry.folder.run_id]) for entry in group],
        )
        for (state, error), group in ordered
    ]


def _traceback(entry: Entry) -> str:
    return (entry.folder.failure() or {}).get("traceback") or ""


def environment(entry: Entry) -> list[tuple[str, str]]:
    """The data, machine, versions and commit of one run."""
    # The file may be missing or damaged.
    origin: dict[str, Any] = read_object(entry.folder.path / "provenance.json")
    record = entry.record or {}
    source = entry.config.get("data.source._target_")
    lines = [
        ("data", formatting.value_text("data.source._target_", source) if source else None),
        ("training sequences", record.get("num_train")),
        ("data fingerprint", (origin.get("data_fingerprint") or "")[:16] or None),
        *((name.replace("_", " "), origin.get(name)) for name in _MACHINE),
        ("python", origin.get("python")),
        *((origin.get("packages") or {}).items()),
        ("commit", origin.get("git_commit")),
        ("uncommitted changes", (origin.get("git_diff") or "")[:16] or None),
        ("started", origin.get("started")),
    ]
    return [(name, str(value)) for name, value in lines if value is not None]
