"""A sweep, from its members' configs to its leaderboard. Imports no torch: its jobs do."""

import contextlib
import json
import shlex
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from seqsweep.command import command_line, option, restore_subcommand
from seqsweep.config.compose import MemberComposer
from seqsweep.config.locate import with_place
from seqsweep.results.leaderboard import leaderboard
from seqsweep.results.tables import leaderboard_table, print_table, show_value
from seqsweep.runs.identity import flatten
from seqsweep.runs.ledger import differing_keys, read_run, short_names
from seqsweep.runs.record import RunFolder
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.training.launching import Launch, SweepMember, Training
from seqsweep.training.planning import Interrupted, Member, plan
from seqsweep.training.stacks.forming import form, may_take_gpu
from seqsweep.training.summary import Renewing, write_summary
from seqsweep.training.watcher import duration


def run_sweep(
    jobs: Sequence[Sequence[str]],
    compose: MemberComposer,
    launch: Launch,
    folder: Path,
    console: Console,
) -> int:
    """Trains the members that are not done and prints the leaderboard.

    All members are checked before the first one starts. Returns the exit code: 0, 1 where some did
    not complete, 128 and its number where a signal ended the sweep.

    Raises:
        ValueError, TypeError, OSError: a member's config or data are refused; nothing was started.
    """
    restore_subcommand()
    started = time.monotonic()
    members = plan_members(jobs, compose, folder)
    pending = [member for member in members if not member.is_done()]
    _say_plan(members, pending, len(jobs), folder, console)
    if pending:
        _build_each(pending, compose)
    file = _sweep_file(members, pending)
    folder.mkdir(parents=True, exist_ok=True)
    file.write(folder)
    code = _train(pending, launch, folder, console) if pending else 0
    file.end(folder, time.time())
    reports = members[0].member.config["sweep"]["report"]
    if reports and (pending or not (folder / "report.html").exists()):
        _summarise(members, folder, console)
    failed = _conclude(members, folder, console, time.monotonic() - started)
    return code or int(failed > 0)


def _sweep_file(members: Sequence[SweepMember], pending: Sequence[SweepMember]) -> SweepFile:
    left = {member.folder.run_id for member in pending}
    configs = {m.folder.run_id: dict(flatten(m.member.config)) for m in members}
    done = frozenset(name for name in configs if name not in left)
    return SweepFile(command_line(), time.time(), configs, done)


def _train(pending: Sequence[SweepMember], launch: Launch, folder: Path, console: Console) -> int:
    """The exit code: 0, or 128 and the number of the signal that ended it."""
    reports = pending[0].member.config["sweep"]["report"]
    try:
        with Renewing(folder) if reports else contextlib.nullcontext():
            Training(pending, launch, folder, console).run()
    except Interrupted as error:
        console.print(f"[red]{error}[/]")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


def _summarise(members: Sequence[SweepMember], folder: Path, console: Console) -> None:
    for problem in write_summary([member.member for member in members], folder):
        console.print(f"[red]no report:[/] {escape(problem)}", soft_wrap=True, highlight=False)


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
    for member in members:
        state = "to train" if member in pending else member.folder.state()
        if member in pending and member.folder.path.is_dir():
            state = f"{member.folder.state()}, to go on"
        line = f"{member.folder.run_id}  {state:9}  {member.label}"
        console.print(line, soft_wrap=True, highlight=False)
    _say_plan(members, pending, len(jobs), folder, console)
    done = [member.folder for member in members if member not in pending]
    for line in _stacks(pending, folder):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    console.print(_estimate(done, len(pending)), soft_wrap=True, highlight=False)


def verify_members(
    jobs: Sequence[Sequence[str]], compose: MemberComposer, folder: Path, console: Console
) -> int:
    """Trains some members stacked and separately, in a scratch folder; the exit code.

    Raises:
        ValueError, TypeError, OSError: as `run_sweep`.
    """
    restore_subcommand()
    members = plan_members(jobs, compose, folder)
    _build_each(members, compose)
    # Imported here: planning needs no torch.
    from seqsweep.training.verify import verify_stack

    return verify_stack([m.member for m in members], int(option("members", "4")), console)


def plan_members(
    jobs: Sequence[Sequence[str]], compose: MemberComposer, folder: Path
) -> list[SweepMember]:
    """The distinct members, in the order of the sweep; equal configs are one run."""
    planned: dict[str, tuple[Sequence[str], Member]] = {}
    for overrides in jobs:
        try:
            member = plan(compose.checked(overrides))
        except (ValueError, TypeError, OSError) as error:
            raise with_place(error, compose.full(overrides).hydra) from error
        planned.setdefault(member.run_id, (overrides, member))
    flat = {run_id: dict(flatten(member.config)) for run_id, (_, member) in planned.items()}
    keys = short_names(differing_keys(list(flat.values())))
    return [
        SweepMember(overrides, member, RunFolder(folder / run_id), _label(flat[run_id], keys))
        for run_id, (overrides, member) in planned.items()
    ]


def _stacks(members: Sequence[SweepMember], folder: Path) -> list[str]:
    """How `hydra/launcher=stacked` would train them."""
    if not members:
        return []
    planned = form([member.member for member in members], folder, may_take_gpu)
    side_by_side = f" in {planned.processes} processes" if planned.processes > 1 else ""
    lines = [f"{len(planned.stacks)} stacks{side_by_side} (seconds by the cost model):"]
    lines += [f"  {stack.text()}, {stack.seconds:.1f} s" for stack in planned.stacks]
    if planned.alone:
        lines.append(f"  {len(planned.alone)} runs one by one")
    return lines


def _build_each(members: Sequence[SweepMember], compose: MemberComposer) -> None:
    """Builds the parts of every member, once for all seeds, and throws them away.

    Raises:
        ValueError, TypeError, OSError: what a constructor refuses, before anything has started.
    """
    # Imported here: a sweep that is complete never needs torch.
    from seqsweep.training.train import check_parts

    distinct = {json.dumps(m.member.config | {"seed": 0}, sort_keys=True): m for m in members}
    for member in distinct.values():
        try:
            check_parts(member.member, member.folder.path.parent)
        except (ValueError, TypeError, OSError) as error:
            raise with_place(error, compose.full(member.overrides).hydra) from error


def _say_plan(
    members: Sequence[SweepMember],
    pending: Sequence[SweepMember],
    jobs: int,
    folder: Path,
    console: Console,
) -> None:
    doubles = jobs - len(members)
    line = (
        f"sweep of {len(members)} runs in {folder}: {len(members) - len(pending)} done, "
        f"{len(pending)} to train" + (f" ({doubles} given twice)" if doubles else "")
    )
    console.print(line, soft_wrap=True, highlight=False, markup=False)
    for line in _others(members, folder):
        console.print(f"[yellow]{escape(line)}[/]", soft_wrap=True, highlight=False)


def _others(members: Sequence[SweepMember], folder: Path) -> list[str]:
    """Which runs of the folder are not this sweep's, and in which keys they differ from it."""
    known = {member.folder.run_id for member in members}
    paths = [p.parent for p in folder.glob("*/record.json") if p.parent.name not in known]
    if not paths:
        return []
    ours = [dict(flatten(member.member.config)) for member in members]
    values = {key: {json.dumps(config.get(key)) for config in ours} for key in ours[0]}
    changed: Counter[str] = Counter()
    for entry in (read_run(RunFolder(path)) for path in paths):
        for key in differing_keys([entry.config, ours[0]]):
            if json.dumps(entry.config.get(key)) not in values.get(key, set()):
                changed[f"{key} ({show_value(entry.config.get(key))} there)"] += 1
    most = ", ".join(name for name, _ in changed.most_common(5))
    why = f"; not of this sweep by {most}" if most else ""
    return [f"{len(paths)} other runs lie in this folder and stay apart{why}"]


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


def _conclude(
    members: Sequence[SweepMember], folder: Path, console: Console, seconds: float
) -> int:
    """The leaderboard and what to do next; returns how many are not done."""
    entries = [read_run(member.folder) for member in members]
    states = Counter(entry.state for entry in entries)
    if states["complete"]:
        print_table(console, leaderboard_table(leaderboard(entries)))
    diverged = f", {states['diverged']} diverged" if states["diverged"] else ""
    place = escape(shlex.quote(str(folder)))
    lines = [
        f"{states['complete']} of {len(members)} runs complete{diverged} ({duration(seconds)})"
    ]
    if (folder / "report.html").exists():
        lines.append(f"  {escape(str(folder / 'report.html'))}")
    if states["complete"]:
        lines.append(f"  seqsweep tensorboard {place}")
    left = len(members) - states["complete"] - states["diverged"]
    if left:
        started = [entry for entry in entries if entry.folder.path.is_dir()]
        ended = Counter(entry.state for entry in started)
        ended.subtract({"complete": states["complete"], "diverged": states["diverged"]})
        ended["not started"] = len(entries) - len(started)
        why = ", ".join(f"{count} {state}" for state, count in ended.items() if count)
        lines += [
            f"[red]{left} of {len(members)} runs did not complete ({why})[/]; why:",
            f"  seqsweep status {place}",
            "this trains what is missing:",
            f"  {escape(shlex.join(command_line()))}",
        ]
    console.print("\n".join(lines), soft_wrap=True, highlight=False)
    return left


def _label(config: dict[str, Any], keys: dict[str, str]) -> str:
    return " ".join(f"{name}={show_value(config.get(key))}" for key, name in keys.items())
