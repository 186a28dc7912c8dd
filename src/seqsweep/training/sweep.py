"""A sweep, from its members' configs to its leaderboard. Imports no torch: its jobs do."""

import json
import shlex
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.console import Console
from rich.markup import escape

from seqsweep.command import command_line, restore_subcommand
from seqsweep.config.locate import with_place
from seqsweep.config.schema import check
from seqsweep.results.leaderboard import leaderboard
from seqsweep.results.tables import leaderboard_table, print_table, show_value
from seqsweep.runs.identity import flatten
from seqsweep.runs.ledger import differing_keys, read_run, short_names
from seqsweep.runs.record import RunFolder
from seqsweep.training.planning import Member, finished, plan

Compose = Callable[[Sequence[str]], DictConfig]
Launch = Callable[[Sequence[Sequence[str]]], Any]


@dataclass(frozen=True)
class SweepMember:
    """A member's overrides as Hydra takes them, its config, its folder and its name for people."""

    overrides: Sequence[str]
    member: Member
    folder: RunFolder
    label: str


def run_sweep(
    jobs: Sequence[Sequence[str]], compose: Compose, launch: Launch, folder: Path, console: Console
) -> int:
    """Trains the members that are not complete and prints the leaderboard.

    All members are checked before the first one starts. Returns how many did not complete.

    Raises:
        ValueError, TypeError, OSError: a member's config or data are refused; nothing was started.
    """
    restore_subcommand()
    started = time.monotonic()
    members = plan_members(jobs, compose, folder)
    pending = [member for member in members if finished(member.member, folder) is None]
    doubles = len(jobs) - len(members)
    console.print(
        f"sweep of {len(members)} runs in {folder}: {len(members) - len(pending)} complete, "
        f"{len(pending)} to train" + (f" ({doubles} given twice)" if doubles else ""),
        soft_wrap=True,
        highlight=False,
    )
    if pending:
        _build_each(pending, compose)
        with Watcher(pending, console):
            launch([member.overrides for member in pending])
    return _conclude(members, folder, console, time.monotonic() - started)


def plan_members(
    jobs: Sequence[Sequence[str]], compose: Compose, folder: Path
) -> list[SweepMember]:
    """The distinct members, in the order of the sweep; equal configs are one run."""
    planned: dict[str, tuple[Sequence[str], Member]] = {}
    for overrides in jobs:
        config = compose(overrides)
        try:
            member = plan(check(config))
        except (ValueError, TypeError, OSError) as error:
            raise with_place(error, config.hydra) from error
        planned.setdefault(member.run_id, (overrides, member))
    flat = {run_id: dict(flatten(member.config)) for run_id, (_, member) in planned.items()}
    keys = short_names(differing_keys(list(flat.values())))
    return [
        SweepMember(overrides, member, RunFolder(folder / run_id), _label(flat[run_id], keys))
        for run_id, (overrides, member) in planned.items()
    ]


def _build_each(members: Sequence[SweepMember], compose: Compose) -> None:
    """Builds the parts of every member, once for all seeds, and throws them away.

    Raises:
        ValueError, TypeError, OSError: what a constructor refuses, before anything has started.
    """
    # Imported here: a sweep that is complete never needs torch.
    from seqsweep.training.train import build_run

    distinct = {json.dumps(m.member.config | {"seed": 0}, sort_keys=True): m for m in members}
    for member in distinct.values():
        try:
            build_run(member.member.config, member.folder)
        except (ValueError, TypeError, OSError) as error:
            raise with_place(error, compose(member.overrides).hydra) from error


class Watcher:
    """Prints one line per run as it ends, whatever launcher trains it: it looks at the folders."""

    def __init__(
        self, members: Sequence[SweepMember], console: Console, every: float = 0.5
    ) -> None:
        self.waiting = {member.folder.run_id: member for member in members}
        self.total = len(members)
        self.console = console
        self.every = every
        self.started = time.time()
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.attempts = {name: _attempts(m.folder) for name, m in self.waiting.items()}

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
        if _attempts(folder) > self.attempts[name]:
            return f"[red]failed[/] {escape((folder.failure() or {})['error'])}"
        return None

    def _eta(self, count: int) -> str:
        left = (time.time() - self.started) / count * (self.total - count)
        return f"  [dim]{_duration(left)} left[/]" if count < self.total else ""


def _conclude(
    members: Sequence[SweepMember], folder: Path, console: Console, seconds: float
) -> int:
    entries = [read_run(member.folder) for member in members]
    complete = [entry for entry in entries if entry.record is not None]
    if complete:
        print_table(console, leaderboard_table(leaderboard(complete)))
    failed = len(members) - len(complete)
    lines = [
        f"{len(complete)} of {len(members)} runs complete ({_duration(seconds)}); look at them by",
        f"  tensorboard --logdir {shlex.quote(str(folder))}",
    ]
    if failed:
        lines += [
            f"[red]{failed} of {len(members)} runs did not complete[/]; why:",
            f"  seqsweep status {shlex.quote(str(folder))}",
            "this trains what is missing:",
            f"  {escape(shlex.join(command_line()))}",
        ]
    console.print("\n".join(lines), soft_wrap=True, highlight=False)
    return failed


def _summary(record: dict[str, Any]) -> str:
    metrics = record["metrics"]
    shown = [name for name in ("val/acc", "test/acc") if name in metrics] or ["train/loss"]
    scores = "  ".join(f"{name} {metrics[name]:.4f}" for name in shown)
    return f"{scores}  {record['train_seconds']:.1f} s"


def _label(config: dict[str, Any], keys: dict[str, str]) -> str:
    return " ".join(f"{name}={show_value(config.get(key))}" for key, name in keys.items())


def _attempts(folder: RunFolder) -> int:
    return (folder.failure() or {}).get("attempts", 0)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
