"""The members of a sweep: found, named, checked before the first one starts. Imports no torch."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from seqsweep.config.compose import MemberComposer
from seqsweep.config.locate import with_place
from seqsweep.console import place, print_notes
from seqsweep.results.keys import label_keys
from seqsweep.results.wording import count, key_names, run_label, value_text
from seqsweep.runs.identity import flatten
from seqsweep.runs.ledger import differing_keys, read_run
from seqsweep.runs.record import RunFolder
from seqsweep.training.launching import SweepMember
from seqsweep.training.planning import Member, plan


def plan_members(
    jobs: Sequence[Sequence[str]], compose: MemberComposer, folder: Path
) -> list[SweepMember]:
    """The distinct members, in the order of the sweep; equal configs are one run."""
    planned: dict[str, tuple[Sequence[str], Member]] = {}
    outputs: dict[str, None] = {}
    for overrides in jobs:
        try:
            member = plan(compose.checked(overrides))
            outputs[member.config["output_dir"]] = None
            if len(outputs) > 1:
                raise ValueError(f"output_dir={','.join(outputs)}: a sweep has one output_dir")
        except (ValueError, TypeError, OSError) as error:
            raise with_place(error, compose.full(overrides).hydra) from error
        planned.setdefault(member.run_id, (overrides, member))
    flat = {run_id: dict(flatten(member.config)) for run_id, (_, member) in planned.items()}
    keys = key_names(label_keys(list(flat.values())))
    return [
        SweepMember(overrides, member, RunFolder(folder / run_id), run_label(flat[run_id], keys))
        for run_id, (overrides, member) in planned.items()
    ]


def build_each(members: Sequence[SweepMember], compose: MemberComposer) -> None:
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


def say_plan(
    members: Sequence[SweepMember],
    pending: Sequence[SweepMember],
    jobs: int,
    folder: Path,
    console: Console,
) -> None:
    doubles = jobs - len(members)
    done = len(members) - len(pending)
    line = (
        f"sweep of {count(len(members), 'run')} in {place(folder)}: {done} done, "
        f"{len(pending)} to train" + (f" ({doubles} given twice)" if doubles else "")
    )
    console.print(line, soft_wrap=True, highlight=False, markup=False)
    print_notes([note for member in members for note in member.member.notes], console)
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
                changed[f"{key} ({value_text(key, entry.config.get(key))} there)"] += 1
    most = ", ".join(name for name, _ in changed.most_common(5))
    why = f"; not of this sweep by {most}" if most else ""
    return [f"{len(paths)} other runs lie in this folder and stay apart{why}"]
