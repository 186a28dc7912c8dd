"""What a sweep would do, and whether stacks do what separate runs do. Imports no torch."""

from collections.abc import Collection, Sequence
from pathlib import Path

from rich.console import Console

from seqsweep.command import option, restore_subcommand
from seqsweep.config.compose import MemberComposer
from seqsweep.results.progress import duration
from seqsweep.results.wording import count
from seqsweep.runs.record import RunFolder
from seqsweep.training.launching import SweepMember
from seqsweep.training.members import build_each, plan_members, say_plan
from seqsweep.training.stacks.forming import form, may_take_gpu

_MOST_LINES = 250
"""The number of first and of last members of a larger sweep that are listed."""


def show_plan(
    jobs: Sequence[Sequence[str]], compose: MemberComposer, folder: Path, console: Console
) -> None:
    """Says what `run_sweep` would do: each member, how it stands, what the rest will take.

    Raises:
        ValueError, TypeError, OSError: as `run_sweep`.
    """
    restore_subcommand()
    members = plan_members(jobs, compose, folder)
    pending = [member for member in members if not member.is_done()]
    to_train = {member.folder.run_id for member in pending}
    first, last = members[:_MOST_LINES], members[max(_MOST_LINES, len(members) - _MOST_LINES) :]
    lines = [_line(member, to_train) for member in first]
    if left_out := len(members) - len(first) - len(last):
        lines.append(f"... {left_out:,} more")
    lines += [_line(member, to_train) for member in last]
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    say_plan(members, pending, len(jobs), folder, console)
    done = [member.folder for member in members if member.folder.run_id not in to_train]
    for line in _stacks(pending, folder):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    console.print(_estimate(done, len(pending)), soft_wrap=True, highlight=False)


def _line(member: SweepMember, to_train: Collection[str]) -> str:
    """A member's run_id, how it stands, and its label."""
    run_id = member.folder.run_id
    state = "to train" if run_id in to_train else member.folder.state()
    if run_id in to_train and member.folder.path.is_dir():
        state = f"{member.folder.state()}, to resume"
    return f"{run_id}  {state:9}  {member.label}"


def verify_members(
    jobs: Sequence[Sequence[str]], compose: MemberComposer, folder: Path, console: Console
) -> int:
    """Trains some members stacked and separately, in a scratch folder; the exit code.

    Raises:
        ValueError, TypeError, OSError: as `run_sweep`.
    """
    restore_subcommand()
    members = plan_members(jobs, compose, folder)
    build_each(members, compose)
    # Imported here: planning needs no torch.
    from seqsweep.training.verify import verify_stack

    return verify_stack([m.member for m in members], int(option("members", "4")), console)


def _stacks(members: Sequence[SweepMember], folder: Path) -> list[str]:
    """How `hydra/launcher=stacked` would train them."""
    if not members:
        return []
    planned = form([member.member for member in members], folder, may_take_gpu)
    side_by_side = f" in {planned.processes} processes" if planned.processes > 1 else ""
    lines = [f"{count(len(planned.stacks), 'stack')}{side_by_side} (seconds by the cost model):"]
    lines += [f"  {stack.text()}, {stack.seconds:.1f} s" for stack in planned.stacks]
    if planned.alone:
        lines.append(f"  {count(len(planned.alone), 'run')} one by one")
    return lines


def _estimate(done: Sequence[RunFolder], pending: int) -> str:
    """Time and space of what is left, from the mean of the runs that are done."""
    records = [record for folder in done if (record := folder.record())]
    seconds = [record["train_seconds"] for record in records if "train_seconds" in record]
    if not pending:
        return "nothing to train"
    if not seconds:
        return f"{pending} to train; no finished run yet to estimate their time from"
    sizes = [
        sum(path.stat().st_size for path in folder.path.rglob("*") if path.is_file())
        for folder in done
    ]
    time_left = duration(pending * sum(seconds) / len(seconds))
    space = pending * sum(sizes) / len(sizes) / 2**20
    return f"{pending} to train, about {time_left} one after another and {space:.0f} MiB"
