"""The command `plan`. Imports no torch."""

import io
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from seqsweep.command import has_option, restore_subcommand
from seqsweep.config.compose import MemberComposer
from seqsweep.config.shape.expansion import Expansion
from seqsweep.console import print_json
from seqsweep.live.sweep_state import duration
from seqsweep.results.formatting import count
from seqsweep.runs.run_folder import RunFolder
from seqsweep.sweeping.forming import cores, form, gpu_available
from seqsweep.sweeping.members import plan_members, say_expansion, say_plan
from seqsweep.sweeping.queue import SweepMember

_MOST_LINES = 250
"""The number of members listed from the beginning and from the end of a large sweep."""

_MOST_SIZES = 500
"""The number of finished runs from which not every one is measured."""


def show_plan(jobs: Expansion, compose: MemberComposer, folder: Path, console: Console) -> None:
    """Prints what `run_sweep` would do: each member, its state, and the estimated time.

    Raises:
        ValueError, TypeError, OSError: a member's config or data are refused.
    """
    restore_subcommand()
    is_json = has_option("json")
    console = Console(file=io.StringIO()) if is_json else console
    members = plan_members(jobs, compose, folder)
    pending = [member for member in members if not member.was_done()]
    to_train = {member.run_id for member in pending}
    # The first key changes slowest, so one end of a long list would show one value of it.
    first, last = members[:_MOST_LINES], members[max(_MOST_LINES, len(members) - _MOST_LINES) :]
    lines = [_line(member, to_train) for member in first]
    if left_out := len(members) - len(first) - len(last):
        lines.append(f"... {left_out:,} more")
    lines += [_line(member, to_train) for member in last]
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    say_expansion(jobs, console)
    say_plan(members, pending, jobs.runs, folder, console)
    done = [member.folder for member in members if member.run_id not in to_train]
    groups = form(pending, gpu_available)
    pools = [group for group in groups if group.engine == "native"]
    alone = [group for group in groups if group.engine == "autograd"]
    lines = [f"native on {count(cores(), 'thread')}: {pool.text()}" for pool in pools]
    if alone:
        lines.append(f"autograd: {count(len(alone), 'run')}, one by one")
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    # Members of a pool train side by side.
    seconds = sum(pool.seconds for pool in pools) / cores() + sum(run.seconds for run in alone)
    is_known = all(run.seconds for run in alone)
    words, cost = _estimate(done, len(pending), seconds, is_known)
    console.print(words, soft_wrap=True, highlight=False)
    if is_json:
        head = {"folder": str(folder), "done": len(done), "to_train": len(pending), "cost": cost}
        print_json(head | {"runs": [_plain(member, to_train) for member in members]})
    limit = jobs.options.ask_above
    if limit is not None and len(pending) > limit:
        line = f"more than sweep.ask_above={limit}: train -m asks first, or takes --yes"
        console.print(line, soft_wrap=True, highlight=False)


def _line(member: SweepMember, to_train: Collection[str]) -> str:
    """Returns the run_id, the state and the label of a member."""
    run_id = member.run_id
    state = "to train" if run_id in to_train else member.folder.state()
    if run_id in to_train and member.folder.path.is_dir():
        state = f"{member.folder.state()}, to resume"
    return f"{run_id}  {state:9}  {member.label}"


def _plain(member: SweepMember, to_train: Collection[str]) -> dict[str, Any]:
    """Returns the line of a member for `--json`."""
    run_id, is_begun = member.run_id, member.folder.path.is_dir()
    state = member.folder.state() if is_begun else "not started"
    return {"run_id": run_id, "name": member.label, "state": state, "trains": run_id in to_train}


def _estimate(
    done: Sequence[RunFolder], pending: int, seconds: float, is_known: bool
) -> tuple[str, dict[str, Any]]:
    """Returns the estimated time and space of the runs, in words and in numbers.

    The space is estimated as the mean of the finished runs, or of some of very many.
    """
    if not pending:
        return "nothing to train", {"seconds": 0.0, "bytes": 0}
    # The cost of a network of the user's own is unknown and counts as zero.
    least = "about" if is_known else "at least"
    cost = {"seconds": seconds if is_known else None}
    time = duration(seconds)
    text = f"{pending} to train, {least} {time} (by floating-point operations)"
    sizes = [
        sum(path.stat().st_size for path in folder.path.rglob("*") if path.is_file())
        for folder in done[:: max(1, len(done) // _MOST_SIZES)]
    ]
    if not sizes:
        return f"{text}; no finished run yet to estimate their space from", cost
    size = pending * sum(sizes) / len(sizes)
    return f"{text} and {size / 2**20:.0f} MiB", cost | {"bytes": round(size)}
