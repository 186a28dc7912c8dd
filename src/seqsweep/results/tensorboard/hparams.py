"""What TensorBoard's HParams page shows: the swept keys and the results of each run.

Written as the protobufs that the page's backend reads. Lightning's and torch's `add_hparams` show
constants and hide swept keys, have every run succeed from its start, and add a false point at step
0 for each metric. https://github.com/tensorflow/tensorboard/blob/master/tensorboard/plugins/hparams
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from seqsweep.results.formatting import key_names
from seqsweep.results.tensorboard.protobufs import protos, scalar, tensor
from seqsweep.results.tensorboard.runs import Run, Runs, summary_name

_METRICS = ("best_val_acc", "test_acc", "test_f1", "train_seconds", "params", "samples_per_s")
_CALLED = {"params": "parameters", "samples_per_s": "samples/s"}

PLUGIN, VERSION = "hparams", 0
EXPERIMENT_TAG = "_hparams_/experiment"
START_TAG = "_hparams_/session_start_info"
END_TAG = "_hparams_/session_end_info"
"""The names of tensorboard.plugins.hparams.metadata, whose import is as slow as 500 runs."""

_TICK_BOXES = 24
"""Of a numeric key: with more values than that it is filtered by a range."""


def experiment(runs: Runs) -> bytes:
    """The columns of the page, the same for all runs of a folder."""
    p = protos().hparams
    names = key_names(runs.keys)
    found = p.Experiment(
        hparam_infos=[_column(key, names[key], runs.values[key]) for key in runs.keys],
        metric_infos=[
            p.MetricInfo(name=p.MetricName(tag=f"summary/{tag}"), display_name=name)
            for tag, name in _metrics(runs).items()
        ],
    )
    return _plugin_data(experiment=found)


def _metrics(runs: Runs) -> dict[str, str]:
    """The metrics of the page, first the one that ranks: tags under `summary/` and their names."""
    tags = dict.fromkeys((summary_name(runs.monitor), *_METRICS))
    return {tag: _CALLED.get(tag, tag.replace("_", " ")) for tag in tags}


def sessions(runs: Runs) -> dict[str, bytes]:
    """Each run's own values by its name.

    Runs of one config have one group, of which the page shows the mean.
    """
    kinds = {key: _kind(values) for key, values in runs.values.items()}
    return {run.name.run: _session(run, kinds) for run in runs.runs}


def _session(run: Run, kinds: Mapping[str, type]) -> bytes:
    p = protos()
    start = p.hparams_data.SessionStartInfo(group_name=run.name.config, start_time_secs=run.started)
    for key, value in run.config.items():
        shown, kind = _typed(value, kinds[key]), start.hparams[key]
        if isinstance(shown, bool):
            kind.bool_value = shown
        elif isinstance(shown, str):
            kind.string_value = shown
        else:
            kind.number_value = shown
    return _plugin_data(session_start_info=start)


def values_of(run: Run, columns: bytes, start: bytes) -> list[Any]:
    """The values of a run's event file: its metadata, how it ended, its results.

    A run that has not ended has no end: of the state RUNNING a live server would never let go.

    Args:
        columns: of `experiment`.
        start: of `sessions`.
    """
    p = protos()
    found = [
        tensor(EXPERIMENT_TAG, PLUGIN, [], columns),
        tensor(START_TAG, PLUGIN, [], start),
    ]
    if run.status != "unknown":
        status = p.hparams.STATUS_SUCCESS if run.status == "success" else p.hparams.STATUS_FAILURE
        end = p.hparams_data.SessionEndInfo(status=status, end_time_secs=run.ended)
        data = _plugin_data(session_end_info=end)
        found.append(tensor(END_TAG, PLUGIN, [], data))
    return found + [scalar(f"summary/{name}", value) for name, value in run.best[1].items()]


def _column(key: str, name: str, values: Sequence[Any]) -> Any:
    p = protos().hparams
    column = p.HParamInfo(name=key, display_name=name, differs=True)
    kind = _kind(values)
    shown = _distinct(_typed(value, kind) for value in values)
    if all(isinstance(value, bool) for value in shown):
        column.type = p.DATA_TYPE_BOOL
    elif any(isinstance(value, str) for value in shown):
        column.type = p.DATA_TYPE_STRING
    else:
        column.type = p.DATA_TYPE_FLOAT64
        if len(shown) > _TICK_BOXES:
            column.domain_interval.min_value = min(shown)
            column.domain_interval.max_value = max(shown)
            return column
    column.domain_discrete.extend(shown)
    return column


def _kind(values: Sequence[Any]) -> type:
    """What a column holds: bools, numbers or texts, in doubt texts."""
    if all(isinstance(value, bool) for value in values):
        return bool
    return float if all(map(_is_number, values)) else str


def _typed(value: Any, kind: type) -> Any:
    if kind is bool:
        return value
    if kind is float:
        return float(value)
    return value if isinstance(value, str) else json.dumps(value)


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and abs(value) < 1e308 and not math.isnan(value)


def _distinct(values: Iterable[Any]) -> list[Any]:
    return sorted(set(values))


def _plugin_data(**content: Any) -> bytes:
    """In the same bytes for the same content, which maps of a protobuf do not promise."""
    p = protos()
    data = p.hparams_data.HParamsPluginData(version=VERSION, **content)
    return data.SerializeToString(deterministic=True)
