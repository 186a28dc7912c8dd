"""One run, from its config to its record, by whichever engine trains it."""

from pathlib import Path

from lightning.pytorch.callbacks import Callback

from seqsweep.training.autograd import train_by_autograd
from seqsweep.training.engine import engine_of
from seqsweep.training.planning import Member, Outcome
from seqsweep.training.stacks.run import train_stack
from seqsweep.training.trainer import takes_gpu


def train(
    member: Member, root: Path, progress: Callback | None = None, hidden: int | None = None
) -> Outcome:
    """Trains one run in `root`/run_id, from where an earlier attempt was stopped or killed.

    Args:
        member: a checked and identified config.
        root: the folder of the runs.
        progress: a progress bar for a terminal.
        hidden: the width that its stack pads it to, if it has to be the one of an earlier run.

    Raises:
        ValueError, TypeError, OSError: the config cannot be built; nothing has been written.
        Locked: another process trains this run.
        Interrupted: a signal came; the run goes on from its last epoch next time.
        RunFailed: training failed; failure.json holds the traceback.
    """
    if engine_of(member.config, 1, takes_gpu) == "autograd":
        return train_by_autograd(member, root, progress)
    (outcome,) = train_stack([member], root, progress, hidden)
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome
