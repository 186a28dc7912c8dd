"""Decides the columns of a leaderboard, for all views of it.

A view only lays columns out. It leaves out the kinds that it shows in another way, and may spread
an estimate: a mean beside its deviation, or an interval in a column of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from seqsweep.results.formatting import estimate_text, key_names, with_deviation
from seqsweep.results.leaderboard import TIE_BREAKER, Leaderboard
from seqsweep.results.rows import Row
from seqsweep.results.significance import Estimate
from seqsweep.results.words import CHOSEN, Signs, is_marked, probability
from seqsweep.runs.metrics import OURS, Metric, as_metric, is_evaluated, own_metrics
from seqsweep.text import cost

_ALWAYS = ("val/acc", "test/acc", "test/f1")

_COSTS = {
    "best_epoch": ("epoch", "best epoch"),
    "params": ("params", "parameters"),
    "train_seconds": ("seconds", "seconds"),
}
"""The costs, with their heading and their words."""

_VERDICTS = {"best": "best", "indistinguishable": "≈ best", "different": "differs"}


class Cell(NamedTuple):
    """A cell of a leaderboard.

    Args:
        value: What the text says, for sorting and for programs.
        note: What explains the text, for readers who ask.
    """

    value: Estimate | float | str | None
    text: str
    note: str = ""
    weight: Literal["", "bold", "dim"] = ""


@dataclass(frozen=True)
class Column:
    """A column of a leaderboard.

    Args:
        key: Its name for programs: a key of the configs, a metric, or a word such as `rank`.
        head: Its heading in a table of plain text.
        words: Its heading on a page.
        cell: Returns the cell of a row.
        descends: Whether readers want the largest value first.
    """

    key: str
    head: str
    words: str
    kind: Literal[
        "rank", "mark", "key", "count", "lost", "score", "metric", "difference", "p", "verdict",
        "cost",
    ]  # fmt: skip
    cell: Callable[[Row], Cell]
    note: str = ""
    descends: bool = False


def _shown_metrics(board: Leaderboard, every: bool) -> list[Metric]:
    """Returns the metrics that rank and compare, and the usual or all others."""
    recorded = dict.fromkeys(name for row in board.rows for name in row.metrics)
    own = own_metrics(recorded)
    shown = {*_ALWAYS, *needed_metrics(board), *filter(is_evaluated, recorded if every else own)}
    names = [n for n in dict.fromkeys((*OURS, *own)) if n in recorded and n in shown]
    return [as_metric(name) for name in names]


def needed_metrics(board: Leaderboard) -> list[Metric]:
    """Returns the metrics that rank and compare, and the tie-breaker if the first rows tie."""
    return [board.monitor, board.compared, *([TIE_BREAKER] if board.tied > 1 else [])]


def board_columns(
    board: Leaderboard, signs: Signs | None = None, every: bool = False
) -> list[Column]:
    """Returns the columns in their order: names, replicates, metrics, the comparison, costs.

    Args:
        every: Whether to return columns without content, too, and all metrics of val and test.
    """
    signs, unit, score = signs or Signs(), board.variation.unit, board.compared
    mark, count, lost = signs.mark, f"{unit}s", f"{unit}s lost"
    note = f"{unit}s of the config that diverged or failed; the numbers are those of the others"
    columns = [
        Column("rank", "#", "#", "rank", _rank),
        Column("mark", mark, mark, "mark", lambda row: Cell(None, mark * is_marked(row))),
        *_key_columns(board),
        Column("n", count, count, "count", lambda row: Cell(row.n or None, f"{row.n or ''}")),
        Column("lost", lost, lost, "lost", lambda row: Cell(row.lost_words, row.lost_words), note),
    ]
    for name in _shown_metrics(board, every):
        columns.append(_metric_column(name, "score" if name == score else "metric", signs))
    up, minus = not score.lower_is_better, f"{score} - best"
    columns += [
        Column("difference", minus, "minus the best", "difference", _difference, descends=up),
        Column("adjusted", "adjusted p", "p, adjusted", "p", _p),
        Column("verdict", "verdict", "verdict", "verdict", lambda row: _verdict(row, unit)),
    ]
    for name, (head, words) in _COSTS.items():
        columns.append(Column(name, head, words, "cost", _cost_of(name)))
    return columns if every else [one for one in columns if _has_content(one, board)]


def _has_content(column: Column, board: Leaderboard) -> bool:
    """Returns whether a column says something of this leaderboard."""
    rows = board.rows
    match column.kind:
        case "mark":
            return any(map(is_marked, rows))
        case "count":
            return board.has_replicates
        case "lost":
            return any(row.lost for row in rows)
        case "difference":
            return len(rows) > 1
        case "p" | "verdict":
            return any(row.verdict in ("different", "indistinguishable") for row in rows)
        case _:
            return True


def _rank(row: Row) -> Cell:
    return Cell(row.rank or None, f"{row.rank or ''}{CHOSEN if row.is_chosen else ''}")


def _key_columns(board: Leaderboard) -> list[Column]:
    names = key_names(board.keys, (row.config for row in board.rows))

    def of(key: str) -> Callable[[Row], Cell]:
        def cell(row: Row) -> Cell:
            value = row.config.get(key)
            return Cell(value, names.text(key, value) if row.entries else "")

        return cell

    return [Column(key, name, name, "key", of(key), note=key) for key, name in names.items()]


def _metric_column(name: Metric, kind: Literal["score", "metric"], signs: Signs) -> Column:
    def cell(row: Row) -> Cell:
        value = row.metrics.get(name)
        return Cell(value, with_deviation(value, signs.deviation))

    return Column(name, name, name.words, kind, cell, descends=not name.lower_is_better)


def _difference(row: Row) -> Cell:
    value = row.difference.interval if row.difference and row.rank > 1 else None
    if value is None:
        return Cell(None, "")
    shared = f"{value.n} shared" if value.low is not None and value.n < row.n else ""
    return Cell(value, estimate_text(value, "+"), shared, "bold" if row.differs_by_t else "")


def _p(row: Row) -> Cell:
    p = row.difference.adjusted if row.difference else None
    return Cell(p, "" if p is None else probability(p))


def _verdict(row: Row, unit: str) -> Cell:
    """Returns the verdict in words; a missing one with its reason."""
    if row.verdict in _VERDICTS:
        return Cell(row.verdict, _VERDICTS[row.verdict])
    if row.apart or row.difference is None:
        return Cell(row.verdict, row.apart, weight="dim")
    if untested := row.difference.untested:
        return Cell(row.verdict, "not tested", untested, "dim")
    why = f"too few shared {unit}s: no difference could be significant"
    return Cell(row.verdict, f"too few {unit}s", why, "dim")


def _cost_of(name: str) -> Callable[[Row], Cell]:
    def cell(row: Row) -> Cell:
        value = row.metrics.get(name)
        return Cell(value, cost(name, value.mean) if value else "")

    return cell


def spread(value: Any) -> list[float | None]:
    """Returns the mean, deviation and interval of an estimate; Nones of none."""
    if not isinstance(value, Estimate):
        return [None] * 4
    return [value.mean, value.std, value.low, value.high]


def of_kinds(columns: Sequence[Column], *kinds: str) -> list[Column]:
    """Returns the columns of these kinds."""
    return [column for column in columns if column.kind in kinds]
