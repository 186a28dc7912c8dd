"""The parts of a report that say what each run was: curves, confusion, failures, machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seqsweep.results import formatting
from seqsweep.results.naming import distinguishing_keys
from seqsweep.results.report import sentences
from seqsweep.results.report.curves import bands
from seqsweep.results.report.findings import Baseline, Config, Confusion, Curve, Failure
from seqsweep.results.report.rerun_commands import relative_folder
from seqsweep.runs.files import read_object
from seqsweep.runs.ledger import Entry, value_key
from seqsweep.runs.sealed import read_sealed_or_none

CURVES = ("train/loss", "val/loss", "train/acc", "val/acc")
MOST_CURVES = 8
"""The number of colours that a reader can distinguish."""

ENDED_EARLY = ("failed", "diverged", "interrupted", "incomplete", "damaged")
_MACHINE = ("device", "engine", "threads", "cpu", "cpu_count", "cpu_capability", "platform")
_REASONS = {
    "diverged": "the loss or a gradient became NaN or infinite",
    "interrupted": "told to stop",
    "incomplete": "killed: it left no word",
}


@dataclass(frozen=True)
class Rival:
    """A baseline with the data set that it was measured on."""

    shown: Baseline
    data: Mapping[str, Any]
    fingerprint: str | None

    def is_of(self, entry: Entry) -> bool:
        """Whether a run has the same data; the fingerprint is of all of them, before the split."""
        own = (entry.record or {}).get("data_fingerprint")
        if own and self.fingerprint and own != self.fingerprint:
            return False
        return all(entry.config.get(key) == value for key, value in self.data.items())


def baselines(folder: Path, entries: Sequence[Entry]) -> tuple[list[Rival], list[str]]:
    """Those of baselines.json, where the folder has one, and what it says of missing ones.

    Args:
        entries: without their data sets a baseline is left out.
    """
    content = read_sealed_or_none(folder / "baselines.json") or {}
    rivals = [
        Rival(
            Baseline(item["name"], "", item["metrics"], item.get("seconds")),
            item.get("data", {}),
            item.get("data_fingerprint"),
        )
        for item in content.get("baselines", [])
    ]
    known: list[Entry] = list({value_key(_data_of(entry)): entry for entry in entries}.values())
    rivals = [rival for rival in rivals if any(map(rival.is_of, known))]
    names = formatting.key_names(distinguishing_keys([rival.data for rival in rivals]))
    found = [
        replace(r, shown=replace(r.shown, data=formatting.known_settings(r.data, names)))
        for r in rivals
    ]
    where = str(folder.resolve())
    return found, [
        formatting.without_machine(str(note), where) for note in content.get("notes", [])
    ]


def _data_of(entry: Entry) -> list[Any]:
    own = {key: value for key, value in entry.config.items() if key.startswith("data.")}
    return [own, (entry.record or {}).get("data_fingerprint")]


def curves(configs: Sequence[Config], groups: Sequence[Sequence[Entry]]) -> list[Curve]:
    """Of the best configs that have left a metrics.csv."""
    found: list[Curve] = []
    for config, group in list(zip(configs, groups, strict=True))[:MOST_CURVES]:
        columns = bands([entry.folder.path for entry in group], CURVES)
        best = config.metrics.get("best_epoch")
        if columns:
            found.append(Curve(config.words, columns, best.mean if best else None))
    return found


def unfinished_curves(entries: Sequence[Entry], labels: Mapping[str, str]) -> list[Curve]:
    """How far runs have come that are not complete, those that are training first."""
    found: list[Curve] = []
    for entry in sorted(entries, key=lambda entry: entry.state != "running"):
        columns = bands([entry.folder.path], CURVES)
        if columns:
            found.append(Curve(labels[entry.folder.run_id], columns, None))
        if len(found) == MOST_CURVES:
            break
    return found


def confusion(group: Sequence[Entry]) -> tuple[Confusion | None, str | None]:
    """Of one config, summed over its seeds; or why there is none."""
    if not group:
        return None, None
    records = [entry.record or {} for entry in group]
    kept = [record for record in records if record.get("confusion") and record.get("classes")]
    if not kept:
        metrics = {name for record in records for name in record.get("metrics") or {}}
        if not any(name.startswith(("val/", "test/")) for name in metrics):
            return None, "There is neither a validation nor a test split to count on."
        if not any(name.startswith("test/") for name in metrics) and all(
            entry.config.get("diagnostics") is False for entry in group
        ):
            return None, (
                "No confusion matrix was recorded: there is no test split, and diagnostics=false "
                "leaves out that of validation."
            )
        return None, (
            "No confusion matrix was recorded: the runs are from before it was kept, or there "
            "are more than 50 classes."
        )
    split = "test" if "test" in kept[0]["confusion"] else next(iter(kept[0]["confusion"]))
    classes = [str(name) for name in kept[0]["classes"]]
    same = [r for r in kept if r["classes"] == kept[0]["classes"] and split in r["confusion"]]
    tables = [record["confusion"][split] for record in same]
    counts = [
        [sum(cells) for cells in zip(*rows, strict=True)] for rows in zip(*tables, strict=True)
    ]
    words = sentences.confusion_words(classes, counts)
    return Confusion(split, classes, counts, len(tables), words), None


def failures(entries: Sequence[Entry], labels: Mapping[str, str], folder: Path) -> list[Failure]:
    """The runs that ended early, those with the same error together."""
    where = str(folder.resolve())
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        if entry.state in ENDED_EARLY:
            error = entry.error or _REASONS.get(entry.state, "no error was written")
            groups.setdefault((entry.state, error), []).append(entry)
    ordered = sorted(groups.items(), key=lambda item: ENDED_EARLY.index(item[0][0]))
    return [
        Failure(
            state,
            formatting.without_machine(formatting.error_text(state, error), where),
            formatting.without_machine(_traceback(group[0]), where) or None,
            [(relative_folder(entry, folder), labels[entry.folder.run_id]) for entry in group],
        )
        for (state, error), group in ordered
    ]


def _traceback(entry: Entry) -> str:
    return (entry.folder.failure() or {}).get("traceback") or ""


def environment(entry: Entry) -> list[tuple[str, str]]:
    """Of one run: data, machine, versions, commit."""
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
