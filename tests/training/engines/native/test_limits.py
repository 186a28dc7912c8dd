"""The judge of a search is asked when the records show which members of a pool have ended."""

from dataclasses import replace

import pytest

from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.limits import Limits
from seqsweep.training.train import train_pool


@pytest.mark.parametrize("is_killed", [False, True])
def test_members_that_have_ended_have_a_record_before_the_judge_is_asked(
    members_of, assert_undisturbed, tmp_path, is_killed
):
    """A judge that did not count them would wait for them, and all others would pause."""
    early, late = members_of("trainer.max_epochs=2")[0], members_of("trainer.max_epochs=5")[0]
    seen: list[str] = []

    def judge() -> dict[str, Limits]:
        seen.append(RunFolder(tmp_path / early.run_id).state())
        return {late.run_id: Limits()}

    runs = [replace(early, limits=Limits()), replace(late, limits=Limits(until=3))]
    if is_killed:  # while one waited, and the other was tested
        train_pool(runs, tmp_path, 1)
        (tmp_path / early.run_id / "record.json").unlink()
    train_pool(runs, tmp_path, 1, judge=judge)
    assert seen == ["complete"]
    assert_undisturbed([early, late], tmp_path)
