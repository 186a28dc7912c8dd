"""The file that holds the state of a stack between epochs.

A stack of one keeps its state as any run does, in `checkpoints/last.ckpt`. A larger stack would
write hundreds of files after each epoch. So it writes `.stacks/<id>.ckpt` in the sweep's folder,
with the names of its members in `<id>.json`. This file is cut into the members' own checkpoints
when they end, or when they resume.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from seqsweep.runs.files import link, read_json, say_once, write_text
from seqsweep.training.checkpoints import Damaged, load_sealed, save_in_run, save_sealed, say
from seqsweep.training.engines.joint.member import TrainingMember
from seqsweep.training.engines.stacked.company import FOLDER
from seqsweep.training.engines.stacked.state import Checkpoint, Stack, cut


class StackFile:
    """The checkpoint of a stack of several members, and the one before it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.previous = path.with_suffix(".previous.ckpt")
        self.names = path.with_suffix(".json")

    @classmethod
    def of(cls, root: Path, members: Sequence[TrainingMember]) -> "StackFile":
        """Returns the file of these members; its names are on disk."""
        names = json.dumps([member.run_id for member in members])
        name = hashlib.sha256(names.encode()).hexdigest()[:16]
        file = cls(root / FOLDER / f"{name}.ckpt")
        file.path.parent.mkdir(exist_ok=True)
        # A state without names would not be found, so the names are written before the first state.
        write_text(file.names, names, sync=False)
        return file

    @classmethod
    def all(cls, root: Path) -> "list[StackFile]":
        """Returns the files of all stacks in a sweep's folder."""
        return [cls(path.with_suffix(".ckpt")) for path in sorted((root / FOLDER).glob("*.json"))]

    def run_ids(self) -> list[str]:
        """Returns the run_ids of the stack's members."""
        names = read_json(self.names)
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            return names
        if names is not None:
            say_once(f"{self.names}: must be a list of run_ids; it counts as missing")
        return []

    def save(self, stack: Stack) -> None:
        """Writes the state of a stack atomically, and keeps the previous one."""
        new = self.path.with_suffix(".next.ckpt")
        save_sealed(stack.state_dict(), new, confirm=lambda: _check_all_held(stack))
        if self.path.exists():
            link(self.path, self.previous)
        new.replace(self.path)

    def load(self) -> Checkpoint | None:
        """Loads the newest state that is not damaged; None if there is none."""
        for path in (self.path, self.previous):
            try:
                return load_sealed(path)
            except FileNotFoundError:
                continue
            except Damaged as error:
                say(f"{error}; resuming from the checkpoint before it, or from the start")
        return None

    def remove(self) -> None:
        """Removes the stack's files, also those that a kill has left half written."""
        # The names of temporary files begin with a dot, hence the star before the stem.
        for path in self.path.parent.glob(f"*{self.path.stem}.*"):
            path.unlink(missing_ok=True)


def _check_all_held(stack: Stack) -> None:
    """Raises LockLost if another process trains one of the members now."""
    for member in stack.members:
        member.folder.check_held()


def extract_members(root: Path, members: Sequence[TrainingMember]) -> None:
    """Gives members whose stack was interrupted their own checkpoints.

    A member that has one already is not part of the stack's state yet: `StackCheckpoint` removes
    the members' own checkpoints with the first state that it saves.
    """
    by_id = {member.run_id: member for member in members}
    for file in StackFile.all(root):
        in_file = [by_id[name] for name in file.run_ids() if name in by_id]
        without = [member for member in in_file if not _last(root, member.run_id).exists()]
        if without:
            _extract_members(file, without)
        # Members of other commands may still need the file, so each name in it counts.
        if in_file and all(_is_out(root, name) for name in file.run_ids()):
            file.remove()


def _extract_members(file: StackFile, members: Sequence[TrainingMember]) -> None:
    checkpoint = file.load()
    if checkpoint is None:
        return
    try:
        run_ids = set(checkpoint["run_ids"])
        save_members(checkpoint, [member for member in members if member.run_id in run_ids])
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError):
        # The digest is right, but the content may be anything, so any of these may be raised.
        say(f"{file.path} is not a checkpoint of a stack; its runs are trained from the start")


def _last(root: Path, run_id: str) -> Path:
    """Returns the path of a member's own last checkpoint."""
    return root / run_id / "checkpoints" / "last.ckpt"


def _is_out(root: Path, run_id: str) -> bool:
    """Returns whether a run no longer needs its stack's file."""
    return _last(root, run_id).exists() or (root / run_id / "record.json").exists()


def save_members(
    checkpoint: Checkpoint, members: Sequence[TrainingMember], sync: bool = True
) -> None:
    """Writes best.ckpt and last.ckpt of members from the state of their stack."""
    for member in members:
        last, best = cut(checkpoint, member)
        folder = member.folder.path / "checkpoints"
        # The last checkpoint comes last: once it exists, a run can resume.
        if best["epoch"] == last["epoch"]:
            save_in_run(last, folder / "best.ckpt", sync)
            link(folder / "best.ckpt", folder / "last.ckpt")
            continue
        if best["epoch"] is not None:
            save_in_run(best, folder / "best.ckpt", sync)
        save_in_run(last, folder / "last.ckpt", sync)
