"""Event files contain the bytes that TensorBoard's own modules write."""

import io

import pytest
from tensorboard.plugins.hparams import metadata
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util.tensor_util import make_tensor_proto

from seqsweep.results.tensorboard import hparams
from seqsweep.results.tensorboard.protobufs import protos, tensor
from seqsweep.runs.events import record


@pytest.mark.parametrize("length", [4, 5, 8, 63, 64, 65, 127, 128, 129, 191, 1000, 4097])
def test_a_record_equals_that_of_tensorboard(length):
    event = bytes(7 * index % 251 for index in range(length))
    buffer = io.BytesIO()
    RecordWriter(buffer).write(event)
    assert record(event) == buffer.getvalue()


@pytest.mark.parametrize("texts", [[b"a"], [b"", b"bc"]])
def test_a_tensor_of_texts_equals_that_of_tensorboard(texts):
    assert tensor("tag", "text", texts).tensor == make_tensor_proto(
        texts, dtype=protos().types.DT_STRING
    )


def test_the_tags_of_hparams_are_those_of_tensorboard():
    tags = (metadata.EXPERIMENT_TAG, metadata.SESSION_START_INFO_TAG, metadata.SESSION_END_INFO_TAG)
    assert tags == (hparams.EXPERIMENT_TAG, hparams.START_TAG, hparams.END_TAG)
    assert (metadata.PLUGIN_NAME, metadata.PLUGIN_DATA_VERSION) == (hparams.PLUGIN, hparams.VERSION)
    assert tensor("tag", hparams.PLUGIN, [], b"x").tensor == metadata.NULL_TENSOR
