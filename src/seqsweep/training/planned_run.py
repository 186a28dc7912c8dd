"""What a config will be called, found before anything is trained and without importing torch."""

import functools
from dataclasses import dataclass
from typing import Any

from seqsweep.config.schema import Config
from seqsweep.data.contents import contents
from seqsweep.data.notes import notes
from seqsweep.data.sequences import Splits
from seqsweep.runs.identity import flatten, run_id
from seqsweep.training.data_cache import data_fingerprint, prepared, translate_memory_errors
from seqsweep.training.network_size import check_network_size


@dataclass(frozen=True)
class PlannedRun:
    """A checked config and what follows from it."""

    config: Config
    run_id: str
    data_fingerprint: str | None
    splits: dict[str, dict[str, Any]] | None = None
    """The `contents` of each split; None for data that cannot be read beforehand."""
    notes: tuple[str, ...] = ()
    """The notes on the data for the user, a line each."""

    def record(self, status: str, result: dict[str, Any]) -> dict[str, Any]:
        """What record.json says: the result, and all that a table needs to know of the config."""
        return {
            "run_id": self.run_id,
            "status": status,
            **result,
            "data_fingerprint": self.data_fingerprint,
            **({} if self.splits is None else {"splits": self.splits}),
            "config": dict(flatten(self.config)),
        }


@translate_memory_errors()
def plan(config: Config) -> PlannedRun:
    """Identifies a run and refuses data that it could not train on.

    Raises:
        ValueError, TypeError, OSError: what the source, `prepare` or `check_batch_size` refuse.
    """
    fingerprint = data_fingerprint(config)
    if fingerprint is None:
        return PlannedRun(config, run_id(config, None), None)
    splits = prepared(config)
    check_network_size(config, splits)
    held, lines = _described(splits)
    return PlannedRun(config, run_id(config, fingerprint), fingerprint, held, lines)


@functools.lru_cache(maxsize=8)
def _described(splits: Splits) -> tuple[dict[str, dict[str, Any]], tuple[str, ...]]:
    """Contents and notes of prepared splits."""
    held = contents(splits)
    return held, notes(splits, held)
