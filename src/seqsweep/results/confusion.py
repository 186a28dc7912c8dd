"""Sums the confusion matrices over the replicates of a config."""

from collections.abc import Sequence
from dataclasses import dataclass

from seqsweep.runs.ledger import Entry
from seqsweep.runs.metrics import knows_metrics
from seqsweep.text import NBSP, count


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix summed over the replicates; rows are the true classes."""

    split: str
    classes: list[str]
    counts: list[list[int]]
    seeds: int
    words: list[str]

    @property
    def sequences(self) -> int:
        """The mean number of sequences in a split, rounded down."""
        return self.total // self.seeds

    @property
    def total(self) -> int:
        """The number of classified sequences over all replicates."""
        return sum(map(sum, self.counts))


def _why_no_confusion(entry: Entry) -> str:
    """Returns why a run has no confusion matrix."""
    splits = {name.partition("/")[0] for name in entry.record.metrics}
    reason = "there are more than 50 classes"
    if not splits & {"val", "test"}:
        reason = "there is neither a validation nor a test split"
    elif "test" not in splits and not entry.config.get("diagnostics", True):
        reason = "there is no test split, and diagnostics=false"
    return f"No confusion matrix was recorded: {reason}."


def find_confusion(group: Sequence[Entry]) -> tuple[Confusion | None, str | None]:
    """Returns the confusion matrix over the runs of a config, or why it is missing."""
    records = [entry.record for entry in group]
    recorded = [record for record in records if record.confusion and record.classes]
    if not recorded:
        has_classes = group and knows_metrics(group[0].config)
        return None, _why_no_confusion(group[0]) if has_classes else None
    first = recorded[0]
    split = "test" if "test" in first.confusion else next(iter(first.confusion))
    # Only matrices of the same classes can be added.
    same = [record for record in recorded if record.classes == first.classes]
    matrices = [r.confusion[split] for r in same if split in r.confusion]
    # Add the matrices of the replicates cell by cell.
    counts = [list(map(sum, zip(*rows, strict=True))) for rows in zip(*matrices, strict=True)]
    classes = list(map(str, first.classes))
    words = confusion_words(classes, counts)
    return Confusion(split, classes, counts, len(matrices), words), None


def confusion_words(classes: Sequence[str], counts: Sequence[Sequence[int]]) -> list[str]:
    """Names the most frequent confusions, at most three, and the class of lowest recall."""
    pairs = [
        (number, true, predicted)
        for true, row in enumerate(counts)
        for predicted, number in enumerate(row)
        if number and true != predicted
    ]
    if not pairs:
        return ["No sequence is misclassified."]
    words = [
        f"“{classes[true]}” is classified as “{classes[predicted]}” {count(number, 'time')} "
        f"({number / sum(counts[true]) * 100:.1f}{NBSP}% of its {sum(counts[true]):,})."
        for number, true, predicted in sorted(pairs, key=lambda pair: -pair[0])[:3]
    ]
    # A class without a sequence has no recall.
    recall, worst = min((row[i] / sum(row), i) for i, row in enumerate(counts) if sum(row))
    return [*words, f"Lowest recall: “{classes[worst]}”, {recall * 100:.1f}{NBSP}%."]
