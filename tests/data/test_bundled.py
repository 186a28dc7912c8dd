"""The bundled data are what their sources say."""

import numpy as np

from seqsweep.data.bundled import digits, japanese_vowels


def test_japanese_vowels_is_the_official_split():
    splits = japanese_vowels()
    train, test = splits.train, splits.test
    assert test is not None and splits.val is None
    assert (len(train), len(test)) == (270, 370)
    assert splits.input_size == 12 and train.channel_names[0] == "cepstrum_1"
    assert splits.class_names == tuple("123456789")
    assert np.bincount(train.labels).tolist() == [30] * 9
    assert np.bincount(test.labels).tolist() == [31, 35, 88, 44, 29, 24, 40, 50, 29]
    assert min(train.lengths.min(), test.lengths.min()) == 7
    assert max(train.lengths.max(), test.lengths.max()) == 29
    # The first numbers of both source files.
    first = [1.860936, -0.207383, 0.261557, -0.214562, -0.171253, -0.118167]
    assert np.array_equal(train.x[0, 0, :6], np.array(first, dtype=np.float32))
    assert train.lengths[0] == 20 and test.lengths[0] == 19
    assert test.x[0, 1, 0] == np.float32(1.547694)


def test_digits_are_eight_rows_of_eight():
    splits = digits()
    assert splits.val is None and splits.test is None
    assert splits.train.x.shape == (1797, 8, 8)
    assert splits.class_names == tuple("0123456789")
    assert np.array_equal(np.unique(splits.train.x), np.arange(17))
    assert splits.train.x[0, 1].tolist() == [0, 0, 13, 15, 10, 15, 5, 0]
    counts = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert np.bincount(splits.train.labels).tolist() == counts
