"""The sequences of a file come in batches."""

from typing import Any

import numpy as np
import pytest

import seqsweep
from seqsweep.data.files import reader_of
from seqsweep.data.raw import RawPart
from seqsweep.using.input_data import InputData, open_data, reading_options

X = np.arange(1.0, 41.0).reshape(5, 4, 2)


def test_batches_without_lengths_are_whole():
    data = InputData("mine", RawPart(X, None, None, "mine"), None, ())
    (batch, lengths), *others = data.batches(3)
    assert np.array_equal(batch, X[:3]) and lengths is None and len(others) == 1


def test_options_have_the_types_of_the_reader(tmp_path):
    np.savez(tmp_path / "a.npz", X=X)
    path = str(tmp_path / "a.npz")
    reader = reader_of(path)
    assert reading_options(["layout=channels_first"], path, reader) == {"layout": "channels_first"}
    with pytest.raises(ValueError, match=r"layout='3': must be one of|layout=3: must be one of"):
        reading_options(["layout=3"], path, reader)


def test_names_of_channels_are_compared_only_where_both_have_some(trained, tmp_path):
    run = seqsweep.load_run(trained.run)
    data = trained.make_data(3, 0)
    named: list[dict[str, Any]] = [{}, {"channel_names": run.channel_names}]
    for names in named:
        path = tmp_path / "named.npz"
        np.savez(path, X=data["X"], lengths=data["lengths"], **names)
        assert len(open_data(str(path), [], run, None, labelled=False)) == 3
