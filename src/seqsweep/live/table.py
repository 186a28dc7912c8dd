"""Draws a sweep's live table, in a frame that fits any terminal."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from time import localtime, strftime
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from seqsweep.live.state import RunProgress, SweepProgress
from seqsweep.text import count, duration, number, one_line

_WIDEST = 100
_LONGEST_VALUE = 14
_ONE_LINE: dict[str, Any] = {"no_wrap": True, "overflow": "ellipsis"}
_MOST_HOSTS = 8
_MOST_BEST = 5
_MOST_RUNNING = 3
_MOST_FAILED = 5
_ALWAYS = ("done", "running", "failed", "waiting")
_FAILED = ("failed", "diverged")
_STYLES = {"done": "green", "running": "cyan", "interrupted": "yellow"}


@dataclass
class LiveTable:
    """A frame with progress, hosts, the best runs, running runs and failed runs.

    The columns do not jump: their widths depend only on the sweep's configs. No line is wrapped.

    Args:
        is_last: whether to leave out the hosts and the best runs, because the leaderboard follows.
    """

    progress: SweepProgress
    is_last: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        width = min(options.max_width, _WIDEST)
        name = self.progress.folder.absolute().name
        title = Text(one_line(f"{name}: {count(len(self.progress.runs), 'run')}"), "bold")
        parts = Group(*self._parts(width - 4))
        panel = Panel(parts, title=title, title_align="left", border_style="dim", width=width)
        # On a terminal without Unicode, rich replaces the box but not its own ellipsis.
        ellipsis = "~" if options.ascii_only else "…"
        for segment in console.render(panel, options):
            yield segment._replace(text=segment.text.replace("…", ellipsis))

    def _parts(self, width: int) -> Iterator[RenderableType]:
        yield self._bar()
        yield self._counts()
        if self.progress.hosts and not self.is_last:
            yield ""
            yield self._hosts_table()
        runs = self.progress.runs
        failed = [run for kind in _FAILED for run in runs if run.state == kind]
        best = [] if self.is_last else self._best_rows()
        if best or failed:
            yield ""
            yield self._runs_table(best, failed[:_MOST_FAILED], width)
        if len(failed) > _MOST_FAILED:
            yield Text(f"and {len(failed) - _MOST_FAILED} more", "dim")

    def _bar(self) -> Table:
        """Returns the line with the progress bar, the percentage, and the times."""
        progress = self.progress
        total, done = max(progress.max_epochs, 1), progress.epochs
        # The default colour of a bar is a red, which looks like a failure.
        bar = ProgressBar(total, done, complete_style="cyan", finished_style="green")
        elapsed = (progress.sweep.ended or progress.clock()) - progress.sweep.started
        left = None if self.is_last else progress.seconds_left
        row = Table.grid(expand=True, padding=(0, 2, 0, 0))
        row.add_column(ratio=1)
        # Fixed widths keep the bar from jumping when a time gets another digit.
        for min_width in (5, 12, 0 if self.is_last else 9):
            row.add_column(no_wrap=True, justify="right", min_width=min_width)
        row.add_row(
            bar,
            Text(f"{100 * done // total} %", "bold"),
            Text(f"{duration(max(elapsed, 0))} elapsed", "dim"),
            Text("" if left is None else f"{duration(left)} left", "cyan"),
        )
        return row

    def _counts(self) -> Text:
        """Returns the line with the number of runs in each state."""
        counts = self.progress.counts
        counts["done"] = counts["complete"]
        parts: list[Text] = []
        for name in (*_ALWAYS, "skipped", "pruned", "diverged", "interrupted"):
            if name in _ALWAYS or counts[name]:
                colour = "red" if name in _FAILED else _STYLES.get(name, "")
                style = colour if counts[name] else "dim"
                parts.append(Text.assemble((str(counts[name]), style), f" {name}"))
        return Text("   ", **_ONE_LINE).join(parts)

    def _hosts_table(self) -> Table:
        """Returns a table with at most eight hosts: `n1   3 running   17 done`."""
        counts = self.progress.counts_by_host
        # Silent hosts come first, so that each of them has a line.
        ordered = sorted(self.progress.hosts.items(), key=lambda host: (host[1] == inf, host[0]))
        table = Table.grid(padding=(0, 3, 0, 0))
        for justify in ("left", "right", "right", "left"):
            table.add_column(justify=justify, **_ONE_LINE)
        for name, touched in ordered[:_MOST_HOSTS]:
            silent = touched < inf and f"silent since {strftime('%H:%M:%S', localtime(touched))}"
            states = [f"{counts[name, state]:,} {state}" for state in ("running", "done")]
            cells = map(Text, (name.partition(".")[0], *states, silent or ""))
            table.add_row(*cells, style="yellow" if silent else "")
        if more := ordered[_MOST_HOSTS:]:
            table.add_row(Text(f"and {count(len(more), 'more host')}", "dim"))
        return table

    def _best_rows(self) -> list[tuple[str, RunProgress]]:
        """Returns the best runs with their ranks, and then other running runs."""
        best = self.progress.best(_MOST_BEST)
        # The best runs on different data sets are not ranked against each other.
        is_ranked = len(set(self.progress.sources.values())) == 1
        rows = [(str(rank) if is_ranked else "", run) for rank, run in enumerate(best, start=1)]
        running = [run for run in self.progress.runs if run.state == "running" and run not in best]
        return rows + [("", run) for run in running[:_MOST_RUNNING]]

    def _runs_table(
        self, best: Sequence[tuple[str, RunProgress]], failed: Sequence[RunProgress], width: int
    ) -> Table:
        """Returns a table of runs: rank, config, score, and epoch or error."""
        monitor, columns = self.progress.monitor, self.progress.columns
        heading = _broken(monitor) if best else ""
        score_width = max(*map(len, heading.split("\n")), 7) if best else 0
        most_epochs = max(run.max_epochs for run in self.progress.runs)
        # Two spaces follow each column. The rank has one character.
        room = width - (1 + 2) - (score_width + 2) - len(f"epoch {most_epochs}/{most_epochs}")

        table = Table.grid(padding=(0, 2, 0, 0), expand=True)
        table.show_header = True
        _add_column(table, "", "dim", width=1)
        for name, name_width in _key_widths(columns, room).items():
            _add_column(table, name, "cyan", width=name_width)
        _add_column(table, heading, "bold", width=score_width)
        _add_column(table, "", justify="left", ratio=1)
        for rank, run in best:
            score, is_done = run.score(monitor), run.state == "complete"
            state = "done" if is_done else f"epoch {run.so_far.epochs}/{run.max_epochs}"
            texts = (column[run.folder.name] for column in columns.values())
            cells = map(Text, (rank, *texts, "" if score is None else number(score)))
            table.add_row(*cells, Text(state, "green" if is_done else "cyan"))
        if best and failed:
            table.add_row("")
        for run in failed:
            texts = (column[run.folder.name] for column in columns.values())
            table.add_row("", *map(Text, texts), "", Text(run.error, "red"))
        return table


def _key_widths(columns: Mapping[str, Mapping[str, str]], room: int) -> dict[str, int]:
    """Returns the width of each config key's column, by its heading."""
    narrow = {
        _broken(name): min(max(map(len, texts.values())), _LONGEST_VALUE)
        for name, texts in columns.items()
    }
    wide = {name: max(width, *map(len, name.split("\n"))) for name, width in narrow.items()}
    # Without room for the headings they are cut, because the values distinguish the runs.
    for widths in (wide, narrow):
        if sum(widths.values()) + 2 * len(widths) <= room:
            return widths
    return {name: min(width, max(room // len(narrow) - 2, 1)) for name, width in narrow.items()}


def _add_column(table: Table, heading: str, style: str = "", **options: Any) -> None:
    options = {"justify": "right", "vertical": "bottom", **_ONE_LINE, **options}
    table.add_column(Text(heading, "dim"), style=style, **options)


def _broken(name: str) -> str:
    """Breaks a heading into lines at the same places as the leaderboard."""
    return name.replace("_", "_\n").replace("/", "/\n")
