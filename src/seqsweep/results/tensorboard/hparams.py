"""The data of TensorBoard's HParams page: swept keys and results.

It is written as the protobufs that the page's backend reads. `add_hparams` of Lightning and torch
shows constants, hides swept keys, marks every run as successful from its start, and adds a false
point at step 0 to each metric.
https://github.com/tensorflow/tensorboard/blob/master/tensorboard/plugins/hparams
"""

import importlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tensorboard.plugins.hparams import metadata

from seqsweep.results.formatting import key_names
from seqsweep.results.tensorboard.made_files import plugin_data, scalar
from seqsweep.results.tensorboard.runs import Run, Runs, summary_name
from seqsweep.runs.identity import is_number

_METRICS = ("best_val_acc", "test_acc", "test_f1", "train_seconds", "params", "samples_per_s")
_DISPLAY_NAMES = {"params": "parameters", "samples_per_s": "samples/s"}

# Imported by name, because type checkers do not see the classes of a protobuf module.
api_pb2: Any = importlib.import_module("tensorboard.plugins.hparams.api_pb2")
plugin_data_pb2: Any = importlib.import_module("tensorboard.plugins.hparams.plugin_data_pb2")

_TICK_BOXES = 24
"""The most tick boxes of a numeric key. A key with more values is filtered by a range."""


def experiment(runs: Runs) -> bytes:
    """Returns the columns of the page, one set for all runs."""
    names = key_names(runs.keys)
    content = api_pb2.Experiment(
        hparam_infos=[_column(key, names[key], runs.values[key]) for key in runs.keys],
        metric_infos=[
            api_pb2.MetricInfo(
                name=api_pb2.MetricName(tag=f"summary/{tag}"),
                display_name=_DISPLAY_NAMES.get(tag, tag.replace("_", " ")),
            )
            # The metric that ranks the runs comes first.
            for tag in dict.fromkeys((summary_name(runs.monitor), *_METRICS))
        ],
    )
    return _serialized(experiment=content)


def sessions(runs: Runs) -> dict[str, bytes]:
    """Returns the values of each run's keys, by the run's name."""
    kinds = {key: _kind(values) for key, values in runs.values.items()}
    return {run.name.run: _session(run, kinds) for run in runs.runs}


def _session(run: Run, kinds: Mapping[str, type]) -> bytes:
    start = plugin_data_pb2.SessionStartInfo(
        group_name=run.name.config, start_time_secs=run.started
    )
    fields = {bool: "bool_value", float: "number_value", str: "string_value"}
    for key, value in run.config.items():
        setattr(start.hparams[key], fields[kinds[key]], _typed(value, kinds[key]))
    return _serialized(session_start_info=start)


def values_of(run: Run, columns: bytes, start: bytes) -> list[Any]:
    """Returns a run's keys, its end and its results as event values.

    A run that is still training has no end. A live server would show the state RUNNING forever.
    """
    name = metadata.PLUGIN_NAME
    values = [
        plugin_data(metadata.EXPERIMENT_TAG, name, columns),
        plugin_data(metadata.SESSION_START_INFO_TAG, name, start),
    ]
    if run.status != "unknown":
        status = api_pb2.STATUS_SUCCESS if run.status == "success" else api_pb2.STATUS_FAILURE
        end = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=run.ended)
        content = _serialized(session_end_info=end)
        values.append(plugin_data(metadata.SESSION_END_INFO_TAG, name, content))
    return values + [scalar(f"summary/{name}", value) for name, value in run.best[1].items()]


def _column(key: str, name: str, values: Sequence[Any]) -> Any:
    kind = _kind(values)
    types = {
        bool: api_pb2.DATA_TYPE_BOOL,
        float: api_pb2.DATA_TYPE_FLOAT64,
        str: api_pb2.DATA_TYPE_STRING,
    }
    column = api_pb2.HParamInfo(name=key, display_name=name, differs=True, type=types[kind])
    distinct = sorted({_typed(value, kind) for value in values})
    if kind is float and len(distinct) > _TICK_BOXES:
        column.domain_interval.min_value = distinct[0]
        column.domain_interval.max_value = distinct[-1]
    else:
        column.domain_discrete.extend(distinct)
    return column


def _kind(values: Sequence[Any]) -> type:
    """Returns the type of a column; str if the types are mixed."""
    if all(isinstance(value, bool) for value in values):
        return bool
    # The comparison is false for NaN.
    is_numeric = all(is_number(value) and abs(value) < 1e308 for value in values)
    return float if is_numeric else str


def _typed(value: Any, kind: type) -> Any:
    if kind is str:
        return value if isinstance(value, str) else json.dumps(value)
    return kind(value)


def _serialized(**content: Any) -> bytes:
    """Returns the serialized content; equal content gives equal bytes."""
    data = plugin_data_pb2.HParamsPluginData(version=metadata.PLUGIN_DATA_VERSION, **content)
    # By default, the order of a protobuf's map is not fixed.
    return data.SerializeToString(deterministic=True)
