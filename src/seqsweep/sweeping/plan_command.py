"""The command `plan`. Imports no torch."""

from collections.abc import Collection, Sequence
from pathlib import Path

from rich.console import Console

from seqsweep.command import restore_subcommand
from seqsweep.config.compose import MemberComposer
from seqsweep.config.shape.expansion import Expansion
from seqsweep.live.sweep_state import duration
from seqsweep.results.formatting import count
from seqsweep.runs.run_folder import RunFolder
from seqsweep.sweeping.forming import Plan, cores, form, gpu_available, seconds_of
from seqsweep.sweeping.members import (
    SweepMember,
    not_done,
    plan_members,
    say_expansion,
    say_plan,
)

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
    members = plan_members(jobs, compose, folder)
    pending = not_done(members)
    to_train = {member.folder.run_id for member in pending}
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
    done = [member.folder for member in members if member.folder.run_id not in to_train]
    planned = form([member.planned for member in pending], gpu_available)
    for line in _describe_groups(planned):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    console.print(_estimate(done, planned, len(pending)), soft_wrap=True, highlight=False)
    limit = jobs.options.ask_above
    if limit is not None and len(pending) > limit:
        line = f"more than sweep.ask_above={limit}: train -m asks first, or takes --yes"
        console.print(line, soft_wrap=True, highlight=False)


def _line(member: SweepMember, to_train: Collection[str]) -> str:
    """Returns the run_id, the state and the label of a member."""
    run_id = member.folder.run_id
    state = "to train" if run_id in to_train else member.folder.state()
    if run_id in to_train and member.folder.path.is_dir():
        state = f"{member.folder.state()}, to resume"
    return f"{run_id}  {state:9}  {member.label}"


def _describe_groups(planned: Plan) -> list[str]:
    """Describes the groups of `hydra/launcher=local` and the other runs in one line each."""
    threads = f" on {count(cores(), 'thread')}"
    lines = [f"native{threads}: {pool.text()}" for pool in planned.pools]
    if planned.alone:
        lines.append(f"autograd: {count(len(planned.alone), 'run')}, one by one")
    return lines


def _estimate(done: Sequence[RunFolder], planned: Plan, pending: int) -> str:
    """Describes the estimated time and disk space of the runs to train.

    The space is estimated as the mean of the finished runs, or of some of very many.
    """
    if not pending:
        return "nothing to train"
    # Members of a pool train side by side.
    seconds = sum(pool.seconds for pool in planned.pools) / cores()
    alone = [seconds_of(member, "autograd") for member in planned.alone]
    # The cost of a network of the user's own is unknown and counts as zero.
    least = "at least" if 0.0 in alone else "about"
    time = duration(seconds + sum(alone))
    text = f"{pending} to train, {least} {time} (by floating-point operations)"
    sizes = [
        sum(path.stat().st_size for path in folder.path.rglob("*") if path.is_file())
        for folder in done[:: max(1, len(done) // _MOST_SIZES)]
    ]
    if not sizes:
        return f"{text}; no finished run yet to estimate their space from"
    return f"{text} and {pending * sum(sizes) / len(sizes) / 2**20:.0f} MiB"
