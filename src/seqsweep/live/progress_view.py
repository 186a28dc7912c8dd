"""A sweep while it is trained, for people: a table on a terminal, else a line for each run."""

import io
from typing import Protocol

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from seqsweep.live.run_state import RunProgress
from seqsweep.live.sweep_state import Progress, duration
from seqsweep.live.table import LiveTable, plain


class Drawing(Protocol):
    """What draws one table again and again: rich's `Live`, or one that shares the terminal."""

    def start(self) -> None: ...
    def update(self, renderable: RenderableType, /, *, refresh: bool) -> None: ...
    def stop(self) -> None: ...


def live(console: Console) -> Drawing | None:
    """On a terminal a table of the console itself; None elsewhere."""
    if not shows_table(console):
        return None
    # Drawn by who calls `draw` alone: no thread of rich's, and sys.stdout stays what it is.
    return Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)


class LiveView:
    """Shows how far a sweep is, on a console.

    Args:
        progress: read by `look`.
        console: where to; what its encoding lacks is shown as `?` from now on.
        drawing: of a table; without one there are lines.

    Attributes:
        pause: seconds between two looks, if they cost nothing.
    """

    def __init__(self, progress: Progress, console: Console, drawing: Drawing | None) -> None:
        self.progress = progress
        self.console = console
        self.pause = 0.5 if drawing is None else 0.25
        self._drawing = drawing
        self._ended: list[RunProgress] = []
        self._told: set[str] = set()
        if isinstance(console.file, io.TextIOWrapper):
            console.file.reconfigure(errors="replace")

    def start(self) -> None:
        if self._drawing is not None:
            self._drawing.start()

    def look(self) -> None:
        """Reads the folders. Prints nothing."""
        self._ended += self.progress.look()

    def draw(self) -> None:
        """The table as it is now, or a line for each run that has ended since."""
        ended, self._ended = self._ended, []
        if self._drawing is not None:
            self._drawing.update(LiveTable(self.progress), refresh=True)
            return
        lines: list[Text] = []
        for run in ended:
            self._told.add(run.folder.name)
            lines.append(ended_line(self.progress, run, len(self._told)))
        if lines:  # at once: rich takes four times as long to print them one by one
            self.console.print(Text("\n").join(lines), soft_wrap=True, highlight=False)

    def stop(self) -> None:
        """Leaves the last state standing, without what a leaderboard says better."""
        if self._drawing is None:
            self.draw()
            return
        self._drawing.update(LiveTable(self.progress, is_last=True), refresh=False)
        self._drawing.stop()


def shows_table(console: Console) -> bool:
    """Whether this is a terminal that can draw again what it has drawn."""
    return console.is_terminal and not console.is_dumb_terminal and console.file.isatty()


def ended_line(progress: Progress, run: RunProgress, count: int) -> Text:
    """`[ 3/24] hidden_size=16 seed=0  val/acc 0.9753  test/acc 0.9784  4.7 s  1:50 left`."""
    total = progress.to_train
    left = progress.seconds_left
    eta = "" if left is None or count >= total else f"  {duration(left)} left"
    head = f"[{count:{len(str(total))}}/{total}] {plain(run.label)}  "
    return Text.assemble(head, *_result(run), (eta, "dim"))


def _result(run: RunProgress) -> list[str | tuple[str, str]]:
    """In parts, each with its style: no markup, which a label or an error may look like."""
    if run.state == "diverged":
        return [("diverged", "red"), f" in epoch {(run.record or {}).get('epoch')}"]
    if run.record is None:
        return [("failed", "red"), f" {plain(run.error)}"]
    metrics = run.record["metrics"]
    shown = [name for name in ("val/acc", "test/acc") if name in metrics] or ["train/loss"]
    scores = "  ".join(f"{name} {metrics[name]:.4f}" for name in shown)
    return [f"{scores}  {run.record['train_seconds']:.1f} s"]
