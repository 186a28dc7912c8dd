"""Cuts are stratified and exact, statistics come from train alone, padding stays zero."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prepared import prepared

from seqsweep.data.raw import make_sequences
from seqsweep.data.sequences import Sequences, Splits

T = 5


def made(labels, names=None, seed=0) -> Sequences:
    """Sequences of mixed lengths; channel 1 holds a number by which each is known again."""
    rng = np.random.default_rng(seed)
    x = rng.normal(3.0, 2.0, size=(len(labels), T, 3))
    x[:, :, 1] = np.arange(len(labels))[:, None] + 1000 * seed
    lengths = rng.integers(1, T + 1, size=len(labels))
    return make_sequences(x, labels, lengths, class_names=names, where="made")


def ready(splits: Splits, **options: Any) -> Splits:
    """Cuts nothing unless options say so."""
    return prepared(splits, **{"val_fraction": 0.0, "test_fraction": 0.0} | options)


def known(part: Sequences | None) -> list[int]:
    """Returns the positions of these sequences among those of `made`."""
    assert part is not None
    return part.x[:, 0, 1].astype(int).tolist()


LABELS = [0] * 50 + [1] * 30 + [2] * 20


@given(
    counts=st.lists(st.integers(1, 12), min_size=2, max_size=5),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32),
)
def test_sizes_are_exact_and_every_class_stays_in_train(counts, fraction, seed):
    labels = np.repeat(np.arange(len(counts)), counts)
    size = round(fraction * len(labels))
    if not 1 <= size <= len(labels) - len(counts):
        with pytest.raises(ValueError, match=r"^data.val_fraction="):
            ready(Splits(made(labels)), val_fraction=fraction, split_seed=seed)
        return
    parts = ready(Splits(made(labels)), val_fraction=fraction, split_seed=seed).parts
    train, val = parts["train"], parts["val"]
    assert len(val) == size
    positions = [known(train), known(val)]
    assert sorted(positions[0] + positions[1]) == list(range(len(labels)))
    assert all(part == sorted(part) for part in positions)  # the source's order is kept
    assert np.bincount(train.labels, minlength=len(counts)).min() >= 1
    if min(counts) > 1 and max(fraction, 1 - fraction) < 0.8:  # then no class is at its limit
        shares = np.bincount(val.labels, minlength=len(counts))
        exact = np.array(counts) * size / len(labels)
        assert (np.abs(shares - exact) < 1).all() or (shares == np.array(counts) - 1).any()


def test_given_splits_are_never_cut():
    train, test, val = made(LABELS), made(LABELS, seed=1), made(LABELS, seed=2)
    cut = ready(Splits(train, test=test), val_fraction=0.3, test_fraction=0.9)
    assert known(cut.test) == known(test) and set(known(cut.val)) < set(known(train))
    cut = ready(Splits(train, val=val), test_fraction=0.3)
    assert known(cut.val) == known(val) and set(known(cut.test)) < set(known(train))
    whole = ready(Splits(train))  # a fraction of 0 cuts nothing
    assert whole.val is None and known(whole.train) == known(train)


def test_standardised_over_the_valid_steps_of_train():
    splits = Splits(made(LABELS), test=made(LABELS, seed=1))
    scaled = ready(splits, standardize=True, val_fraction=0.2)
    values = scaled.train.x[scaled.train.valid].astype(np.float64)
    assert values.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-6)
    assert values.std(axis=0) == pytest.approx(np.ones(3), abs=1e-6)
    for part in scaled.parts.values():
        assert part.x.dtype == np.float32
        assert not part.x[~part.valid].any()


def test_test_and_val_are_not_looked_at_in_fitting():
    train, test = made(LABELS), made(LABELS, seed=1)
    train.x[3, 0, 0] = np.nan
    options = {"standardize": True, "missing": "mean"}
    alone = ready(Splits(train), **options)
    odd = replace(test, x=test.x * 1000)
    odd.x[0, 0, 2] = np.nan
    beside = ready(Splits(train, val=odd, test=odd), **options)
    assert alone.train.fingerprint() == beside.train.fingerprint()


SIGNAL = np.random.default_rng(0).normal(0, 2, size=(60, 4, 2))


def test_a_constant_channel_becomes_zero_and_is_noted():
    # In float64 the mean of many 0.1 is not quite 0.1.
    x = np.concatenate([SIGNAL, np.full((60, 4, 1), 0.1)], axis=2)
    splits = Splits(make_sequences(x, [0, 1] * 30, where="made"))
    assert ready(splits).notes == ()
    scaled = ready(splits, standardize=True)
    assert not scaled.train.x[:, :, 2].any()
    assert scaled.notes[0].startswith("channel 'channel_2' is constant in train")


@pytest.mark.parametrize(
    ("value", "count", "is_named"),
    [
        (-999, 7, True), (-9999, 200, True), (-5e4, 1, True), (1e30, 239, True),
        (99, 3, False), (-1000, 5, False), (999, 1, False), (-9, 2, False),
        (1e30, 240, False),  # a constant channel
    ],
)  # fmt: skip
def test_a_code_of_missing_values_and_a_lone_outlier_are_named(value, count, is_named):
    x = 20 * np.random.default_rng(0).random((60, 4, 2))
    x[0, 0, 0] = np.nan
    x[:, :, 1].flat[-count:] = value
    lengths = np.full(60, 4)
    lengths[0], x[0, 3] = 3, -999  # padding has no value
    splits = Splits(make_sequences(x, [0, 1] * 30, lengths, where="made"))
    notes = ready(splits, standardize=True, missing="mean").notes
    named = f"a value far from all others: channel 'channel_1' ({value:g} in {count} of "
    assert [note for note in notes if note.startswith(named)] == list(notes[:1]) * is_named


def holed() -> Splits:
    nan = np.nan
    x = np.array([[[nan, 1], [2, nan], [nan, nan], [4, 7]], [[1, nan], [5, 1], [nan, 9], [9, 9]]])
    return Splits(make_sequences(x, [0, 1], [4, 2], where="made", channel_names=["u", "v"]))


@pytest.mark.parametrize(
    ("missing", "u", "v"),
    [
        ("zero", [[0, 2, 0, 4], [1, 5, 0, 0]], [[1, 0, 0, 7], [0, 1, 0, 0]]),
        ("mean", [[3, 2, 3, 4], [1, 5, 0, 0]], [[1, 3, 3, 7], [3, 1, 0, 0]]),
        ("forward", [[3, 2, 2, 4], [1, 5, 0, 0]], [[1, 1, 1, 7], [3, 1, 0, 0]]),
    ],
)
def test_missing_values_are_filled_in(missing, u, v):
    x = ready(holed(), missing=missing).train.x
    assert x[:, :, 0].tolist() == u and x[:, :, 1].tolist() == v


def test_missing_values_are_refused_with_the_place_in_the_source():
    message = r"data: train: 5 missing values .* in sequence 0, step 0, channel 'u'; train"
    with pytest.raises(ValueError, match=message):
        ready(holed())
    train = made(LABELS)
    train.x[60, -1] = np.nan
    with pytest.raises(ValueError, match=r"or give lengths, if the ends are padding"):
        ready(Splits(replace(train, lengths=np.full(100, T))))


BAD = {
    "NaN": ({"val_fraction": float("nan")}, r"^data.val_fraction=nan: must be at least 0"),
    "all": ({"val_fraction": 0.98}, "is 98, but train has 100 .* one of each of its 3 classes"),
    "missing": ({"missing": "forwards"}, "^data.missing='forwards': .*mean 'forward'"),
}


@pytest.mark.parametrize(("options", "message"), BAD.values(), ids=BAD)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ready(Splits(made(LABELS)), **options)


def test_a_class_that_train_lacks_is_named():
    names = ("a", "b", "c")
    train, test = made(["a", "b"] * 5, names), made(["c", "a", "c"], names, seed=1)
    message = r"^data: no sequence in train for class 'c'; each class needs one"
    with pytest.raises(ValueError, match=message):
        ready(Splits(train, test=test))
