"""Plans and checks a sweep's members (its runs). Imports no torch."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from seqsweep.config.compose import MemberComposer
from seqsweep.config.messages import with_place
from seqsweep.config.shape.axes import Axis, Grid
from seqsweep.config.shape.expansion import Expansion
from seqsweep.console import place, print_lines, print_notes
from seqsweep.importing import without_collections
from seqsweep.results.data_sets import data_sets
from seqsweep.results.formatting import key_names, run_label
from seqsweep.results.keys import label_keys
from seqsweep.runs.files import folders_with
from seqsweep.runs.metrics import ranking_metric
from seqsweep.runs.run_folder import RunFolder
from seqsweep.sweeping.estimates import engine_notes, epoch_seconds
from seqsweep.sweeping.queue import SweepMember
from seqsweep.text import count
from seqsweep.training.planned_run import PlannedRun, plan


def plan_members(
    jobs: Sequence[Sequence[str]] | Expansion, compose: MemberComposer, folder: Path
) -> list[SweepMember]:
    """Returns the distinct members in the order of the sweep.

    Args:
        jobs: the overrides of each member, or an `Expansion` that yields these overrides.

    Raises:
        ValueError, TypeError, OSError: a config or its data are refused; the message says where
            the value was set.
    """
    planned: dict[str, tuple[Sequence[str], PlannedRun]] = {}
    outputs: dict[str, None] = {}
    if not jobs:  # a search may have nothing more to try
        return []
    expansion = jobs if isinstance(jobs, Expansion) else Expansion(Grid([Axis((), jobs)]))
    for overrides, config, listed in expansion.jobs(compose):
        try:
            member = plan(config)
            outputs[member.config["output_dir"]] = None
            if len(outputs) > 1:
                raise ValueError(f"output_dir={','.join(outputs)}: a sweep has one output_dir")
        except (ValueError, TypeError, OSError) as error:
            raise expansion.placed(error, overrides, listed, compose) from error
        planned.setdefault(member.run_id, (overrides, member))
    # Two directions of one metric, which no table could rank, are refused before the training.
    ranking_metric(run.flat for _, run in planned.values())
    members = [
        SweepMember.of(
            run,
            RunFolder(folder / run.run_id),
            overrides=overrides,
            label="",
            epoch_seconds=epoch_seconds(run, "native"),
        )
        for overrides, run in planned.values()
    ]
    return labelled(members)


def labelled(members: Sequence[SweepMember]) -> list[SweepMember]:
    """Returns members with labels made of the keys in which they differ."""
    configs = [member.flat for member in members]
    keys = key_names(label_keys(configs), configs)
    return [replace(member, label=run_label(member.flat, keys)) for member in members]


def build_each(members: Sequence[SweepMember], compose: MemberComposer) -> None:
    """Builds every member's parts (network, optimizer), to find mistakes early.

    Raises:
        ValueError, TypeError, OSError: a constructor refuses its arguments; the message says where
            they were set.
    """
    # Imported here, because a sweep that is complete does not need torch.
    with without_collections():
        from seqsweep.training.train import check_parts

    # Members that differ only in their seeds have the same parts.
    distinct = {json.dumps(m.config | {"seed": 0}, sort_keys=True): m for m in members}
    for member in distinct.values():
        try:
            check_parts(member, member.folder.path.parent)
        except (ValueError, TypeError, OSError) as error:
            raise with_place(error, compose.full(member.overrides).hydra) from error


def _notes_on_data(members: Sequence[SweepMember]) -> list[str]:
    """Returns the notes on the data; of several data sets, each is named."""
    configs = {member.data_fingerprint: member.flat for member in members}
    sets = data_sets([], configs.values())
    names = {id(config): one.name for one in sets for config in one.planned}
    lines: list[str] = []
    for member in members:
        name = names[id(configs[member.data_fingerprint])]
        # Some notes begin with the file, which names the data set already.
        head = f"{name}: " if len(sets) > 1 else ""
        lines += [note if name in note else f"{head}{note}" for note in member.notes]
    return lines


def say_plan(
    members: Sequence[SweepMember],
    pending: Sequence[SweepMember],
    jobs: int,
    folder: Path,
    console: Console,
    described: Sequence[str] = (),
    processes: int = 0,
) -> None:
    """Prints how many members are done and how many remain, with notes.

    Args:
        jobs: the number of configs that the command names, with repetitions.
        described: lines that say how many runs of the grid belong to the sweep.
        processes: the processes that train runs of autograd; 0 if they cannot be chosen.
    """
    doubles = jobs - len(members)
    done = len(members) - len(pending)
    line = (
        f"sweep of {count(len(members), 'run')} in {place(folder)}: {done} done, "
        f"{len(pending)} to train" + (f" ({doubles} given twice)" if doubles else "")
    )
    print_lines(console, *described, line)
    notes = engine_notes(pending, processes)
    print_notes([*notes, *_notes_on_data(members)], console)
    known = {member.run_id for member in members}
    paths = [path for path in folders_with(folder, "record.json") if path.name not in known]
    if others := sum(RunFolder(path).record() is not None for path in paths):
        which = "run of an earlier command is" if others == 1 else "runs of earlier commands are"
        line = f"{others} more {which} in this folder; leaderboard and report show them too"
        print_lines(console, line, style="yellow")
