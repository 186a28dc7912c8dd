"""The company of a stack: the runs that began together. Imports no torch.

The last bits of a stacked run depend on the runs beside it. So `.stacks/<id>.company` in the
sweep's folder names these runs, with their configs, before the first of them begins. After a kill,
a command that trains any of them trains all of them that are not done. So the stack is the same
again, whatever had been written before the kill.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqsweep.runs.files import read_object, write_text
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.saved_config import member_of, targets

FOLDER = ".stacks"


@dataclass(frozen=True)
class Company:
    """Runs that began in one stack.

    Args:
        path: the file that names the runs.
        configs: the config of each run by its run_id, in the order of the stack.
    """

    path: Path
    configs: Mapping[str, dict[str, Any]]


def begun_with(members: Mapping[str, PlannedRun], root: Path) -> list[list[PlannedRun]]:
    """Returns the unfinished runs of the companies in which some began.

    Runs of a company that are not among the given ones are planned from its file.

    Args:
        members: planned runs by run_id. One with `rerun=true` starts again, in another company.
        root: the folder of the runs.

    Raises:
        ValueError, TypeError, OSError: the config of a run in a file is refused.
    """
    left = {name: member for name, member in members.items() if not member.config["rerun"]}
    # A run of the same company may build what the user's own configs build.
    allowed = {name for member in left.values() for name in targets(member.config)}
    begun: list[list[PlannedRun]] = []
    for company in companies(root):
        if left.keys().isdisjoint(company.configs):
            continue
        begun.append(
            [
                left.get(name) or member_of(config, [*allowed], company.path)
                for name, config in company.configs.items()
                if RunFolder(root / name).record() is None
            ]
        )
        # A run that an interrupted write has left in two companies trains only once.
        left = {name: left[name] for name in left if name not in company.configs}
    return begun


def companies(root: Path) -> list[Company]:
    """Returns the companies of a sweep's folder, sorted by file name."""
    paths = sorted((root / FOLDER).glob("*.company"))
    read = [Company(path, read_object(path)) for path in paths]
    return [company for company in read if all(map(_is_config, company.configs.values()))]


def _is_config(value: object) -> bool:
    return isinstance(value, dict)


def keep_company(root: Path, members: Sequence[PlannedRun]) -> None:
    """Records that these members begin together; it is on disk when this returns.

    A file that names all of them stays, even if it also names members that are done by now. Any
    other file that names one of them is outdated, for example after `rerun=true`.
    """
    names = {member.run_id for member in members}
    before = [company for company in companies(root) if names & company.configs.keys()]
    reruns = members[0].config["rerun"]
    if any(names <= company.configs.keys() for company in before) and not reruns:
        return
    text = json.dumps({member.run_id: member.config for member in members})
    identity = hashlib.sha256(json.dumps(sorted(names)).encode()).hexdigest()[:16]
    path = root / FOLDER / f"{identity}.company"
    path.parent.mkdir(exist_ok=True)
    write_text(path, text)
    os.sync()  # the file's name is on disk, too, before the folder of a run can be
    for company in before:
        if company.path != path:
            company.path.unlink(missing_ok=True)
