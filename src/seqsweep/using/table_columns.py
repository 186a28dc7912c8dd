"""Finds the columns of a run's training table in another csv or parquet file."""

from collections.abc import Mapping
from typing import Any

from seqsweep.using.load import LoadedRun

READER = "seqsweep.data.tables.read"
_SOURCE = "seqsweep.data.tables.table"
_COLUMNS = ("id", "step", "label", "length")
_SHAPE = ("form", "frame", "reshape", "delimiter")


def columns_of_run(run: LoadedRun, path: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options to read a table as the run's own table was read.

    New data may lack the label, and may have columns that the training data did not have. So the
    columns of the channels are known by their names, and are not guessed.

    Args:
        run: of any source; only a run on a table has more than the names of its channels.
        path: the csv or parquet file.
        given: options of the user, which take precedence.
    """
    from seqsweep.data.table_files import open_table  # needs pyarrow

    source = run.config["data"].get("source")
    if not isinstance(source, dict) or source.get("_target_") != _SOURCE:
        source = {}
    options = {key: source[key] for key in _SHAPE if source.get(key) is not None}
    table = open_table(path, given.get("delimiter", options.get("delimiter")))
    options |= {key: source[key] for key in _COLUMNS if source.get(key) in table.names}
    channels = list(run.source_channels)
    if set(channels) <= set(table.names):
        # Only a wide table has other names for its channels than for its columns.
        options = {"form": "long", **options, "features": channels}
    elif source.get("features") is not None:
        options["features"] = source["features"]
    return {**options, **given}
