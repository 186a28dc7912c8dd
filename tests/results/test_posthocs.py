"""The tests of all pairs of values equal those of scikit-posthocs, with Holm's correction."""

import itertools

import numpy as np
import pytest
from made_sweeps import entries_of, on_data

from seqsweep.results.by import compare_values

pytestmark = pytest.mark.durability


@pytest.mark.parametrize("values", [2, 3, 5])
def test_the_p_values_of_all_pairs_are_those_of_another_library(values: int):
    import scikit_posthocs  # only `make durability` installs it

    shape = values, 14  # seeds
    scores = np.random.default_rng(values).normal(size=shape) + np.arange(values)[:, None] / 3
    runs = [{"h": h, "seed": seed} for h, seed in itertools.product(*map(range, shape))]
    made = entries_of(runs, None, lambda c: scores[c["h"], c["seed"]], about=lambda _: on_data("a"))
    (block,) = compare_values(made, "h")
    expected = scikit_posthocs.posthoc_wilcoxon([*scores], p_adjust="holm").to_numpy()
    assert len(block.pairs) == values * (values - 1) // 2
    for pair in block.pairs:
        one, other = (int(value.removeprefix("h=")) for value in pair.values)
        assert pair.adjusted == pytest.approx(expected[one, other])
