"""What a folder of runs says as a whole: the leaderboard as a text, the layout of custom scalars.

TensorBoard shows nothing that belongs to no run, but in a run called `.`; so the first run has it.
"""

from collections.abc import Sequence
from typing import Any

from seqsweep.console import visible
from seqsweep.results.formatting import key_names, value_text
from seqsweep.results.leaderboard import Leaderboard, leaderboard
from seqsweep.results.significance import Estimate
from seqsweep.results.tensorboard.protobufs import protos, tensor
from seqsweep.results.tensorboard.runs import Run, Runs

_TOP = 20
_MOST_CHARTED = 8
"""The most runs of a custom chart: more, with two lines each, could not be distinguished."""
_CHARTS = {"loss": "loss", "accuracy": "acc", "macro F1": "f1"}
_SCORES = ("val/acc", "test/acc", "test/f1", "params")


def board_values(found: Runs) -> list[Any]:
    """The values of the first run's second made file; none where there is nothing to say."""
    runs = found.runs
    board = leaderboard([run.entry for run in runs], found.planned)
    values = [_layout()] if len(runs) <= _MOST_CHARTED else []
    if board.rows:
        values.append(tensor("leaderboard", "text", [board_text(board, runs).encode()]))
    return values


def board_text(board: Leaderboard, runs: Sequence[Run]) -> str:
    """The best configs, by the names that they have in the view.

    A code block of Markdown: a table is broken inside words and numbers where the page is narrow.
    """
    names = key_names(board.keys)
    called = {run.entry.folder.run_id: run.name.config for run in runs}
    scores = [
        name
        for name in dict.fromkeys((board.monitor, *_SCORES))
        if any(name in row.metrics for row in board.rows)
    ]
    lines = [["#", "config", "seeds", *scores, *(names[key] for key in board.keys)]]
    for rank, row in enumerate(board.rows[:_TOP], start=1):
        values = [value_text(key, row.config[key]) for key in board.keys]
        metrics = [_number(name, row.metrics.get(name)) for name in scores]
        name = called[row.entries[0].folder.run_id]
        lines.append([str(rank), name, str(row.n), *metrics, *values])
    return f"{_title(board)}\n\n" + "\n".join(_block(lines)) + "\n"


def _block(lines: Sequence[Sequence[str]]) -> list[str]:
    """Lines of cells as a code block with aligned columns; the second column is a name."""
    cells = [[visible(cell).replace("\n", " ") for cell in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "    "
        + "  ".join(
            cell.ljust(width) if place == 1 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in cells
    ]


def _title(board: Leaderboard) -> str:
    count = len(board.rows)
    shown = f"The best {_TOP} of {count} configs" if count > _TOP else f"{count} configs"
    return f"{shown}, by {board.chosen_by}: mean over seeds ± standard deviation"


def _layout() -> Any:
    """Training and validation in one chart: the page for custom scalars."""
    p = protos().layout
    charts = [
        p.Chart(
            title=title,
            multiline=p.MultilineChartContent(tag=[f"^train/{tag}$", f"^val/{tag}$"]),
        )
        for title, tag in _CHARTS.items()
    ]
    layout = p.Layout(category=[p.Category(title="training and validation", chart=charts)])
    metadata = protos().layout_metadata
    return tensor(metadata.CONFIG_SUMMARY_TAG, metadata.PLUGIN_NAME, [layout.SerializeToString()])


def _number(name: str, value: Estimate | None) -> str:
    if value is None:
        return ""
    if name == "params":
        return f"{value.mean:,.0f}"
    return f"{value.mean:.4f}" + ("" if value.std is None else f" ±{value.std:.4f}")
