"""A stack has the padded width of its networks and as many members as fit into the cache."""

from hypothesis import given, settings
from hypothesis import strategies as st

from seqsweep.stacked.grouping import MOST_MEMBERS, WIDTH, equal_sizes, most_members, padded

settings.register_profile("seqsweep", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("seqsweep")


@given(st.integers(1, 1000))
def test_the_padded_width_is_the_least_that_holds_a_network(hidden):
    assert padded(hidden) % WIDTH == 0
    assert 0 <= padded(hidden) - hidden < WIDTH


@given(st.integers(1, 5000), st.integers(1, MOST_MEMBERS))
def test_every_member_is_in_one_of_few_equal_stacks(count, most):
    sizes = equal_sizes(count, most)
    assert sum(sizes) == count
    assert max(sizes) <= most and max(sizes) - min(sizes) <= 1
    assert (len(sizes) - 1) * most < count


@given(st.integers(1, 10**9))
def test_larger_networks_have_smaller_stacks(states):
    assert 8 <= most_members(states + 1) <= most_members(states) <= MOST_MEMBERS
