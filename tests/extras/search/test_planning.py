"""A search chooses among trials with the same validation and test sequences."""

from pathlib import Path

import pytest

from seqsweep.config.compose import MemberComposer
from seqsweep.extras.search.planning import TrialPlanner


def planner(compose: MemberComposer, *overrides: str) -> TrialPlanner:
    return TrialPlanner.of(overrides, compose, Path())


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data=digits,japanese_vowels"],
         "^data=japanese_vowels: other data than data=digits: .* a sweep.name of its own$"),
        (["data=digits", "data.folds=5", "data.fold=0,1,2"],
         "^data.fold: must have one value in a search"),
        (["data=digits", "data.val_fraction=interval(0.1,0.3)"],
         "^data.val_fraction=0.3: other validation set than data.val_fraction=0.1: "),
    ],
)  # fmt: skip
def test_a_choice_between_evaluated_sequences_is_refused(compose, overrides, message):
    with pytest.raises(ValueError, match=message):
        planner(compose, *overrides, "optimizer.lr=interval(0.1,0.2)").plan_ends()


@pytest.mark.parametrize(
    ("interval", "whole"),
    [
        ("model.hidden_size=interval(4,8)", "model.hidden_size=int(interval(4,8))"),
        ("data.batch_size=tag(log,interval(8,64))", "data.batch_size=int(interval(8,64))"),
        ("model.num_layers=range(1,3.2,0.5)", "model.num_layers=int(interval(1,3))"),
    ],
)
def test_an_interval_of_real_numbers_for_a_key_of_whole_ones_is_refused(compose, interval, whole):
    """The ends of the interval are whole and are accepted; hardly a number between them is."""
    with pytest.raises(ValueError, match=r"must be a whole number.*; or give ") as error:
        planner(compose, "data=digits", interval).plan_ends()
    assert f"'{whole}'" in str(error.value)
    planner(compose, "data=digits", whole).plan_ends()
