"""The section on the confusion matrix."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seqsweep.results.formatting import NBSP, count, cut
from seqsweep.results.report.findings import TEMPLATES, Facts, Section
from seqsweep.results.report.plot_parts import GROUND, SHADES, Figure, ink_on, label, layout
from seqsweep.runs.ledger import Entry

_MOST_NUMBERED = 20
"""The number of classes up to which cells have their counts and axes their names."""

_LONGEST_CLASS = 18


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
        """The number of sequences in the split."""
        return self.total // self.seeds

    @property
    def total(self) -> int:
        """The number of classified sequences, those of all replicates."""
        return sum(map(sum, self.counts))


def confusion_section(facts: Facts) -> Section:
    """The confusion matrix of the best config."""
    confusion, absent = find_confusion(facts.board.rows[0].entries if facts.board.rows else [])
    return Section(
        "confusion",
        "Confusion",
        TEMPLATES / "confusion.html.j2",
        {"confusion": confusion, "confusion_absent": absent},
        {"confusion": confusion_figure(confusion)} if confusion else {},
        {"confusion_width": confusion and confusion_width(confusion)},
        is_shown=bool(facts.configs),
    )


def find_confusion(group: Sequence[Entry]) -> tuple[Confusion | None, str | None]:
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
    words = confusion_words(classes, counts)
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


def confusion_words(classes: Sequence[str], counts: Sequence[Sequence[int]]) -> list[str]:
    """The three most frequent confusions, and the class with the lowest recall."""
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


def confusion_figure(confusion: Confusion) -> Figure:
    """The counts of a confusion matrix, shaded by their share of the row."""
    size = len(confusion.classes)
    shares = [[n / (sum(row) or 1) for n in row] for row in confusion.counts]
    names = [label(name) for name in short_classes(confusion)]
    hover = [
        [
            f"{names[t]} classified as {names[p]}<br>{count(n, 'time')}, "
            f"{shares[t][p]:.1%} of its row"
            for p, n in enumerate(row)
        ]
        for t, row in enumerate(confusion.counts)
    ]
    room = 6 * max(map(len, short_classes(confusion)))  # long names are vertical
    indices = range(size)
    # The basic bundle of plotly has no heatmap, so the cells are bars of height 1.
    trace = {
        "type": "bar", "width": 1, "textposition": "none",
        "x": [p for _ in indices for p in indices],
        "y": [1] * size**2, "base": [t - 0.5 for t in indices for _ in indices],
        "marker": {
            "color": [SHADES[round(100 * share)] for row in shares for share in row],
            "line": {"color": GROUND, "width": 1},
        },
        "hovertext": [text for row in hover for text in row], "hoverinfo": "text",
    }  # fmt: skip
    shape = layout("predicted class", "true class", min(760, max(300, 110 + 30 * size)) + room)
    marks = {"tickvals": list(indices), "ticktext": names, "showgrid": False, "ticks": ""}
    shape["xaxis"] |= marks | {"range": [-0.5, size - 0.5]}
    shape["yaxis"] |= marks | {"range": [size - 0.5, -0.5]}
    if size > _MOST_NUMBERED:
        shape["xaxis"]["showticklabels"] = shape["yaxis"]["showticklabels"] = False
    numbered = [_numbers(confusion, shares)] if size <= _MOST_NUMBERED else []
    return {"data": [trace, *numbered], "layout": shape}


def _numbers(confusion: Confusion, shares: Sequence[Sequence[float]]) -> dict[str, Any]:
    """The counts, each in a colour that is readable on its shade."""
    cells = [(t, p, n) for t, row in enumerate(confusion.counts) for p, n in enumerate(row) if n]
    return {
        "type": "scatter", "mode": "text", "hoverinfo": "skip",
        "x": [p for _, p, _ in cells], "y": [t for t, _, _ in cells],
        "text": [f"{n}" for _, _, n in cells],
        "textfont": {"color": [ink_on(shares[t][p]) for t, p, _ in cells]},
    }  # fmt: skip


def short_classes(confusion: Confusion) -> list[str]:
    """The names of the classes, cut to the room on an axis."""
    return [cut(name, _LONGEST_CLASS) for name in confusion.classes]


def confusion_width(confusion: Confusion) -> int:
    """The largest useful width in pixels; beyond it the cells would only become flat."""
    longest = max(map(len, short_classes(confusion)))
    return 130 + 8 * longest + max(62, 5 * longest) * len(confusion.classes)
