"""A batch of a stack has the rows of `pack_padded_sequence`, in the same order."""

from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from seqsweep.stacked.batches import StackBatch, StackData, Steps

S, F = 9, 2

many = settings(derandomize=True, deadline=None, max_examples=60)


@st.composite
def batches(draw, members: int = 3) -> dict[str, Any]:
    """Draws lengths (S,), equal or not, and the rows (K, B) of one batch."""
    longest = draw(st.integers(1, 6))
    mixed = st.lists(st.integers(1, longest), min_size=S, max_size=S)
    lengths = draw(st.just([longest] * S) | mixed)
    row = st.integers(1, 8).flatmap(
        lambda size: st.lists(
            st.lists(st.integers(0, S - 1), min_size=size, max_size=size),
            min_size=1,
            max_size=members,
        )
    )
    return {"lengths": torch.tensor(lengths), "rows": torch.tensor(draw(row))}


def values(lengths: Tensor) -> Tensor:
    """Makes (S, T, F): s + 1 + t / 10 at step t of sequence s, and zero beyond its end."""
    times = torch.arange(int(lengths.max()))
    x = (torch.arange(S)[:, None] + 1 + times / 10).masked_fill(times >= lengths[:, None], 0)
    return x[:, :, None].expand(-1, -1, F).double()


def made(
    lengths: Tensor, rows: Tensor, bidirectional: bool = True
) -> tuple[StackData, Tensor, StackBatch]:
    """Returns the data, the ordered rows and their batch."""
    x, labels = values(lengths), torch.arange(S) % 4
    data = StackData(x, lengths, labels, bidirectional, torch.float64, torch.device("cpu"))
    ordered, steps = data.order(rows[:, None])
    ends = None if data.equal else lengths[ordered[:, 0]] - 1
    return data, ordered[:, 0], data.batch(ordered[:, 0], steps[0], ends)


def packed(lengths: Tensor, row: Tensor) -> PackedSequence:
    return pack_padded_sequence(
        values(lengths)[row], lengths[row], batch_first=True, enforce_sorted=False
    )


@many
@given(drawn=batches(members=1))
def test_the_rows_of_a_batch_are_those_of_packing(drawn):
    """They equal `pack_padded_sequence(enforce_sorted=False)` of each member to the last number."""
    _, ordered, batch = made(**drawn)
    theirs = packed(drawn["lengths"], drawn["rows"][0])
    assert torch.equal(batch.x[0], theirs.data)
    assert list(batch.steps.counts) == theirs.batch_sizes.tolist()
    assert torch.equal(ordered[0], drawn["rows"][0][theirs.sorted_indices])


@many
@given(drawn=batches())
def test_each_member_has_its_own_order_and_all_have_the_most_rows_of_any(drawn):
    _, ordered, batch = made(**drawn)
    sizes: list[list[int]] = []
    for k, row in enumerate(drawn["rows"]):
        theirs = packed(drawn["lengths"], row)
        assert torch.equal(ordered[k], row[theirs.sorted_indices])
        sizes.append(theirs.batch_sizes.tolist())
    longest = max(map(len, sizes))
    padded = [size + [0] * (longest - len(size)) for size in sizes]
    assert list(batch.steps.counts) == [max(step) for step in zip(*padded, strict=True)]
    assert torch.equal(batch.labels, ordered % 4)


@many
@given(drawn=batches())
def test_lanes_read_each_sequence_forwards_and_backwards(drawn):
    """Both read within the length of the sequence, and zeros beyond."""
    data, ordered, batch = made(**drawn)
    assert (batch.ends is None) == data.equal
    for k, row in enumerate(ordered.tolist()):
        for b, sequence in enumerate(row):
            length = int(drawn["lengths"][sequence])
            expected = values(drawn["lengths"])[sequence, :length]
            at = batch.positions.columns == b
            assert batch.positions.times[at].tolist() == list(range(int(at.sum())))
            for lane, steps in ((2 * k, expected), (2 * k + 1, expected.flip(0))):
                assert torch.equal(batch.x[lane, at][:length], steps)
                assert not batch.x[lane, at][length:].any()


