"""The `SummaryWriter` of a run, for the pictures, texts and numbers of a user's module."""

from pathlib import Path
from typing import Any

from torch.utils.tensorboard import FileWriter, SummaryWriter

from seqsweep.runs.events import EventFile


class RunSummaryWriter(SummaryWriter):
    """Writes each event at once into an event file of the run."""

    def __init__(self, folder: Path) -> None:
        # torch's own file would be open in every run, as Lightning asks loggers for `experiment`.
        self._events: Any = FileWriter.__new__(FileWriter)
        self._events.event_writer = EventFile(folder, ending="")
        self._events.get_logdir = self.get_logdir
        super().__init__(str(folder))

    def _get_file_writer(self) -> FileWriter:  # all methods of torch's class write by this one
        return self._events

    def add_hparams(self, *args: Any, **kwargs: Any) -> None:
        """Does nothing: a run has its config, and torch would make a run of it."""

    def add_scalars(self, main_tag: str, tag_scalar_dict: Any, *args: Any, **kwargs: Any) -> None:
        """Adds each number as `main_tag/tag`; torch would make a run of each."""
        for tag, value in tag_scalar_dict.items():
            self.add_scalar(f"{main_tag}/{tag}", value, *args, **kwargs)
