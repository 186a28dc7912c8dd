"""Draws a sweep's live table, in a frame that fits any terminal."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from rich.box import ROUNDED
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from seqsweep.live.run_state import RunProgress
from seqsweep.live.sweep_state import SweepProgress
from seqsweep.live.worker_state import Worker, Workers
from seqsweep.text import count, duration, number

_WIDEST = 100
_LONGEST_VALUE = 14
_CELL: dict[str, Any] = {"vertical": "bottom", "no_wrap": True, "overflow": "ellipsis"}
_MOST_BEST = 5
_MOST_FAILED = 5
_ALWAYS = ("done", "running", "failed", "waiting")
_STYLES = {
    "done": "green",
    "running": "cyan",
    "failed": "red",
    "diverged": "red",
    "interrupted": "yellow",
}


class LiveTable:
    """A frame with progress, workers, best runs and failed runs.

    The columns of the best runs do not jump: their widths depend only on the sweep's configs.
    On a narrow terminal the runs have one column, with short names if the labels do not fit. No
    line is wrapped.

    Args:
        is_last: whether to leave out the workers, the best runs and the time left.
    """

    def __init__(self, progress: SweepProgress, is_last: bool = False) -> None:
        self.progress = progress
        self.is_last = is_last

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        width = min(options.max_width, _WIDEST)
        name = self.progress.folder.absolute().name
        panel = Panel(
            Group(*self._parts(width - 4)),
            title=Text(one_line(f"{name}: {count(len(self.progress.runs), 'run')}"), "bold"),
            title_align="left",
            box=ROUNDED,
            border_style="dim",
            width=width,
        )
        # On a terminal without Unicode, rich replaces the box but not its own ellipsis.
        ellipsis = "~" if options.ascii_only else "…"
        for segment in console.render(panel, options):
            yield segment._replace(text=segment.text.replace("…", ellipsis))

    def _parts(self, width: int) -> Iterator[RenderableType]:
        yield self._bar()
        yield self._counts()
        if self.progress.workers.is_shown and not self.is_last:
            yield ""
            yield from worker_lines(self.progress.workers)
        best = [] if self.is_last else self.progress.best(_MOST_BEST)
        if best:
            yield ""
            yield _best_table(self.progress, best, width)
        runs = self.progress.runs
        failed = [run for kind in ("failed", "diverged") for run in runs if run.state == kind]
        if failed:
            yield ""
            yield _failed_table(self.progress, failed[:_MOST_FAILED], width)
            if len(failed) > _MOST_FAILED:
                yield Text(f"and {len(failed) - _MOST_FAILED} more", "dim")

    def _bar(self) -> Table:
        """Returns the line with the progress bar, the percentage, and the times."""
        progress = self.progress
        total, done = max(progress.max_epochs, 1), progress.epochs
        row = Table.grid(expand=True, padding=(0, 2, 0, 0))
        row.add_column(ratio=1)
        # Fixed widths keep the bar from jumping when a time gets another digit.
        for min_width in (5, 4, 0 if self.is_last else 9):
            row.add_column(no_wrap=True, justify="right", min_width=min_width)
        elapsed = (progress.sweep.ended or progress.clock()) - progress.sweep.started
        left = None if self.is_last else progress.seconds_left
        row.add_row(
            ProgressBar(total=total, completed=done),
            Text(f"{100 * done // total} %", "bold"),
            Text(duration(max(elapsed, 0)), "dim"),
            Text("" if left is None else f"{duration(left)} left", "cyan"),
        )
        return row

    def _counts(self) -> Text:
        """Returns the line with the number of runs in each state."""
        counts = self.progress.counts
        counts["done"] = counts.pop("complete", 0)
        parts: list[Text] = []
        for name in (*_ALWAYS, "skipped", "pruned", "diverged", "interrupted"):
            if name in _ALWAYS or counts[name]:
                style = _STYLES.get(name, "") if counts[name] else "dim"
                parts.append(Text.assemble((str(counts[name]), style), f" {name}"))
        line = Text("   ").join(parts)
        line.no_wrap, line.overflow = True, "ellipsis"
        return line


def _best_table(
    progress: SweepProgress, best: Sequence[tuple[RunProgress, float]], width: int
) -> Table:
    """Returns the table of the best runs: rank, config, score, and epoch.

    Each config key has a column of its own if all of them fit into the width.
    """
    monitor = progress.monitor
    score_header = _broken(monitor)
    score_width = max(_longest(score_header.split("\n")), 7)
    most_epochs = max(run.max_epochs for run in progress.runs)
    epoch_width = len(f"epoch {most_epochs}/{most_epochs}")
    # Two spaces follow each column. The rank has one character.
    room = width - (1 + 2) - (score_width + 2) - (epoch_width + 2)
    key_widths = {key: _key_width(progress, key) for key in progress.keys}
    has_key_columns = bool(key_widths) and sum(key_widths.values()) + 2 * len(key_widths) <= room
    labels = {} if has_key_columns else _labels(progress, progress.runs, room - 2)

    table = Table.grid(padding=(0, 2, 0, 0))
    table.show_header = True
    _add_column(table, "", 1, "dim", "right")
    if has_key_columns:
        for key, key_width in key_widths.items():
            _add_column(table, _broken(progress.keys[key]), key_width, "cyan", "right")
    else:
        _add_column(table, "run", max(min(room - 2, _longest(labels.values())), 4), "cyan")
    _add_column(table, score_header, score_width, "bold", "right")
    _add_column(table, "", epoch_width)

    for index, (run, score) in enumerate(best, start=1):
        # The best runs on different data sets are not ranked against each other.
        rank = "" if progress.has_several_sources else str(index)
        names = [progress.keys.text(key, run.config.get(key)) for key in key_widths]
        names = names if has_key_columns else [labels[run.folder.name]]
        cells = [Text(text) for text in (rank, *map(one_line, names), number(score))]
        table.add_row(*cells, _epoch(run))
    return table


def _epoch(run: RunProgress) -> Text:
    if run.state == "complete":
        return Text("done", "green")
    return Text(f"epoch {run.tail.epochs}/{run.max_epochs}", "cyan")


def _failed_table(progress: SweepProgress, failed: Sequence[RunProgress], width: int) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    labels = _labels(progress, failed, width // 2)
    label_width = min(_longest(labels.values()), width // 2)
    _add_column(table, "", label_width, "red")
    _add_column(table, "", max(width - label_width - 4, 4))
    for run in failed:
        table.add_row(Text(one_line(labels[run.folder.name])), Text(one_line(run.error)))
    return table


def _labels(progress: SweepProgress, runs: Sequence[RunProgress], width: int) -> dict[str, str]:
    """Returns labels by run_id; short names if a label is too long."""
    labels = {run.folder.name: run.label for run in runs}
    if _longest(labels.values()) <= width:
        return labels
    return {name: progress.short_names[name] for name in labels}


def _add_column(
    table: Table, header: str, width: int, style: str = "", justify: Any = "left"
) -> None:
    heading = Text(header, "dim")
    table.add_column(heading, width=width, style=style, justify=justify, **_CELL)


def _key_width(progress: SweepProgress, key: str) -> int:
    """Returns the column width of a config key, equal in all frames."""
    values = [progress.keys.text(key, run.config.get(key)) for run in progress.runs]
    return min(_longest([*_broken(progress.keys[key]).split("\n"), *values]), _LONGEST_VALUE)


def _longest(texts: Iterable[str]) -> int:
    return max(map(len, texts))


def _broken(name: str) -> str:
    """Breaks a heading into lines at the same places as the leaderboard."""
    return name.replace("_", "_\n").replace("/", "/\n")


def one_line(text: str) -> str:
    """Returns a text in one line, without characters that move the cursor."""
    return "".join(
        char if char.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for char in " ".join(text.split())
    )


_MOST = 8


def worker_lines(workers: Workers) -> list[Text]:
    """Returns a line for each of at most eight workers, and totals.

    `n1 pid 4711   3 running   17 done`
    """
    # Silent workers come first, so that each of them has a line of its own.
    present = sorted(workers.present, key=_order)
    shown, hidden = present[:_MOST], present[_MOST:]
    groups = [(f"{worker.host.partition('.')[0]} pid {worker.pid}", [worker]) for worker in shown]
    if hidden:
        groups.append((f"and {len(hidden)} more on {_hosts(hidden)}", hidden))
    if present:
        groups.append((f"{count(len(present), 'worker')} on {_hosts(present)}", present))
    rows = [
        [name, f"{sum(w.running for w in of):,} running", f"{sum(w.done for w in of):,} done"]
        for name, of in groups
    ]
    sizes = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines: list[Text] = []
    for index, (name, *cells) in enumerate(rows):
        worker = shown[index] if index < len(shown) else None
        padded = [cell.rjust(size) for cell, size in zip(cells, sizes[1:], strict=True)]
        style = "dim" if worker is None else ""
        if worker is not None and worker.is_silent:
            padded.append(f"no sign of life for {duration(worker.silence)}")
            style = "yellow"
        text = "   ".join([name.ljust(sizes[0]), *padded])
        lines.append(Text(text, style, no_wrap=True, overflow="ellipsis"))
    return lines


def _order(worker: Worker) -> tuple[bool, list[str | int], int]:
    """Returns a sorting key: silent workers first, n2 before n10."""
    # Every second part is a number, so parts at the same position have the same type.
    parts = re.split(r"(\d+)", worker.host)
    name = [int(part) if index % 2 else part for index, part in enumerate(parts)]
    return not worker.is_silent, name, worker.pid


def _hosts(workers: Collection[Worker]) -> str:
    return count(len({worker.host for worker in workers}), "host")
