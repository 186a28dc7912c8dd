"""The leaderboard of a folder of runs as a text, and the runs of its best configs.

TensorBoard shows every value as part of a run, so the first run of the folder has this text.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from seqsweep.console import visible
from seqsweep.results.formatting import cost, key_names, value_text, with_deviation
from seqsweep.results.leaderboard import Leaderboard
from seqsweep.results.run_names import Name
from seqsweep.results.significance import Estimate
from seqsweep.results.tensorboard.made_files import text
from seqsweep.results.tensorboard.runs import Run, Runs

_TOP = 20
_SCORES = ("val/acc", "test/acc", "test/f1", "params")


def board_text(board: Leaderboard, run_names: Mapping[str, Name]) -> Any:
    """Returns the best configs as a text of Markdown, by their names in the view.

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
    return text("leaderboard", "text", f"{title}\n\n{_code_block(lines)}".encode())


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


def _number(name: str, value: Estimate | None) -> str:
    if value is None:
        return ""
    is_cost = name == "params"
    return cost(name, value.mean) if is_cost else with_deviation(value.mean, value.std)
