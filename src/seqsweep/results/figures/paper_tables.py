"""Writes the table of configs or of data sets, as LaTeX and Markdown."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seqsweep.results.across_sets import AcrossSets
from seqsweep.results.columns import CHOSEN, Column, board_columns, estimate_text, of_kinds
from seqsweep.results.findings import Findings
from seqsweep.results.formatting import heading
from seqsweep.results.rows import Row
from seqsweep.results.words import leaderboard_notes, rank_cells, ranking_words
from seqsweep.text import NBSP, count, listed, number, upper_first

_MOST_COLUMNS = 8
"""The most methods that have columns, if there are fewer data sets than methods."""

_ONE_COLUMN = 48
"""The most characters of a row in one of two columns of a page; a longer row takes both."""

_LATEX = str.maketrans(
    {
        **{char: rf"\{char}" for char in "&%$#_{}"},
        "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
        "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", NBSP: "~",
        "±": r"$\pm$", "≈": r"$\approx$", "\N{MINUS SIGN}": "$-$",
        "[": "{[}",  # at the start of a row it would be an argument of the line break before
    }
)  # fmt: skip


@dataclass(frozen=True)
class PaperTable:
    """A table as texts.

    Args:
        label: The name by which a text refers to the table.
        texts: The number of columns of words; they come first.
        bold: The row and the column of each cell in bold.
    """

    caption: str
    label: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int
    bold: set[tuple[int, int]]
    notes: Sequence[str]


def config_table(findings: Findings) -> PaperTable:
    """Returns the leaderboard, with the interval of the score."""
    board, rows = findings.board, findings.listed
    columns = board_columns(board, every=True)
    telling = [one for one in of_kinds(columns, "key") if one.key in board.telling_keys]
    # A list, because a key may be called like another column.
    table = [(one.words, _texts(one, rows)) for one in telling]
    table = table or [("config", [row.words for row in rows])]
    texts, (head, cells) = len(table), table[0]
    marked = [f"{cell}{CHOSEN * row.is_chosen}" for cell, row in zip(cells, rows, strict=True)]
    table[0] = head, marked
    table += [(one.head, _texts(one, rows)) for one in of_kinds(columns, "count", "lost")]
    for score in of_kinds(columns, "score"):
        values = [row.metrics.get(score.key) for row in rows]
        ends = [(value and estimate_text(value).partition(" ")[2]) or "" for value in values]
        table += [(score.head, _texts(score, rows)), ("95 % interval", ends)]
    # Without a test, there is neither a p nor a verdict.
    compared = of_kinds(board_columns(board), "difference", "p", "verdict")
    table += [(one.head, _texts(one, rows)) for one in compared]
    metrics = [one for one in of_kinds(columns, "metric") if one.key == board.monitor]
    table += [(one.head, _texts(one, rows)) for one in metrics]
    costs = [one for one in of_kinds(columns, "cost") if one.key == "params"]
    table += [(one.words, _texts(one, rows)) for one in costs]
    table = [(head, cells) for head, cells in table if any(cells)]
    heads, cells = zip(*table, strict=True)
    name = findings.folder.resolve().name
    data = listed([one.name for one in findings.sets if one.entries])
    over = f", over {board.variation.words}" if board.has_replicates else ""
    return PaperTable(
        f"{heading(board.compared)} of {count(len(findings.rows), 'config')} on {data}{over}.",
        name,
        heads,
        list(zip(*cells, strict=True)),
        texts,
        {(0, heads.index(board.compared))} if board.compared in heads else set(),
        [f"bold: the best by {board.monitor.words}", *leaderboard_notes(board)],
    )


def _texts(column: Column, rows: Sequence[Row]) -> list[str]:
    return [column.cell(row).text for row in rows]


def sets_table(found: AcrossSets) -> PaperTable:
    """Returns the data sets by methods, with the mean ranks below the scores.

    If there are more methods than data sets, and many, the methods are the rows.
    """
    methods, metric = found.methods, found.metric
    bold: set[tuple[int, int]] = set()
    grid: list[list[str]] = []
    for row, name in enumerate(found.sets):
        cells = [method.cells[row] for method in methods]
        bold |= {(row, n + 1) for n in found.best_of(row)}
        grid.append([name, *(number(cell.mean) if cell else "" for cell in cells)])
    if found.ranking:
        names = ("mean rank", "won/drawn/lost", "p")
        ranked = zip(*(rank_cells(found, n) for n in range(len(methods))), strict=True)
        grid += [[name, *cells] for name, cells in zip(names, ranked, strict=True)]
    grid.insert(0, ["data set", *(method.words for method in methods)])
    if len(methods) > max(_MOST_COLUMNS, len(found.sets)):
        grid = [list(column) for column in zip(*grid, strict=True)]
        grid[0][0] = found.noun
        bold = {(column - 1, row + 1) for row, column in bold}
    notes = ["bold: the best of each data set", *ranking_words(found)]
    caption = f"{heading(metric)} of {count(len(methods), found.noun)} by data set."
    return PaperTable(caption, "data sets", grid[0], grid[1:], 1, bold, notes)


def as_markdown(table: PaperTable) -> str:
    """Returns a table of GitHub's Markdown, with its notes below."""
    rule = ["---"] * table.texts + ["---:"] * (len(table.head) - table.texts)
    head, *rows = _cells(table, lambda text: text.replace("|", "\\|"), "**{}**")
    lines = [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)]
    return "\n".join([*lines, "", *(f"- {note}" for note in table.notes)]) + "\n"


def as_latex(table: PaperTable) -> str:
    """Returns a table for LaTeX and its package booktabs, with its notes below."""
    head, *rows = _cells(table, _escaped, r"\textbf{{{}}}")
    columns = "l" * table.texts + "r" * (len(table.head) - table.texts)
    notes = [f"{_escaped(upper_first(note))}." for note in table.notes]
    widths = [max(map(len, cells)) for cells in zip(table.head, *table.rows, strict=True)]
    kind = "table" if sum(widths) <= _ONE_COLUMN else "table*"
    label = re.sub(r"[^A-Za-z0-9]+", "-", table.label)
    lines = [r"% needs \usepackage{booktabs}", rf"\begin{{{kind}}}", r"\centering"]
    lines += [rf"\caption{{{_escaped(table.caption)}}}", rf"\label{{tab:{label}}}"]
    lines += [rf"\begin{{tabular}}{{{columns}}}"]
    lines += [r"\toprule", " & ".join(head) + r" \\", r"\midrule"]
    lines += [" & ".join(cells) + r" \\" for cells in rows]
    lines += [r"\bottomrule", r"\end{tabular}", "", r"\par\smallskip\footnotesize", *notes]
    return "\n".join([*lines, rf"\end{{{kind}}}", ""])


def _cells(table: PaperTable, escape: Callable[[str], str], bold: str) -> list[list[str]]:
    """Returns the head and the rows with escapes; `bold` formats bold cells."""
    rows = [[escape(cell) for cell in row] for row in (table.head, *table.rows)]
    for row, column in table.bold:
        rows[row + 1][column] = bold.format(rows[row + 1][column])
    return rows


def _escaped(text: str) -> str:
    """Returns a text for LaTeX, in one line."""
    return " ".join(text.translate(_LATEX).split())
