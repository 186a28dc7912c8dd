"""A sweep while it is trained, for people: a table on a terminal, else a line for each run."""

from rich.console import Console
from rich.live import Live
from rich.markup import escape

from seqsweep.results.live_table import LiveTable
from seqsweep.results.progress import Progress, duration
from seqsweep.results.run_progress import RunProgress


class LiveView:
    """Shows how far a sweep is, on a console.

    Args:
        progress: read by `look`.
        console: where to.
        is_table: one table that is drawn again and again, for a terminal; else lines.

    Attributes:
        pause: seconds between two looks, if they cost nothing.
    """

    def __init__(self, progress: Progress, console: Console, is_table: bool) -> None:
        self.progress = progress
        self.console = console
        self.pause = 0.25 if is_table else 0.5
        self._ended: list[RunProgress] = []
        self._told: set[str] = set()
        self._live: Live | None = None
        if is_table:
            # Drawn by who calls `draw` alone: no thread of rich's, and sys.stdout stays what it is.
            self._live = Live(
                console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
            )

    def start(self) -> None:
        if self._live is not None:
            self._live.start()

    def look(self) -> None:
        """Reads the folders. Prints nothing."""
        self._ended += self.progress.look()

    def draw(self) -> None:
        """The table as it is now, or a line for each run that has ended since."""
        ended, self._ended = self._ended, []
        if self._live is not None:
            self._live.update(LiveTable(self.progress), refresh=True)
            return
        for run in ended:
            self._told.add(run.folder.name)
            line = ended_line(self.progress, run, len(self._told))
            self.console.print(line, soft_wrap=True, highlight=False)

    def stop(self) -> None:
        """Leaves the last state standing, without what a leaderboard says better."""
        self.draw()
        if self._live is not None:
            self._live.update(LiveTable(self.progress, is_last=True))
            self._live.stop()


def shows_table(console: Console) -> bool:
    """Whether this is a terminal that can draw again what it has drawn."""
    return console.is_terminal and not console.is_dumb_terminal and console.file.isatty()


def ended_line(progress: Progress, run: RunProgress, count: int) -> str:
    """`[ 3/24] hidden_size=16 seed=0  val/acc 0.9753  test/acc 0.9784  4.7 s  1:50 left`."""
    total = len(progress.runs) - progress.counts["skipped"]
    left = progress.seconds_left
    eta = "" if left is None or count >= total else f"  [dim]{duration(left)} left[/]"
    return f"\\[{count:{len(str(total))}}/{total}] {escape(run.label)}  {_result(run)}{eta}"


def _result(run: RunProgress) -> str:
    if run.state == "diverged":
        return f"[red]diverged[/] in epoch {(run.record or {}).get('epoch')}"
    if run.record is None:
        return f"[red]failed[/] {escape(run.error)}"
    metrics = run.record["metrics"]
    shown = [name for name in ("val/acc", "test/acc") if name in metrics] or ["train/loss"]
    scores = "  ".join(f"{name} {metrics[name]:.4f}" for name in shown)
    return f"{scores}  {run.record['train_seconds']:.1f} s"
