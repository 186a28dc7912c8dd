"""The base of the engines `native` and `stacked`."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import lightning as L
from lightning.pytorch.callbacks import Callback

from seqsweep.training.build_run import build_data
from seqsweep.training.checkpoints import load_sealed
from seqsweep.training.engines.joint.member import Checkpoint, TrainingMember
from seqsweep.training.engines.joint.schedule import Schedule
from seqsweep.training.engines.protocol import Begun, Engine
from seqsweep.training.loggers import PrintLoss
from seqsweep.training.trainer import build_trainer

T = TypeVar("T", bound=TrainingMember)


class Saved(NamedTuple):
    """The last and the best checkpoint of a member."""

    last: Checkpoint
    best: Checkpoint


class JointEngine(Engine[T]):
    """Trains members with equal data and Trainer options.

    Args:
        runs, root, progress: see `Engine`.
    """

    kind: type[T]

    def build(self) -> list[T]:
        self.data = build_data(self.runs[0].config)
        self.trainer = self.make_trainer()
        schedules: dict[str, Schedule] = {}
        members: list[T] = []
        for run in self.runs:
            folder = self.root / run.run_id
            try:
                member = self.kind(run, folder, self.data.splits, schedules)
            except (ValueError, TypeError, OSError) as error:
                self.outcomes[run.run_id] = error
                continue
            if not self.is_single:  # many at once would print into each other
                loggers = member.log.loggers
                loggers[:] = [logger for logger in loggers if not isinstance(logger, PrintLoss)]
            members.append(member)
        return members

    def make_trainer(self, **options: Any) -> L.Trainer:
        """Builds a Trainer for all members, which differ only in `options`."""
        config = self.runs[0].config["trainer"]
        section = {name: value for name, value in config.items() if name != "_target_"}
        # The engines validate and convert numbers themselves, not through the Trainer.
        section |= {"limit_val_batches": 0, "precision": "32"} | options
        callbacks: list[Callback] = [self.stop]
        if self.progress is not None:
            callbacks.append(self.progress)
        return build_trainer(
            **section,
            folder=self.root / self.runs[0].run_id if self.is_single else self.root,
            logger=[],
            callbacks=callbacks,
        )

    def load(self, begun: Sequence[Begun[T]]) -> list[tuple[T, Saved | None]]:
        """Loads the checkpoints of members; one whose files cannot be read fails."""
        loaded: list[tuple[T, Saved | None]] = []
        for member, path in begun:
            saved = None
            if path is not None:
                try:
                    saved = Saved(load_sealed(path), load_sealed(path.with_name("best.ckpt")))
                # A checkpoint that only this member needs must not end the others.
                except OSError as error:
                    self.fail(member, error)
                    continue
            loaded.append((member, saved))
        return loaded


def start_at_epoch(trainer: L.Trainer, epoch: int) -> None:
    """Makes a Trainer count its epochs from this one."""
    progress = trainer.fit_loop.epoch_progress.current
    # Lightning derives `current_epoch` from `processed`, and the others must agree with it.
    for stage in ("ready", "started", "processed", "completed"):
        setattr(progress, stage, epoch)
