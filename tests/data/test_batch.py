"""The order of an epoch is a function of (seed, epoch); processes share it exactly."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seqsweep.data.batch import EpochBatches, SequenceDataset
from seqsweep.data.datamodule import SequenceDataModule
from seqsweep.data.raw import make_sequences
from seqsweep.data.sequences import Splits

N, T, F = 23, 6, 2


def splits() -> Splits:
    """N sequences of mixed lengths up to T, the step t of sequence n being n + t / 10."""
    x = np.arange(N)[:, None, None] + np.arange(T)[:, None] / 10 + np.zeros(F)
    lengths = 1 + np.arange(N) % T
    return Splits(make_sequences(x, np.arange(N) % 3, lengths, where="test"))


def order(
    size: int, batch_size: int, seed: int | None, epoch: int = 0, rank: int = 0, world_size: int = 1
) -> list[int]:
    batches = EpochBatches(size, batch_size, seed, rank, world_size)
    batches.set_epoch(epoch)
    return list(itertools.chain.from_iterable(batches))


sizes = st.integers(1, 40)


def test_the_order_is_a_function_of_seed_and_epoch():
    drawn = {(seed, epoch): order(50, 8, seed, epoch) for seed in (0, 1) for epoch in (0, 1, 2)}
    assert drawn == {key: order(50, 8, *key) for key in reversed(drawn)}
    assert len({tuple(indices) for indices in drawn.values()}) == len(drawn)
    assert order(50, 8, 0) == order(50, 3, 0)  # and not of the batch size
    assert order(50, 8, 0) != list(range(50))  # 0 is a seed


@given(
    size=sizes, batch_size=st.integers(1, 45), world_size=st.integers(1, 6), epoch=st.integers(0, 2)
)
def test_processes_share_one_order_evenly(size, batch_size, world_size, epoch):
    """The order repeats its start until the number divides, as `DistributedSampler` does."""
    whole = order(size, batch_size, 5, epoch)
    assert sorted(whole) == list(range(size))
    each = [
        order(size, batch_size, 5, epoch, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    share = -(-size // world_size)
    assert [len(part) for part in each] == [share] * world_size
    dealt = [each[i % world_size][i // world_size] for i in range(share * world_size)]
    assert dealt == list(itertools.islice(itertools.cycle(whole), share * world_size))
    batches = EpochBatches(size, batch_size, 5, 0, world_size)
    assert len(batches) == len(list(batches))
    assert all(len(batch) == batch_size for batch in list(batches)[:-1])


@given(size=sizes, batch_size=st.integers(1, 9), world_size=st.integers(1, 6))
def test_processes_that_evaluate_take_every_row_once(size, batch_size, world_size):
    batches = [
        EpochBatches(size, batch_size, None, rank, world_size, fills_up=False)
        for rank in range(world_size)
    ]
    shares = [list(itertools.chain.from_iterable(each)) for each in batches]
    assert sorted(itertools.chain.from_iterable(shares)) == list(range(size))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert [len(each) for each in batches] == [len(list(each)) for each in batches]


@pytest.mark.parametrize("indices", [[0], [4, 0, 17], [22, 22, 5, 11], list(range(N))])
def test_a_batch_is_its_rows_stacked_up_to_padding(indices):
    dataset = SequenceDataset(splits().train)
    batch = dataset.__getitems__(indices)
    rows = [dataset[index] for index in indices]
    longest = int(max(row.lengths for row in rows))
    assert batch.x.shape == (len(indices), longest, F)
    assert torch.equal(batch.x, torch.stack([row.x[:longest] for row in rows]))
    assert torch.equal(batch.lengths, torch.stack([row.lengths for row in rows]))
    assert torch.equal(batch.labels, torch.stack([row.labels for row in rows]))
    assert all(not row.x[longest:].any() for row in rows)  # what is cut off is padding


def test_evaluation_and_training_without_shuffling_keep_the_order_whatever_the_seed():
    train = splits().train
    parts = Splits(train, train, train)
    in_order = SequenceDataModule(parts, batch_size=4, shuffle=False, seed=3)
    data = SequenceDataModule(parts, batch_size=4, eval_batch_size=7, seed=3)
    loaders = [data.val_dataloader(), data.test_dataloader(), data.predict_dataloader()]
    for loader in (in_order.train_dataloader(), *loaders):
        assert torch.cat([batch.labels for batch in loader]).tolist() == [n % 3 for n in range(N)]


def test_only_training_has_noise_which_is_another_in_each_epoch():
    train = splits().train
    parts = Splits(train, train, train)
    data = SequenceDataModule(parts, shuffle=False, transform={"jitter": 0.1})

    def x_of(loader: Any, epoch: int) -> Any:
        loader.batch_sampler.set_epoch(epoch)
        return next(iter(loader)).x

    first, again, second = (x_of(data.train_dataloader(), epoch) for epoch in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, second)
    whole, later = (x_of(data.val_dataloader(), epoch) for epoch in (0, 1))
    assert torch.equal(whole, later) and torch.equal(whole, torch.from_numpy(data.splits.train.x))


def test_sequences_of_one_set_are_cut_as_one_split():
    train = splits().train
    found, expected = (SequenceDataModule(one, 4).splits.parts for one in (train, Splits(train)))
    sizes = {name: len(part) for name, part in found.items()}
    assert sizes == {name: len(part) for name, part in expected.items()}
