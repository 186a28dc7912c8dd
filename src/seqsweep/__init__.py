"""Trains RNN sequence classifiers and sweeps their configs.

The names below are imported when they are first used: `import seqsweep` alone imports no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqsweep.config.from_overrides import compose
    from seqsweep.data.datamodule import SequenceDataModule
    from seqsweep.data.raw import make_sequences
    from seqsweep.data.sequences import Sequences, Splits
    from seqsweep.models.cell import Cell
    from seqsweep.models.classifier import (
        BiDirectionalRNN,
        MultiLayerRNN,
        RNNClassifier,
        SimpleRNN,
    )
    from seqsweep.models.module import SequenceClassifier
    from seqsweep.results.frame import compare_by, load_board, load_curves, load_sweep
    from seqsweep.sweeping.api import sweep, train
    from seqsweep.training.exact_resume import ExactResume
    from seqsweep.using.ensemble import load_ensemble
    from seqsweep.using.load import load_run

    __version__: str

__all__ = [
    "BiDirectionalRNN",
    "Cell",
    "ExactResume",
    "MultiLayerRNN",
    "RNNClassifier",
    "SequenceClassifier",
    "SequenceDataModule",
    "Sequences",
    "SimpleRNN",
    "Splits",
    "__version__",
    "compare_by",
    "compose",
    "load_board",
    "load_curves",
    "load_ensemble",
    "load_run",
    "load_sweep",
    "make_sequences",
    "sweep",
    "train",
]

# A type checker reads the imports above, and Python reads this table. A test compares the two.
_MODULES = {
    "BiDirectionalRNN": "models.classifier",
    "Cell": "models.cell",
    "ExactResume": "training.exact_resume",
    "MultiLayerRNN": "models.classifier",
    "RNNClassifier": "models.classifier",
    "SequenceClassifier": "models.module",
    "SequenceDataModule": "data.datamodule",
    "Sequences": "data.sequences",
    "SimpleRNN": "models.classifier",
    "Splits": "data.sequences",
    "compare_by": "results.frame",
    "compose": "config.from_overrides",
    "load_board": "results.frame",
    "load_curves": "results.frame",
    "load_ensemble": "using.ensemble",
    "load_run": "using.load",
    "load_sweep": "results.frame",
    "make_sequences": "data.raw",
    "sweep": "sweeping.api",
    "train": "sweeping.api",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # takes longer than the rest of this module

        value = version("seqsweep")
    elif name in _MODULES:
        value = getattr(import_module(f"seqsweep.{_MODULES[name]}"), name)
    else:
        raise AttributeError(f"module 'seqsweep' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
