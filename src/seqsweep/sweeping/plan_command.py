"""Prints what a sweep would train, for the command `plan`. Imports no torch."""

import io
from collections.abc import Collection
from pathlib import Path

from rich.console import Console

from seqsweep.command import current
from seqsweep.config.compose import MemberComposer
from seqsweep.config.shape.expansion import Expansion
from seqsweep.console import print_json, print_lines
from seqsweep.runs.files import JsonObject
from seqsweep.sweeping.estimates import (
    START_SECONDS,
    beside_seconds,
    describe_pool,
    pools_and_singles,
    seconds_of,
)
from seqsweep.sweeping.launchers import RunLauncher
from seqsweep.sweeping.members import plan_members, say_plan
from seqsweep.sweeping.processes import cores
from seqsweep.sweeping.queue import SweepMember
from seqsweep.text import count, duration

_MOST_LINES = 250
"""The most members that are listed from each end of a large sweep."""


def show_plan(
    jobs: Expansion, compose: MemberComposer, launcher: RunLauncher, folder: Path, console: Console
) -> int:
    """Prints members with their states and the estimated time; returns 0.

    Raises:
        ValueError, TypeError, OSError: a member's config or data are refused.
    """
    processes = launcher.processes
    is_json = "json" in current().options
    console = Console(file=io.StringIO()) if is_json else console
    members = plan_members(jobs, compose, folder)
    pending = [member for member in members if not member.was_done()]
    to_train = {member.run_id for member in pending}
    # The first key changes slowest, so one end of a long list would show only one of its values.
    first, last = members[:_MOST_LINES], members[max(_MOST_LINES, len(members) - _MOST_LINES) :]
    lines = [_line(_plain(member, to_train)) for member in first]
    if left_out := len(members) - len(first) - len(last):
        lines.append(f"... {left_out:,} more")
    lines += [_line(_plain(member, to_train)) for member in last]
    print_lines(console, *lines)
    say_plan(members, pending, jobs.runs, folder, console, jobs.described(), processes)
    pools, singles = pools_and_singles(pending)
    lines = [f"native on {count(cores(), 'thread')}: {describe_pool(pool)}" for pool in pools]
    if singles:
        how = f"in {processes} processes" if processes > 1 else "one by one"
        lines.append(f"autograd: {count(len(singles), 'run')}, {how}")
    print_lines(console, *lines)
    # Members of a pool train side by side, so their time is divided by the number of cores.
    seconds = sum(seconds_of(run, "native") for pool in pools for run in pool) / cores()
    seconds += beside_seconds(singles, max(1, processes)) if singles else 0
    seconds += START_SECONDS["autograd" if singles else "native"] if pending else 0
    # The operations of a user's own network are unknown.
    is_known = all(seconds_of(run, "autograd") for run in singles)
    words = "nothing to train"
    if pending:
        time = f"{'about' if is_known else 'at least'} {duration(seconds)}"
        words = f"{len(pending)} to train, {time} (by floating-point operations)"
    print_lines(console, words)
    if is_json:
        head = {"folder": str(folder), "done": len(members) - len(pending)}
        cost = {"seconds": seconds if is_known else None}
        runs = [_plain(member, to_train) for member in members]
        print_json(head | {"to_train": len(pending), "cost": cost, "runs": runs})
    limit = jobs.options.ask_above
    if limit is not None and len(pending) > limit:
        line = f"more than sweep.ask_above={limit}: train -m asks first, or takes --yes"
        print_lines(console, line)
    return 0


def _line(run: JsonObject) -> str:
    """Returns the line of a member: its run_id, state and label."""
    state = run["state"]
    if run["trains"]:
        state = "to train" if state == "not started" else f"{state}, to resume"
    return f"{run['run_id']}  {state:9}  {run['name']}"


def _plain(member: SweepMember, to_train: Collection[str]) -> JsonObject:
    """Returns what `--json` says about a member."""
    run_id, is_begun = member.run_id, member.folder.path.is_dir()
    state = member.folder.state() if is_begun else "not started"
    return {"run_id": run_id, "name": member.label, "state": state, "trains": run_id in to_train}
