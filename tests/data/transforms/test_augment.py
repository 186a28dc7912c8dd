"""A sequence is augmented by a function of (seed, epoch, sequence) alone."""

import numpy as np

from seqsweep.data.batch import Augmentation, augmentation_of
from seqsweep.data.transforms import Shaping

N, T, F = 400, 12, 3


def sequences():
    lengths = 1 + np.arange(N) % T
    x = np.ones((N, T, F), dtype=np.float32)
    x[np.arange(T) >= lengths[:, None]] = 0
    return x, lengths


def test_a_sequence_is_changed_alike_alone_and_in_any_batch():
    x, lengths = sequences()
    augmentation = Augmentation(0.3, 4)
    whole = augmentation.apply(x, lengths, range(N), seed=7, epoch=0)
    rows = [17, 3, 250]
    # A batch is cut to its longest sequence, so its padding differs too.
    batch = augmentation.apply(x[rows][:, :11], lengths[rows], rows, seed=7, epoch=0)
    assert batch.tobytes() == whole[rows][:, :11].tobytes()
    assert not np.array_equal(whole, augmentation.apply(x, lengths, range(N), seed=8, epoch=0))
    assert (x[lengths == T] == 1).all()  # the split itself stays as it is


def test_noise_is_normal_and_leaves_padding_and_masks_alone():
    x, lengths = sequences()
    result = Augmentation(0.5, 0, exact=(2,)).apply(x, lengths, range(N), seed=0, epoch=0)
    valid = np.arange(T) < lengths[:, None]
    noise = (result - x)[valid][:, :2]
    assert abs(noise.mean()) < 0.02 and abs(noise.std() - 0.5) < 0.02
    assert len(np.unique(noise)) > 0.99 * noise.size
    assert (result[:, :, 2] == x[:, :, 2]).all() and not result[~valid].any()
    # Channels that mark missing values get no noise.
    shaping = Shaping(("u", "v"), masked=(1,), frame=2)
    augmentation = augmentation_of({"jitter": 0.1}, shaping)
    assert augmentation is not None and augmentation.exact == (2, 5)
    assert augmentation_of({"frame": 2, "jitter": 0.0}, shaping) is None


def test_a_time_mask_is_one_span_that_leaves_at_least_a_step():
    x, lengths = sequences()
    result = Augmentation(0.0, 4).apply(x, lengths, range(N), seed=0, epoch=0)
    widths = []
    for row, length in enumerate(lengths):
        masked = np.flatnonzero((result[row, :length] == 0).all(axis=1))
        widths.append(len(masked))
        assert len(masked) <= min(4, length - 1)
        assert not len(masked) or masked[-1] - masked[0] == len(masked) - 1
    assert set(widths) == {0, 1, 2, 3, 4}
