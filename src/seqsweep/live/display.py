"""Shows the progress of a sweep, as a table or as lines.

A terminal shows a table. Any other output gets a line for each run that ends. `show_progress` shows
the sweep that this process trains, from a thread. `seqsweep watch` shows any sweep.
"""

import contextlib
import io
import os
import shlex
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from seqsweep.console import print_lines, say_error, shows_table, still_table
from seqsweep.live.state import RunProgress, SweepProgress
from seqsweep.live.table import LiveTable
from seqsweep.output_log import OutputLog
from seqsweep.pace import pause_after
from seqsweep.results.folder_tables import print_folder
from seqsweep.runs.ledger import read_folder
from seqsweep.runs.metrics import compared_metric, metrics_in, own_metrics
from seqsweep.runs.record import FINISHED
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweepfile import SweepFile, is_sweep_running
from seqsweep.text import count, duration, number

# DataLoader workers are forked while a sweep is displayed. A fork waits until the display has
# drawn. Otherwise the child would inherit a locked console that nothing unlocks.
drawing = threading.RLock()
os.register_at_fork(
    before=drawing.acquire, after_in_parent=drawing.release, after_in_child=drawing.release
)

LOG = "sweep.log"
"""The file in the sweep's folder for all output but the table, while the table is shown."""

_QUIET_SECONDS = 30.0
"""The longest time between two lines, if no table is shown."""


class Screen:
    """A live table on a terminal. Other output goes to a log file.

    The methods are those of rich's `Live`: start, update, stop. Only one thread draws. Messages of
    other threads wait until this thread draws, so no other thread needs the locks of the console.
    """

    def __init__(self, log: Path) -> None:
        self._messages: deque[str] = deque()
        self._output = OutputLog(log, self._messages.append)
        self._console = self._output.console
        self._live = still_table(self._console)

    def start(self) -> None:
        self._output.start()  # all other output goes to the log file
        self._draw(self._live.start)

    def update(self, table: RenderableType, refresh: bool = True) -> None:
        self._draw(lambda: self._live.update(table, refresh=refresh))

    def stop(self) -> None:
        self._draw(self._live.stop)

    def close(self, has_failed: bool) -> None:
        """Restores the terminal; shows the last output if `has_failed`."""
        self._output.restore()
        # Some messages are left if the table could not be drawn.
        self._write("".join(f"{message}\n" for message in self._messages))
        self._output.close(has_failed)

    def _draw(self, change: Callable[[], None]) -> None:
        """Draws new messages, and a change of the table below them."""
        with drawing, self._console.capture() as drawn:
            self._output.fit_console()
            while self._messages:
                print_lines(self._console, self._messages.popleft())
            change()
        # The output is written without a lock, so a terminal that takes no output (Ctrl-S, a dead
        # connection) delays only this thread, and no fork.
        self._write(drawn.get())

    def _write(self, text: str) -> None:
        data = text.encode(self._console.encoding, errors="replace")
        with contextlib.suppress(OSError):  # The terminal may have been closed.
            while data:
                data = data[os.write(self._console.file.fileno(), data) :]


@dataclass
class LiveView:
    """Shows the progress of a sweep as a table or lines.

    `[ 3/24] hidden_size=16 seed=0  val/acc 0.9753  test/acc 0.9784  4.7 s  1:50 left` is the line
    of an ended run. If no run ends for a while, the line is `[ 3/24] 412 of 720 epochs  1:50 left`.

    Args:
        console: the console to print on; `?` replaces the characters that its encoding lacks.
        screen: draws the table, and is started here; None prints lines instead.
        counted: for a search: the number of runs that ended before, and the most that it may have.
    """

    progress: SweepProgress
    console: Console
    screen: Live | Screen | None
    counted: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        self._printed: set[str] = set()
        self._last_line = self.progress.clock()
        if isinstance(self.console.file, io.TextIOWrapper):
            self.console.file.reconfigure(errors="replace")
        if self.screen is not None:
            self.screen.start()

    def renew(self, is_last: bool = False) -> float:
        """Reads the folders and draws; returns the seconds to wait afterwards."""
        begun = time.monotonic()
        ended = self.progress.look()
        if self.screen is None:
            self._print_lines(ended)
        else:
            self.screen.update(LiveTable(self.progress, is_last), refresh=True)
            if is_last:
                self.screen.stop()
        # A table is renewed more often, because it shows each epoch; lines show the ends of runs.
        return pause_after(time.monotonic() - begun, 0.5 if self.screen is None else 0.25)

    def follow(self, ended: threading.Event, errors: list[Exception]) -> None:
        """Shows the sweep until it has ended; adds an error to `errors`."""
        try:
            pause = 0.0
            while not ended.wait(pause):
                pause = self.renew()
            self.renew(is_last=True)
        except Exception as error:
            errors.append(error)

    def _print_lines(self, ended: Sequence[RunProgress]) -> None:
        lines, now = [self._line(run) for run in ended], self.progress.clock()
        if self.console.is_jupyter:
            # A notebook keeps all lines, except one that begins with a carriage return.
            print(f"\r{self._line(None).plain:<60}", end="", flush=True)
            return
        if not lines and now - self._last_line >= _QUIET_SECONDS:
            lines.append(self._line(None))
        if lines:  # Printing them one by one takes rich four times as long.
            self._last_line = now
            with drawing:
                self.console.print(Text("\n").join(lines), soft_wrap=True, highlight=False)

    def _line(self, run: RunProgress | None) -> Text:
        """Returns the line for an ended run; None gives the progress."""
        progress, (before, at_most) = self.progress, self.counted
        if run is not None:
            self._printed.add(run.folder.name)
        number = before + len(self._printed)
        total = max(at_most, before + sum(not run.skipped for run in progress.runs))
        head = f"[{number:{len(str(total))}}/{total}] "
        seconds = progress.seconds_left
        left = "" if seconds is None or number >= total else f"  {duration(seconds)} left"
        if run is None:
            epochs = f"{progress.epochs:,} of {progress.max_epochs:,} epochs"
            return Text(f"{head}{epochs}{left}", "dim")
        host = f"  on {run.host}" if progress.hosts and run.host else ""
        return Text.assemble(f"{head}{run.label}  ", *_result(run), (f"{host}{left}", "dim"))


@contextlib.contextmanager
def show_progress(
    runs: Sequence[RunFolder], console: Console, counted: tuple[int, int] = (0, 0)
) -> Generator[None]:
    """Shows the progress of a sweep while the block runs.

    The display works with every launcher, because it reads only the runs' folders. Display errors
    never stop the training; they are reported on exit. While a table is shown, all other output
    goes to sweep.log. If a run does not finish, the last of this output is shown below the table.
    """
    folder = runs[0].path.parent
    errors: list[Exception] = []
    ended = threading.Event()
    screen = thread = None
    has_failed = True
    try:
        try:
            sweep = SweepFile.read(folder)
            unknown = SweepFile((), time.time(), {run.run_id: {} for run in runs})
            progress = SweepProgress(folder, sweep.current() if sweep else unknown)
            progress.look()  # The first look finds what was there before the training.
            screen = Screen(folder / LOG) if shows_table(console) else None
            view = LiveView(progress, console, screen, counted)
            thread = threading.Thread(target=view.follow, args=(ended, errors), daemon=True)
            thread.start()
        except Exception as error:
            errors.append(error)
        yield
        has_failed = not all(os.path.exists(f"{run.path}/record.json") for run in runs)
    finally:
        ended.set()
        try:
            if thread is not None:
                thread.join()
        finally:
            if screen is not None:
                screen.close(has_failed)
        # A broken pipe without a table needs no message: its reader, such as `head`, has ended.
        if errors and (screen is not None or not isinstance(errors[0], BrokenPipeError)):
            message = " ".join(f"{type(errors[0]).__name__}: {errors[0]}".split())
            with contextlib.suppress(Exception):
                say_error(f"the sweep's progress could not be shown: {message}")


def watch(folder: Path, console: Console) -> int:
    """Shows a sweep until it has ended or no process trains it.

    Args:
        folder: a folder of runs, such as a sweep's, or the folder of one run.

    Returns:
        The exit code: 0 if every run is done, 1 if some are not, 130 after Ctrl-C.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: the folder contains no run.
    """
    progress = read_progress(folder)
    table = still_table(console) if shows_table(console) else None
    try:
        view = LiveView(progress, console, table)
        try:
            pause = view.renew()
            if not (progress.has_begun or is_over(progress) or is_sweep_running(folder)):
                command = f"  seqsweep work {shlex.quote(str(folder))}"
                print_lines(console, "no process trains this sweep yet; to start one:", command)
            while not is_over(view.progress):
                time.sleep(pause)
                view.progress = view.progress.renewed()
                pause = view.renew()
        finally:
            view.renew(is_last=True)
    except KeyboardInterrupt:
        print_lines(console, "stopped watching; the sweep continues")
        return 130
    return _conclude(view.progress, folder, console)


def read_progress(folder: Path) -> SweepProgress:
    """Returns the runs that sweep.json lists, or else the runs in the folder.

    Raises:
        FileNotFoundError, ValueError: the folder does not exist, or contains no run.
    """
    sweep = SweepFile.read(folder)
    if sweep is not None:
        return SweepProgress(folder, sweep.current())
    runs = {entry.folder.path.absolute(): entry.config for entry in read_folder(folder)}
    sweep = SweepFile((), time.time(), {path.name: config for path, config in runs.items()})
    return SweepProgress(next(iter(runs)).parent, sweep)


def is_over(progress: SweepProgress) -> bool:
    """Returns whether there is nothing more to watch."""
    missing, sweep = _missing(progress), progress.sweep
    # A process that holds the sweep trains the missing runs, and a search will add runs.
    is_awaited = (missing or sweep.open) and is_sweep_running(progress.folder)
    if is_awaited or progress.counts["running"]:
        return False
    # A planned sweep waits for its first worker.
    return not missing or sweep.ended is not None or progress.has_begun


def _missing(progress: SweepProgress) -> int:
    """Returns the number of runs that are not done."""
    counts = progress.counts
    return len(progress.runs) - sum(counts[state] for state in (*FINISHED, "skipped"))


def _conclude(progress: SweepProgress, folder: Path, console: Console) -> int:
    """Prints the best runs and how to continue; returns the exit code."""
    # The leaderboard has no rows before a run is complete.
    if any(run.state == "complete" for run in progress.runs):
        print_folder(console, folder, read_folder(folder, of_all_versions=True), top=5)
    missing, total = _missing(progress), len(progress.runs)
    of_all = f"of {count(total, 'run')}"
    if not missing:
        print_lines(console, f"{total} {of_all} done")
        return 0
    quiet = "" if progress.sweep.ended else ", and no process is training them"
    print_lines(console, f"[red]{missing} {of_all} not done[/]{quiet}; to see why:", markup=True)
    print_lines(console, f"  seqsweep status {shlex.quote(str(folder))}")
    if progress.sweep.command:
        print_lines(console, "to finish the sweep:", f"  {shlex.join(progress.sweep.command)}")
    return 1


def _result(run: RunProgress) -> list[str | tuple[str, str]]:
    """Returns the result of a run as texts with their styles, without markup."""
    if run.record is None or run.state == "diverged":
        return [(run.state, "red"), f" {run.error}"]
    if run.record.pruned is not None:
        return [("pruned", "yellow"), f" after {count(run.record.pruned[0], 'epoch')}"]
    metrics = metrics_in(run.record)
    names = [name for name in ("val/acc", "test/acc") if name in metrics] or ["train/loss"]
    if own := own_metrics(metrics):  # the monitor is the first
        names = dict.fromkeys((own[0], compared_metric(own[0], own)))
    scores = "  ".join(f"{name} {number(metrics[name])}" for name in names)
    return [f"{scores}  {run.record.train_seconds or 0:.1f} s"]