@many
@given(drawn=batches())
def test_a_batch_of_one_direction_has_the_forward_lanes_of_two(drawn):
    one, two = made(**drawn, bidirectional=False)[2], made(**drawn)[2]
    assert torch.equal(one.x, two.x[::2])
    assert one.swap is None
    assert one.steps.counts == two.steps.counts


@many
@given(drawn=batches())
def test_swap_leads_to_the_same_step_of_the_other_lane_and_back(drawn):
    """The other lane has read the same x at that step of the sequence."""
    _, _, batch = made(**drawn)
    assert batch.swap is not None
    count = batch.swap.numel()
    assert torch.equal(batch.swap[batch.swap], torch.arange(count))
    assert torch.equal(batch.x.flatten(0, 1)[batch.swap].view_as(batch.x), batch.x)
    lane = torch.arange(count) // batch.steps.rows
    assert torch.equal(lane[batch.swap], lane ^ 1)


@many
@given(drawn=batches())
def test_valid_of_a_batch_is_true_within_a_sequence(drawn):
    _, _, batch = made(**drawn)
    valid = batch.valid()
    expected = torch.ones_like(batch.x[::2, :, 0], dtype=torch.bool) if valid is None else valid
    assert torch.equal(expected, batch.x[::2, :, 0] != 0)


@many
@given(drawn=batches(), cuts=st.integers(1, 3))
def test_batches_are_ordered_independently(drawn, cuts):
    """Ordering many batches in one call equals ordering each of them alone."""
    data, _, _ = made(**drawn)
    several = torch.stack([drawn["rows"].roll(n, 1).add(n) % S for n in range(cuts)], 1)
    ordered, steps = data.order(several)
    for m in range(cuts):
        alone, step = data.order(several[:, m : m + 1])
        assert torch.equal(ordered[:, m], alone[:, 0])
        assert steps[m].counts == step[0].counts


@many
@given(counts=st.lists(st.integers(1, 5), min_size=1, max_size=6), lanes=st.integers(1, 3))
def test_steps_split_the_rows_of_a_batch(counts, lanes):
    """A step has the rows of its time in `positions`; `before` is one step back, same column."""
    steps = Steps(sorted(counts, reverse=True))
    times, columns, starts = steps.positions(torch.device("cpu"))
    x = torch.randn(lanes, steps.rows, 2)
    for t, (step, block) in enumerate(zip(steps.split(x), steps.blocks(x), strict=True)):
        assert torch.equal(step, x[:, times == t])
        assert columns[times == t].tolist() == list(range(steps.counts[t]))
        assert int(starts[t]) == (times < t).sum()
        assert block.is_contiguous()
        assert block.shape == step.shape
    before = steps.positions(torch.device("cpu")).before(steps.batch)
    assert torch.equal(times[before], times[steps.batch :] - 1)
    assert torch.equal(columns[before], columns[steps.batch :])
    for block in steps.blocks(x):  # together the blocks are the whole memory
        block += 100
    assert ((x > 50) & (x < 150)).all()


def test_batches_of_equal_lengths_share_their_positions():
    """The positions depend on the size of the batch alone."""
    lengths = torch.full((S,), 4)
    data, rows, first = made(lengths, torch.tensor([[0, 1, 2], [3, 4, 5]]))
    again = data.batch(rows.flip(1), first.steps)
    assert again.swap is first.swap
    for _ in range(2):
        shorter = data.batch(rows[:, :2], Steps([2] * 4))
        assert torch.equal(shorter.x, first.x.unflatten(1, (4, 3))[:, :, :2].flatten(1, 2))
        assert shorter.swap is not None
        assert len(shorter.swap) == shorter.x[..., 0].numel()
