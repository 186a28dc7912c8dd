"""The frame of a live table: how far a sweep is, at one glance and on any terminal."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from rich.box import ROUNDED
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from seqsweep.live.run_state import RunProgress
from seqsweep.live.sweep_state import Progress, duration
from seqsweep.results.formatting import value_text

_WIDEST = 100
_LONGEST_VALUE = 14
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
    """A sweep's progress in one frame: bar, counts, the best runs, those that failed.

    Its columns are as wide as the configs of the sweep ask for, so they do not jump while it runs;
    where the terminal is narrower the runs have one column, with their short names where the labels
    do not fit. Nothing is wrapped.

    Args:
        is_last: without the best runs and the time left.
    """

    def __init__(self, progress: Progress, is_last: bool = False) -> None:
        self.progress = progress
        self.is_last = is_last

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        width = min(options.max_width, _WIDEST)
        title = f"{self.progress.folder.absolute().name}: {_runs(len(self.progress.runs))}"
        panel = Panel(
            Group(*self._parts(width - 4)),
            title=Text(plain(title), "bold"),
            title_align="left",
            box=ROUNDED,
            border_style="dim",
            width=width,
        )
        cropped = "~" if options.ascii_only else "…"  # rich itself minds that for the box alone
        for segment in console.render(panel, options):
            yield segment._replace(text=segment.text.replace("…", cropped))

    def _parts(self, width: int) -> Iterator[RenderableType]:
        yield self._bar()
        yield self._counts()
        best = [] if self.is_last else self.progress.best(_MOST_BEST)
        if best:
            yield ""
            yield _best_table(self.progress, best, width)
        failed = self.progress.in_state("failed") + self.progress.in_state("diverged")
        if failed:
            yield ""
            yield _failed_table(self.progress, failed[:_MOST_FAILED], width)
            if len(failed) > _MOST_FAILED:
                yield Text(f"and {len(failed) - _MOST_FAILED} more", "dim")

    def _bar(self) -> Table:
        progress = self.progress
        total, done = progress.epochs_in_all, progress.epochs
        row = Table.grid(expand=True, padding=(0, 2, 0, 0))
        row.add_column(ratio=1)
        for least in (5, 4, 0 if self.is_last else 9):
            row.add_column(no_wrap=True, justify="right", min_width=least)
        elapsed = (progress.sweep.ended or progress.clock()) - progress.sweep.started
        left = None if self.is_last else progress.seconds_left
        row.add_row(
            ProgressBar(total=max(total, 1), completed=done),
            Text(f"{100 * done // max(total, 1)} %", "bold"),
            Text(duration(max(elapsed, 0)), "dim"),
            Text("" if left is None else f"{duration(left)} left", "cyan"),
        )
        return row

    def _counts(self) -> Text:
        counts = self.progress.counts
        found = {"done": counts.pop("complete", 0)} | counts
        names = dict.fromkeys((*_ALWAYS, "skipped", "diverged", "interrupted"))
        parts = [
            Text.assemble((str(found.get(name, 0)), _style(name, found)), f" {name}")
            for name in names
            if name in _ALWAYS or found.get(name)
        ]
        line = Text("   ", no_wrap=True, overflow="ellipsis").join(parts)
        line.no_wrap, line.overflow = True, "ellipsis"
        return line


def _style(name: str, found: dict[str, int]) -> str:
    return _STYLES.get(name, "") if found.get(name) else "dim"


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


def _best_table(progress: Progress, best: Sequence[tuple[RunProgress, float]], width: int) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    monitor = progress.monitor
    longest = max(run.max_epochs for run in progress.runs)
    state_width = len(f"epoch {longest}/{longest}")
    score_width = max(*(len(line) for line in _broken(monitor).split("\n")), 7)
    _add_column(table, "", 1, style="dim", justify="right")
    widths = {key: _key_width(progress, key) for key in progress.keys}
    room = width - (1 + 2) - (score_width + 2) - (state_width + 2)
    labels: dict[str, str] = {}
    as_columns = bool(widths) and sum(widths.values()) + 2 * len(widths) <= room
    if as_columns:
        for key, wide in widths.items():
            _add_column(table, _broken(progress.keys[key]), wide, "cyan", "right")
    else:
        labels = _labels(progress, progress.runs, room - 2)
        longest_label = max(map(len, labels.values()))
        if longest_label > room - 2:  # the name of a run says more than its epoch
            room, state_width = room + state_width + 2, 0
        _add_column(table, "run", max(min(room - 2, longest_label), 4), "cyan")
    _add_column(table, _broken(monitor), score_width, "bold", "right")
    if state_width:
        _add_column(table, "", state_width)
    table.show_header = True
    for rank, (run, score) in enumerate(best, start=1):
        values = [value_text(key, run.config.get(key)) for key in widths]
        names = values if as_columns else [labels[run.folder.name]]
        cells = [str(rank), *map(plain, names), f"{score:.4f}"]
        table.add_row(*map(Text, cells), *([_how_far(run)] if state_width else []))
    return table


def _how_far(run: RunProgress) -> Text:
    if run.state == "complete":
        return Text("done", "green")
    return Text(f"epoch {run.tail.epochs}/{run.max_epochs}", "cyan")


def _labels(progress: Progress, runs: Sequence[RunProgress], width: int) -> dict[str, str]:
    """The label of each run by run_id; if one does not fit, the short names of all."""
    labels = {run.folder.name: run.label for run in runs}
    if max(map(len, labels.values())) <= width:
        return labels
    return {name: progress.short_names[name] for name in labels}


def _failed_table(progress: Progress, failed: Sequence[RunProgress], width: int) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    labels = _labels(progress, failed, width // 2)
    name_width = min(max(map(len, labels.values())), width // 2)
    _add_column(table, "", name_width, "red")
    _add_column(table, "", max(width - name_width - 4, 4))
    for run in failed:
        table.add_row(Text(plain(labels[run.folder.name])), Text(plain(run.error)))
    return table


def _add_column(
    table: Table, header: str, width: int, style: str = "", justify: Any = "left"
) -> None:
    table.add_column(
        Text(header, "dim"),
        width=width,
        style=style,
        justify=justify,
        vertical="bottom",
        no_wrap=True,
        overflow="ellipsis",
    )


def _key_width(progress: Progress, key: str) -> int:
    """Of the column of a config key: the same for the whole sweep."""
    header = _broken(progress.keys[key]).split("\n")
    values = {value_text(key, run.config.get(key)) for run in progress.runs}
    return min(max(len(text) for text in itertools.chain(header, values)), _LONGEST_VALUE)


def _broken(name: str) -> str:
    """A heading in lines, as the leaderboard breaks it."""
    return name.replace("_", "_\n").replace("/", "/\n")


def plain(text: str) -> str:
    """One line without what moves a terminal's cursor."""
    return "".join(
        mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for mark in " ".join(text.split())
    )
