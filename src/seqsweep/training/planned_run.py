"""A planned run with its run_id. Imports no torch (which is slow)."""

import functools
from dataclasses import dataclass

from seqsweep.config.schema import Config
from seqsweep.data.transforms import transform_of
from seqsweep.runs.files import JsonObject
from seqsweep.runs.identity import CODE, DATA_MODULE, SEMANTICS, flatten, run_id
from seqsweep.runs.metrics import knows_metrics, monitor_of_config
from seqsweep.training.checks import check_network, with_sizes
from seqsweep.training.limits import Limits
from seqsweep.training.run_data import data_fingerprint, data_of, translate_memory_errors
from seqsweep.training.start import with_start
from seqsweep.training.user_code import with_code


@dataclass(frozen=True)
class PlannedRun:
    """A checked config with its run_id, and what is known about its data."""

    config: Config
    """The checked config, with sizes from the data, and a digest if it names code of the user."""
    run_id: str
    data_fingerprint: str | None
    splits: dict[str, JsonObject] | None = None
    """The size and fingerprint of each split; None if the data are read only during training."""
    notes: tuple[str, ...] = ()
    """The notes on the data for the user, one line each."""
    recordings: str | None = None
    """A hash of the source data, equal for texts read as characters or as words, for example."""
    limits: Limits | None = None
    """The limits of a search; None if the run trains to its last epoch."""

    @functools.cached_property
    def flat(self) -> Config:
        """The config by dotted keys."""
        return dict(flatten(self.config))

    def record(self, status: str, result: JsonObject) -> JsonObject:
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
        ValueError, TypeError, OSError: the data cannot be read, the config does not fit the data,
            or the user's code cannot be identified (see `user_code.code_of`).
    """
    fingerprint, config = data_fingerprint(config), with_start(with_code(config))
    notes = _notes_on_monitor(config)
    # A data module of the user reads data only in training, so the data are not known yet.
    if config["data"]["_target_"] != DATA_MODULE:
        name = run_id(config, fingerprint)
        # The module's code decides what its data are; the code of a network does not.
        recordings = fingerprint or with_code({"data": config["data"]}).get(CODE)
        return PlannedRun(config, name, fingerprint, notes=notes, recordings=recordings)
    data = data_of(config["data"])
    splits = data.prepared
    transform_of(config["data"].get("transform"))  # refuses wrong options of the training alone
    config = with_sizes(config, splits)
    # This is checked before the first run starts, when an error costs nothing.
    check_network(config, splits)
    name = run_id(config, fingerprint)
    notes, recordings = (*notes, *data.notes), data.source.recordings
    return PlannedRun(config, name, fingerprint, data.contents, notes, recordings)


def _notes_on_monitor(config: Config) -> tuple[str, ...]:
    """Returns a line that says which epoch of a LightningModule is the best."""
    if knows_metrics(config):
        return ()
    monitor = monitor_of_config(config)
    if monitor is None:
        return ("no monitor: the last epoch of a run counts as its best; monitor=NAME changes it",)
    end, other = ("lowest", "max") if monitor.lower_is_better else ("highest", "min")
    return (f"the epoch with the {end} {monitor} is the best; monitor_mode={other} reverses it",)
