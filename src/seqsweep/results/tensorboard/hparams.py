"""Makes TensorBoard's events: hyperparameters with their results, texts, pictures."""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.plugins.image import metadata as image_metadata
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.util.tensor_util import make_tensor_proto

from seqsweep.results.formatting import column_values, key_names, plain_text
from seqsweep.runs.events import encode, new_event, version_event
from seqsweep.runs.identity import is_number
from seqsweep.runs.ledger import value_key
from seqsweep.runs.record import State

# Imported by name, because type checkers do not see the classes of a protobuf module.
summary_pb2: Any = importlib.import_module("tensorboard.compat.proto.summary_pb2")
types_pb2: Any = importlib.import_module("tensorboard.compat.proto.types_pb2")
api_pb2: Any = importlib.import_module("tensorboard.plugins.hparams.api_pb2")
plugin_data_pb2: Any = importlib.import_module("tensorboard.plugins.hparams.plugin_data_pb2")

_MEAN = "mean/"
"""The start of the tags of means over the replicates of a config."""
ENDED: Mapping[State, Any] = {
    "complete": api_pb2.STATUS_SUCCESS,
    "pruned": api_pb2.STATUS_SUCCESS,
    "diverged": api_pb2.STATUS_FAILURE,
    "failed": api_pb2.STATUS_FAILURE,
}
"""TensorBoard's word for how a run has ended; a run in training, interrupted or killed has none."""
_TYPES: Mapping[type, Any] = {
    bool: api_pb2.DATA_TYPE_BOOL,
    float: api_pb2.DATA_TYPE_FLOAT64,
    str: api_pb2.DATA_TYPE_STRING,
}
_TICK_BOXES = 24
"""The most tick boxes of a numeric key. A key with more values is filtered by a range."""


class Columns:
    """The columns of TensorBoard's HParams page.

    Args:
        keys: the keys of the hyperparameters.
        metrics: the names of the metrics, the ranking one first.
        configs: the values of all configs by key, of each config only those that it has.
    """

    def __init__(
        self, keys: Sequence[str], metrics: Sequence[str], configs: Sequence[Mapping[str, Any]]
    ) -> None:
        names = key_names(keys)
        self._shown: dict[str, dict[str, Any]] = {}
        experiment = api_pb2.Experiment()
        for key in keys:
            values = [config[key] for config in configs if key in config]
            shown = _shown(column_values(key, values))
            self._shown[key] = dict(zip(map(value_key, values), shown, strict=True))
            experiment.hparam_infos.append(_column(key, names[key], shown))
        for name in metrics:
            experiment.metric_infos.add(display_name=name).name.tag = _MEAN + name
        self._experiment = _value(metadata.EXPERIMENT_TAG, experiment=experiment)

    def session(
        self, config: Mapping[str, Any], group: str, state: State, means: Mapping[str, float]
    ) -> list[Any]:
        """Returns the event values of one run: the columns, its values and its end.

        Args:
            group: the name of the row, which all runs of a config share.
            means: the metrics of the row. TensorBoard shows their mean over the runs, so they are
                the same in all runs of a row.
        """
        shown = {k: of[value_key(config[k])] for k, of in self._shown.items() if k in config}
        values = [self._experiment, *hparams_pb(shown, group, start_time_secs=0).value]
        if state in ENDED:
            end = plugin_data_pb2.SessionEndInfo(status=ENDED[state])
            values.append(_value(metadata.SESSION_END_INFO_TAG, session_end_info=end))
        scalar = summary_pb2.Summary.Value
        return values + [scalar(tag=_MEAN + name, simple_value=v) for name, v in means.items()]


def _shown(values: Sequence[Any]) -> list[Any]:
    """Returns the values of a column as bool, float or str, all of one type.

    TensorBoard writes a number with five digits: `4.0000`. So whole numbers are texts, which spaces
    let sort like numbers. Of many whole numbers, a range of numbers is more useful.
    """
    if all(isinstance(value, bool) for value in values):
        return list(values)
    texts = [plain_text(value) for value in values]
    # The comparison is false for NaN.
    if not all(is_number(value) and abs(value) < 1e308 for value in values):
        return texts
    is_whole = all(isinstance(value, int) and value >= 0 for value in values)
    if is_whole and len(set(values)) <= _TICK_BOXES:
        return [text.rjust(max(map(len, texts))) for text in texts]
    return [float(value) for value in values]


def _column(key: str, name: str, shown: Sequence[Any]) -> Any:
    kind: type = type(shown[0]) if shown else str
    column = api_pb2.HParamInfo(name=key, display_name=name, differs=True, type=_TYPES[kind])
    distinct = sorted(set(shown))
    if kind is float and len(distinct) > _TICK_BOXES:
        column.domain_interval.min_value = distinct[0]
        column.domain_interval.max_value = distinct[-1]
    else:
        column.domain_discrete.extend(distinct)
    return column


def _value(tag: str, **content: Any) -> Any:
    about = metadata.create_summary_metadata(plugin_data_pb2.HParamsPluginData(**content))
    return summary_pb2.Summary.Value(tag=tag, metadata=about, tensor=metadata.NULL_TENSOR)


def text(tag: str, content: str) -> Any:
    """Returns an event value with a text for TensorBoard's Text page."""
    return text_pb(tag, content).value[0]


def image(tag: str, title: str, png: bytes, width: int, height: int) -> Any:
    """Returns an event value with a picture for TensorBoard's Images page."""
    about = image_metadata.create_summary_metadata(title, None)
    parts = [str(width).encode(), str(height).encode(), png]
    tensor = make_tensor_proto(parts, dtype=types_pb2.DT_STRING)
    return summary_pb2.Summary.Value(tag=tag, metadata=about, tensor=tensor)


def event_file(wall_time: float, values: Sequence[Any], step: int) -> bytes:
    """Returns the content of an event file with values of one step."""
    summary = summary_pb2.Summary(value=values)
    event = new_event(wall_time=wall_time, step=step, summary=summary)
    return encode([version_event(wall_time), event])
