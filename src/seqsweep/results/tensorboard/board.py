"""The leaderboard and the chart layout of a folder of runs.

TensorBoard shows every value as part of a run, so the first run of the folder has these values.
"""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from tensorboard.plugins.custom_scalar import metadata

from seqsweep.console import visible
from seqsweep.results.formatting import cost, key_names, run_label, value_text, with_deviation
from seqsweep.results.leaderboard import Leaderboard
from seqsweep.results.run_names import Name
from seqsweep.results.significance import Estimate
from seqsweep.results.tensorboard.protobufs import text
from seqsweep.results.tensorboard.runs import Run, Runs

# Imported by name, because type checkers do not see the classes of a protobuf module.
layout_pb2: Any = importlib.import_module("tensorboard.plugins.custom_scalar.layout_pb2")

_TOP = 20
_MOST_CHARTED = 8
"""The most runs of a custom chart. With two lines each, more could not be distinguished."""
_CHARTS = {"loss": "loss", "accuracy": "acc", "macro F1": "f1"}
_SCORES = ("val/acc", "test/acc", "test/f1", "params")


def board_values(runs: Runs, board: Leaderboard) -> list[Any]:
    """Returns the values that describe all runs of a folder, which may be none.

    Args:
        runs: the runs that the view shows.
        board: the leaderboard of all runs.
    """
    values = [_layout()] if len(runs.runs) <= _MOST_CHARTED else []
    if board.rows:
        values.append(text("leaderboard", "text", _board_text(board, runs.names).encode()))
    if runs.keys:
        values.append(text("names", "text", _names_text(runs).encode()))
    return values


def best_runs(runs: Runs, board: Leaderboard, most: int) -> list[Run]:
    """Returns the runs of the best configs, at most `most` of them.

    A config has all its runs or none, because TensorBoard shows the mean of a config over its runs.
    So the first config is returned whole, however many runs it has. Configs without a complete run
    come last.
    """
    if len(runs.runs) <= most:
        return runs.runs
    ranked = [runs.names[row.entries[0].folder.run_id].config for row in board.rows]
    by_config: dict[str, list[Run]] = {name: [] for name in ranked}
    for run in runs.runs:
        by_config.setdefault(run.name.config, []).append(run)
    chosen: list[Run] = []
    for group in by_config.values():
        if chosen and len(chosen) + len(group) > most:
            break
        chosen += group
    return sorted(chosen, key=lambda run: run.name.run)


def _board_text(board: Leaderboard, run_names: Mapping[str, Name]) -> str:
    """Returns the best configs as Markdown, by their names in the view.

    It is a code block, because on a narrow page a Markdown table breaks words and numbers.
    """
    names = key_names(board.keys)
    # A metric that no row has gets no column.
    measured = {name for row in board.rows for name in row.metrics}
    scores = [name for name in dict.fromkeys((board.monitor, *_SCORES)) if name in measured]
    units = f"{board.variation.unit}s"
    lines = [["#", "config", units, *scores, *(names[key] for key in board.keys)]]
    for rank, row in enumerate(board.rows[:_TOP], start=1):
        name = run_names[row.entries[0].folder.run_id].config
        metrics = [_number(score, row.metrics.get(score)) for score in scores]
        values = [value_text(key, row.config[key]) for key in board.keys]
        lines.append([str(rank), name, str(row.n), *metrics, *values])
    count = len(board.rows)
    configs = f"The best {_TOP} of {count} configs" if count > _TOP else f"{count} configs"
    alone = ", each data set on its own" if board.sets > 1 else ""
    over = f"mean over {units} ± standard deviation"
    title = f"{configs}, by {board.chosen_by}{alone}: {over}"
    return f"{title}\n\n{_code_block(lines)}"


def _names_text(runs: Runs) -> str:
    """Returns the short and the full name of each config as Markdown."""
    names = key_names(runs.keys)
    full = {run.name.config: run_label(run.config, names) for run in runs.runs}
    block = _code_block([["config", "full name"], *map(list, full.items())])
    return f"The names of all configs\n\n{block}"


def _code_block(rows: Sequence[Sequence[str]]) -> str:
    """Returns rows of cells as a code block with aligned columns."""
    cells = [[visible(cell).replace("\n", " ") for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    block = ""
    for row in cells:
        # Only the second column, the name of the config, is aligned to the left.
        aligned = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        aligned[1] = row[1].ljust(widths[1])
        block += f"    {'  '.join(aligned)}\n"
    return block


def _layout() -> Any:
    """Returns the chart layout: training and validation in one chart."""
    charts = [
        layout_pb2.Chart(
            title=title,
            multiline=layout_pb2.MultilineChartContent(tag=[f"^train/{tag}$", f"^val/{tag}$"]),
        )
        for title, tag in _CHARTS.items()
    ]
    category = layout_pb2.Category(title="training and validation", chart=charts)
    layout = layout_pb2.Layout(category=[category])
    return text(metadata.CONFIG_SUMMARY_TAG, metadata.PLUGIN_NAME, layout.SerializeToString())


def _number(name: str, value: Estimate | None) -> str:
    if value is None:
        return ""
    is_cost = name == "params"
    return cost(name, value.mean) if is_cost else with_deviation(value.mean, value.std)
