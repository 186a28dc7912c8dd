"""Where a stack keeps its state between epochs: one file for all its members.

A stack of one keeps it as any run does, in `checkpoints/last.ckpt`. A larger one would write
hundreds of files after each epoch; it writes `.stacks/<id>.ckpt` in the sweep's folder, to which a
link in each member's folder points, and cuts it into the members' own checkpoints when they end
or when they go on, in whatever company.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from seqsweep.runs.files import link, read_json
from seqsweep.training.checkpoints import Damaged, load_sealed, save_sealed, say
from seqsweep.training.stacks.members import StackMember
from seqsweep.training.stacks.stack import Checkpoint, Stack, cut

FOLDER = ".stacks"
POINTER = "stack.ckpt"


class StackFile:
    """The checkpoint of a stack of several, and the one before it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.previous = path.with_suffix(".previous.ckpt")

    @classmethod
    def of(cls, root: Path, members: Sequence[StackMember]) -> "StackFile":
        """That of these members, to which they point from now on."""
        names = ",".join(member.run_id for member in members)
        name = hashlib.sha256(names.encode()).hexdigest()[:16]
        file = cls(root / FOLDER / f"{name}.ckpt")
        file.path.parent.mkdir(exist_ok=True)
        for member in members:
            pointer = _pointer(member)
            pointer.unlink(missing_ok=True)
            pointer.symlink_to(os.path.relpath(file.path, pointer.parent))
        return file

    def save(self, stack: Stack) -> None:
        """Whole or not there; what it replaces stays as `previous`."""
        new = self.path.with_suffix(".next.ckpt")
        save_sealed(stack.state_dict(), new)
        if self.path.exists():
            link(self.path, self.previous)
        new.replace(self.path)

    def load(self) -> Checkpoint | None:
        """None where there is none, or none that is whole."""
        for path in (self.path, self.previous):
            try:
                return load_sealed(path)
            except FileNotFoundError:
                continue
            except Damaged as error:
                say(f"{error}; going on from the checkpoint before it, or from the start")
        return None

    def remove(self) -> None:
        for path in (self.path, self.previous, self.path.with_suffix(".next.ckpt")):
            path.unlink(missing_ok=True)


def take_out(members: Sequence[StackMember]) -> list[StackFile]:
    """Gives members whose stack was ended early their own checkpoints; returns their stacks' files.

    A member that has one already was not yet part of a stack's checkpoint.
    """
    loaded: dict[Path, Checkpoint | None] = {}
    for member in members:
        pointer = _pointer(member)
        if not pointer.is_symlink():
            continue
        path = pointer.parent / pointer.readlink()
        if not pointer.with_name("last.ckpt").exists():
            if path not in loaded:
                loaded[path] = StackFile(path).load()
            checkpoint = loaded[path]
            if checkpoint is not None and member.run_id in checkpoint["run_ids"]:
                save_members(checkpoint, [member])
        pointer.unlink(missing_ok=True)
    return [StackFile(path) for path in loaded]


def save_members(checkpoint: Checkpoint, members: Sequence[StackMember]) -> None:
    """Their own best.ckpt and last.ckpt, out of a stack's."""
    for member in members:
        last, best = cut(checkpoint, member)
        folder = member.folder.path / "checkpoints"
        if best["epoch"] is not None:
            save_sealed(best, folder / "best.ckpt")
        save_sealed(last, folder / "last.ckpt")
        _pointer(member).unlink(missing_ok=True)


def recorded_width(members: Sequence[StackMember]) -> int | None:
    """The width that runs which are to go on were padded to when they began."""
    origins = [read_json(member.folder.path / "provenance.json") or {} for member in members]
    widths = [origin["stack"]["hidden"] for origin in origins if "stack" in origin]
    return max(widths, default=None)


def _pointer(member: StackMember) -> Path:
    return member.folder.path / "checkpoints" / POINTER
