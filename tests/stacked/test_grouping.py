"""The stacks that are formed are the cheapest by the cost model, and hold every member once."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqsweep.stacked import grouping
from seqsweep.stacked.grouping import Problem, form_stacks, halved, padded

settings.register_profile("seqsweep", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("seqsweep")


def problem(**options: object) -> Problem:
    values = {
        "cell": "rnn", "num_layers": 1, "directions": 1, "input_size": 8, "num_classes": 4,
        "steps": 20, "mean_steps": 20.0, "batch_size": 32, "updates": 100, "epochs": 5,
    }  # fmt: skip
    return Problem(**(values | options))  # pyright: ignore[reportArgumentType]


problems = st.builds(
    problem,
    cell=st.sampled_from(["rnn", "gru", "lstm"]),
    num_layers=st.integers(1, 4),
    directions=st.integers(1, 2),
    steps=st.integers(1, 60),
    batch_size=st.integers(1, 128),
)
sizes = st.lists(st.integers(1, 130), min_size=1, max_size=40)


@given(problems, sizes)
def test_every_member_is_in_one_stack_that_holds_it(shared, hidden):
    stacks = form_stacks(shared, hidden)
    assert sorted(i for stack in stacks for i in stack.members) == list(range(len(hidden)))
    for stack in stacks:
        assert max(padded(hidden[i]) for i in stack.members) <= stack.hidden
        assert len(stack.members) <= shared.most_members(stack.hidden)


@given(problems, st.lists(st.sampled_from([4, 16, 30, 48, 100, 128]), min_size=1, max_size=12))
def test_no_other_bucketing_of_neighbouring_widths_costs_less(shared, hidden):
    """Against all of them, tried one by one."""

    def cost(buckets):
        total = 0.0
        for bucket in buckets:
            count = sum(padded(size) in bucket for size in hidden)
            parts = grouping._sizes(count, shared.most_members(max(bucket)))
            total += sum(shared.seconds(part, max(bucket)) for part in parts)
        return total

    widths = sorted({padded(size) for size in hidden})
    ways = []
    for cuts in itertools.product([False, True], repeat=len(widths) - 1):
        buckets = [[widths[0]]]
        for cut, width in zip(cuts, widths[1:], strict=True):
            if cut:
                buckets.append([width])
            else:
                buckets[-1].append(width)
        ways.append(cost(buckets))
    found = sum(stack.seconds for stack in form_stacks(shared, hidden))
    assert found == pytest.approx(min(ways))


def test_a_width_far_larger_is_not_padded_to():
    stacks = form_stacks(problem(batch_size=64), [16] * 12 + [128] * 12)
    assert {stack.hidden for stack in stacks} == {16, 128}


def test_few_small_ones_go_together():
    """What the calls of a stack of its own cost is more than the padding."""
    (stack,) = form_stacks(problem(batch_size=3, steps=6), [10, 20, 30])
    assert stack.hidden == 32


@given(problems, sizes, st.integers(1, 4))
def test_halving_keeps_members_and_ends_no_later(shared, hidden, workers):
    stacks = form_stacks(shared, hidden)
    found = halved(stacks, workers)
    assert sorted(i for s in found for i in s.members) == list(range(len(hidden)))
    assert grouping._longest(found, workers) <= grouping._longest(stacks, workers) * (1 + 1e-9)
    if workers == 1:
        assert len(found) == len(stacks)


def test_a_long_stack_is_shared_by_two_workers():
    (stack,) = form_stacks(problem(updates=100_000), [16] * 16)
    assert [len(half.members) for half in halved([stack], 2)] == [8, 8]
