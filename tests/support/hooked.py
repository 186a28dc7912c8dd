"""Trains a run by autograd with a callback of a test in its Trainer."""

from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import Callback

from seqsweep.training.engines.autograd import AutogradEngine, AutogradRun
from seqsweep.training.outcome import Outcome
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.train import train_together


class Hooked(AutogradEngine):
    """The engine with a callback that the config, and so the run_id, does not know."""

    def __init__(self, run: PlannedRun, root: Path, callback: Callback) -> None:
        super().__init__([run], root, None)
        self.callback = callback

    def build(self) -> list[AutogradRun]:
        members = super().build()
        trainer: Any = self.run.parts.trainer
        trainer.callbacks.insert(2, self.callback)  # after those of every run
        return members


def train_with(run: PlannedRun, root: Path, callback: Callback) -> Outcome:
    """Trains a run as `train` does."""
    (outcome,) = train_together(Hooked(run, root, callback))
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome
