"""Plans a run: its run_id and its data. Imports no torch."""

import functools
from dataclasses import dataclass
from typing import Any

from seqsweep.config.schema import Config
from seqsweep.data.prepare import check_batch_size
from seqsweep.data.transforms import check_augmentation, transform_of
from seqsweep.runs.identity import SEMANTICS, flatten, run_id
from seqsweep.training.checks import check_network_size, check_symbols, with_sizes
from seqsweep.training.limits import Limits
from seqsweep.training.run_data import (
    DATA_MODULE,
    data_fingerprint,
    data_of,
    translate_memory_errors,
)
from seqsweep.training.user_code import with_code


@dataclass(frozen=True)
class PlannedRun:
    """A checked config with its run_id and its data."""

    config: Config
    """The checked config, with sizes from the data, and a digest if it names code of the user."""
    run_id: str
    data_fingerprint: str | None
    splits: dict[str, dict[str, Any]] | None = None
    """The `contents` of each split; None if the data are read only during training."""
    notes: tuple[str, ...] = ()
    """The notes on the data for the user, a line each."""
    recordings: str | None = None
    """A hash that is equal for all ways to read the same labelled recordings."""
    limits: Limits | None = None
    """The limits of a search; None if the run trains to its last epoch."""

    @functools.cached_property
    def flat(self) -> dict[str, Any]:
        """The config by dotted keys."""
        return dict(flatten(self.config))

    def record(self, status: str, result: dict[str, Any]) -> dict[str, Any]:
        """Returns the content of record.json: the result, and the config for tables."""
        return {
            "run_id": self.run_id,
            "semantics": SEMANTICS,
            "status": status,
            **result,
            "data_fingerprint": self.data_fingerprint,
            "recordings": self.recordings,
            **({} if self.splits is None else {"splits": self.splits}),
            "config": self.flat,
        }


@translate_memory_errors()
def plan(config: Config) -> PlannedRun:
    """Plans the run of a config; refuses data that cannot be trained on.

    Raises:
        ValueError, TypeError, OSError: the source, `prepare` or `check_batch_size` refuse the data.
    """
    fingerprint, config = data_fingerprint(config), with_code(config)
    # A user's own data module reads its data only in training, so nothing is known of them yet.
    if config["data"]["_target_"] != DATA_MODULE:
        name = run_id(config, fingerprint)
        return PlannedRun(config, name, fingerprint, recordings=fingerprint)
    data = data_of(config["data"])
    splits = data.prepared
    # These options change only what training does to the prepared splits.
    check_augmentation(transform_of(config["data"].get("transform")), splits.train)
    if config["data"]["batch_size"] != "auto":
        check_batch_size(config["data"]["batch_size"], splits)
    config = with_sizes(config, splits)
    check_symbols(config, splits)
    # The size is checked before the first run starts, where it costs nothing.
    check_network_size(config, splits)
    name = run_id(config, fingerprint)
    recordings = data.source.recordings
    return PlannedRun(config, name, fingerprint, data.contents, data.notes, recordings)
