"""Checkpoints take 5 % of the time at most, and come once a minute at least."""

import pytest

from seqsweep.training.engines.native.pool_data import Budget


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def train(members: int, epoch: float, write: float, seconds: float) -> tuple[list[float], float]:
    """Each member's longest time without a checkpoint, and the share of time that writing took."""
    clock = Clock()
    budget, saved = Budget(clock), [0.0] * members
    longest, writing = [0.0] * members, 0.0
    while clock.now < seconds:
        for member in range(members):
            clock.now += epoch
            if budget.is_due(saved[member], members):
                longest[member] = max(longest[member], clock.now - saved[member])
                with budget.measuring():
                    clock.now += write
                saved[member] = clock.now
                writing += write
    return longest, writing / clock.now


@pytest.mark.parametrize(("members", "write"), [(1, 0.003), (1, 0.3), (24, 0.003), (1000, 0.001)])
def test_writes_take_a_twentieth_of_the_time(members, write):
    longest, share = train(members, 0.005, write, seconds=300)
    assert 0.025 < share <= 0.0525
    assert max(longest) <= 60 + members * (0.005 + write)


def test_a_checkpoint_a_minute_comes_before_the_share():
    """A thousand writes of 10 ms take a sixth of a minute."""
    longest, share = train(1000, 0.001, 0.01, seconds=600)
    assert 60 <= min(longest) <= max(longest) <= 72
    assert share > 0.05
