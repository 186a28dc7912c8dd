"""Decides the columns of a leaderboard, for all views of it.

A view only lays columns out. It leaves out the kinds that it shows in another way, and may spread
an estimate: a mean beside its deviation, or an interval in a column of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from seqsweep.results.formatting import key_names, probability
from seqsweep.results.leaderboard import TIE_BREAKER, Leaderboard
from seqsweep.results.rows import Row
from seqsweep.results.significance import Estimate
from seqsweep.runs.metrics import OURS, Metric, as_metric, is_evaluated, own_metrics
from seqsweep.text import cost, interval_texts, number, quoted_formula

_ALWAYS = ("val/acc", "test/acc", "test/f1")

_COSTS = (
    ("best_epoch", "epoch", "best epoch"),
    ("params", "params", "parameters"),
    ("train_seconds", "seconds", "seconds"),
)
"""The costs, each with its heading and its words."""

_VERDICTS = {"best": "best", "indistinguishable": "≈ best", "different": "differs"}


CHOSEN = "*"
"""Marks the rank of a config without fresh seeds in the leaderboard of a search."""


class Signs(NamedTuple):
    """The signs of a deviation and of an indistinguishable row."""

    deviation: str = "±"
    mark: str = "≈"


class Cell(NamedTuple):
    """A cell of a leaderboard.

    Args:
        values: What programs read, by name; a page sorts by the first of them.
        note: What explains the text, for readers who ask.
    """

    text: str
    values: Mapping[str, Any]
    note: str = ""
    weight: Literal["", "bold", "dim"] = ""

    @property
    def value(self) -> Any:
        """The value by which a page sorts; empty if there is none."""
        value = next(iter(self.values.values()), None)
        return "" if value is None else value


@dataclass(frozen=True)
class Column:
    """A column of a leaderboard.

    Args:
        key: Its key in the configs or name in the records, or a word such as `rank`.
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
        Column("mark", mark, mark, "mark", lambda row: Cell(mark * row.is_marked, {})),
        *_key_columns(board),
        Column("n", count, count, "count", _count),
        Column("lost", lost, lost, "lost", _lost, note),
        *(_metric_column(name, board, signs) for name in _shown_metrics(board, every)),
        _difference_column(score),
        Column("adjusted", "adjusted p", "p, adjusted", "p", _p),
        Column("verdict", "verdict", "verdict", "verdict", lambda row: _verdict(row, unit)),
        *(Column(key, head, words, "cost", _cost_of(key, head)) for key, head, words in _COSTS),
    ]
    return columns if every else [one for one in columns if _has_content(one, board)]


def _has_content(column: Column, board: Leaderboard) -> bool:
    """Returns whether a column says something of this leaderboard."""
    rows = board.rows
    match column.kind:
        case "mark":
            return any(row.is_marked for row in rows)
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
    return Cell(f"{row.rank or ''}{CHOSEN * row.is_chosen}", {"rank": row.rank or None})


def _count(row: Row) -> Cell:
    return Cell(f"{row.n or ''}", {"n": row.n or None})


def _lost(row: Row) -> Cell:
    return Cell(row.lost_words, {"lost": row.lost_words})


def _key_columns(board: Leaderboard) -> list[Column]:
    names = key_names(board.keys, (row.config for row in board.rows))

    def of(key: str) -> Callable[[Row], Cell]:
        def cell(row: Row) -> Cell:
            text = names.text(key, row.config.get(key)) if row.entries else ""
            return Cell(text, {key: quoted_formula(text)})

        return cell

    return [Column(key, name, name, "key", of(key), note=key) for key, name in names.items()]


def _metric_column(name: Metric, board: Leaderboard, signs: Signs) -> Column:
    def cell(row: Row) -> Cell:
        value = row.metrics.get(name)
        return Cell(with_deviation(value, signs.deviation), _parts(name, value))

    kind = "score" if name == board.compared else "metric"
    return Column(name, name, name.words, kind, cell, descends=not name.lower_is_better)


def _parts(name: str, value: Estimate | None) -> dict[str, float | None]:
    """Returns the mean, deviation and interval of an estimate, by names for programs."""
    found = [value.mean, value.std, value.low, value.high] if value else [None] * 4
    return dict(zip((name, f"{name} std", f"{name} low", f"{name} high"), found, strict=True))


def _difference_column(score: Metric) -> Column:
    def cell(row: Row) -> Cell:
        one = row.difference
        value = one.interval if one else None
        values = dict.fromkeys((f"{score} - best", "low", "high", "p"))
        if one and value:
            found = (value.mean, value.low, value.high, one.p)
            values = dict(zip(values, found, strict=True))
        if value is None or row.rank == 1:
            return Cell("", values)
        shared = f"{value.n} shared" if value.low is not None and value.n < row.n else ""
        return Cell(estimate_text(value, "+"), values, shared, "bold" if row.differs_by_t else "")

    head, up = f"{score} - best", not score.lower_is_better
    return Column("difference", head, "minus the best", "difference", cell, descends=up)


def _p(row: Row) -> Cell:
    one = row.difference
    p, by_t = (one.adjusted, one.t_adjusted) if one else (None, None)
    text = "" if p is None else probability(p)
    return Cell(text, {"adjusted p": p, "adjusted p of t": by_t})


def _verdict(row: Row, unit: str) -> Cell:
    """Returns the verdict in words; a missing one with its reason."""
    values = {"verdict": row.verdict}
    if row.verdict in _VERDICTS:
        return Cell(_VERDICTS[row.verdict], values)
    if row.apart or row.difference is None:
        return Cell(row.apart, values, weight="dim")
    if untested := row.difference.untested:
        return Cell("not tested", values, untested, "dim")
    why = f"too few shared {unit}s: no difference could be significant"
    return Cell(f"too few {unit}s", values, why, "dim")


def _cost_of(key: str, head: str) -> Callable[[Row], Cell]:
    def cell(row: Row) -> Cell:
        value = row.metrics.get(key)
        return Cell(cost(key, value.mean) if value else "", {head: value and value.mean})

    return cell


def of_kinds(columns: Sequence[Column], *kinds: str) -> list[Column]:
    """Returns the columns of these kinds."""
    return [column for column in columns if column.kind in kinds]


def estimate_text(value: Estimate, sign: str = "") -> str:
    """Returns a mean, with its interval if there is one: `0.500 [0.400, 0.600]`."""
    if value.low is None or value.high is None:
        return number(value.mean, sign)
    mean, low, high = interval_texts(value.mean, value.low, value.high, sign=sign)
    return f"{mean} [{low}, {high}]"


def with_deviation(value: Estimate | None, sign: str) -> str:
    """Formats a mean, if any, with its standard deviation, if any: `0.8430 ±0.0177`."""
    if value is None or value.std is None:
        return "" if value is None else number(value.mean)
    return f"{number(value.mean)} {sign}{number(value.std, beside=value.mean)}"
