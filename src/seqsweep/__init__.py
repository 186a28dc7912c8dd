"""seqsweep: train RNN sequence classifiers and sweep their configs."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from seqsweep.results.frame import DataFrame


def load_sweep(folder: "Path | str") -> "DataFrame":
    """A sweep's folder as a table, one row a run: see `seqsweep.results.frame.load_sweep`."""
    from seqsweep.results import frame  # here: `import seqsweep` stays instant

    return frame.load_sweep(folder)


def load_curves(folder: "Path | str") -> "DataFrame":
    """The curves of its runs, one row an epoch: see `seqsweep.results.frame.load_curves`."""
    from seqsweep.results import frame

    return frame.load_curves(folder)
