"""One line for each run of a sweep as it ends, whatever launcher trains it."""

import threading
import time
from collections.abc import Sequence
from typing import Any, Protocol

from rich.console import Console
from rich.markup import escape

from seqsweep.runs.record import RunFolder


class Watched(Protocol):
    """A run to wait for: its folder, and what a person calls it."""

    @property
    def folder(self) -> RunFolder: ...
    @property
    def label(self) -> str: ...


class Watcher:
    """Prints one line per run as it ends: it looks at the folders.

    Args:
        members: the runs to wait for.
        console: where to.
        every: seconds between two looks.
    """

    def __init__(
        self,
        members: Sequence[Watched],
        console: Console,
        every: float = 0.5,
    ) -> None:
        self.waiting = {member.folder.run_id: member for member in members}
        self.total = len(members)
        self.console = console
        self.every = every
        self.started = time.time()
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.attempts = {name: m.folder.attempts() for name, m in self.waiting.items()}

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *error: object) -> None:
        self.stopped.set()
        self.thread.join()
        self._look()

    def _watch(self) -> None:
        while not self.stopped.wait(self.every):
            self._look()

    def _look(self) -> None:
        for name, member in list(self.waiting.items()):
            result = self._result(name, member.folder)
            if result is not None:
                del self.waiting[name]
                count = self.total - len(self.waiting)
                width = len(str(self.total))
                self.console.print(
                    f"\\[{count:{width}}/{self.total}] {member.label}  {result}{self._eta(count)}",
                    soft_wrap=True,
                    highlight=False,
                )

    def _result(self, name: str, folder: RunFolder) -> str | None:
        """What to say of a run that has ended since the start; None while it has not."""
        path = folder.path / "record.json"
        if path.is_file() and path.stat().st_mtime >= self.started - 1:
            record = folder.record()
            return None if record is None else _summary(record)
        if folder.attempts() > self.attempts[name]:
            return f"[red]failed[/] {escape((folder.failure() or {})['error'])}"
        return None

    def _eta(self, count: int) -> str:
        left = (time.time() - self.started) / count * (self.total - count)
        return f"  [dim]{duration(left)} left[/]" if count < self.total else ""


def duration(seconds: float) -> str:
    """`0:58`, `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _summary(record: dict[str, Any]) -> str:
    if record["status"] == "diverged":
        return f"[red]diverged[/] in epoch {record['epoch']}"
    metrics = record["metrics"]
    shown = [name for name in ("val/acc", "test/acc") if name in metrics] or ["train/loss"]
    scores = "  ".join(f"{name} {metrics[name]:.4f}" for name in shown)
    return f"{scores}  {record['train_seconds']:.1f} s"
