"""A run's bits depend on its config alone: not on other runs, their order or the threads.

That they do not depend on the processor is shown by scripts/native_check.py.
"""

from seqsweep.training.outcome import Outcome
from seqsweep.training.train import train_pool


def test_a_member_alone_equals_the_member_in_a_pool(mixed_members, assert_undisturbed, tmp_path):
    for threads, step in ((1, 1), (2, -1)):
        outcomes = train_pool(mixed_members[::step], tmp_path / str(threads), threads)
        ended = [outcome.record.status for outcome in outcomes if isinstance(outcome, Outcome)]
        assert ended[::step] == ["complete"] * 7 + ["diverged"]
        assert_undisturbed(mixed_members, tmp_path / str(threads))


def test_a_pool_without_shuffling_keeps_the_order_of_the_data(members_of, tmp_path):
    members = members_of("data.shuffle=false", members=[("seed=0",), ("+data.seed=5",)])
    one, other = train_pool(members, tmp_path, 1)
    assert isinstance(one, Outcome)
    assert isinstance(other, Outcome)
    assert one.record.metrics == other.record.metrics  # the same run but for its order
