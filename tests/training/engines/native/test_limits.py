"""Members of a pool that a search prunes or pauses, and what they come to when resumed."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from run_files import assert_equal, result

from seqsweep.runs.metrics_csv import read_rows
from seqsweep.runs.record import NO_RECORD
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.checkpoint_files import load_sealed
from seqsweep.training.limits import Limits
from seqsweep.training.outcome import Outcome, finished
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.train import train, train_pool

PRUNES = {"val/acc": 1.1, "val/loss": -1.0, "train/loss": -1.0}
"""A threshold that no run can pass, by monitor."""


def limited(members: Sequence[PlannedRun], *each: Limits | None) -> list[PlannedRun]:
    """Members with limits; a single one is that of all."""
    limits = each if len(each) > 1 else each * len(members)
    return [replace(run, limits=own) for run, own in zip(members, limits, strict=True)]


def statuses(outcomes: Sequence[Outcome | BaseException]) -> list[str]:
    return [o.record.status for o in outcomes if isinstance(o, Outcome)]


def test_a_pruned_member_leaves_a_record_without_a_test_and_its_checkpoints(members_of, tmp_path):
    first, second = members_of()[:2]
    runs = limited([first, second], Limits({2: 1.1}), Limits({2: 0.0}))
    outcomes = train_pool(runs, tmp_path, 2)
    assert statuses(outcomes) == ["pruned", "complete"]
    folder = RunFolder(tmp_path / first.run_id)
    record = folder.record()
    assert record is not None and folder.state() == "pruned"
    assert record.pruned == (2, record.metrics["val/acc"], 1.1)
    assert record.epochs == 2 and record.best_epoch in (0, 1)
    assert not any(name.startswith("test/") for name in record.metrics)
    assert not (folder.path / "diagnostics.json").exists()
    assert load_sealed(folder.path / "checkpoints" / "last.ckpt")["epoch"] == 1
    assert finished(runs[0], tmp_path) is not None  # the search does not train it again
    assert finished(first, tmp_path) is None


def test_pruned_members_are_the_same_in_company_and_equal_undisturbed_ones_when_resumed(
    mixed_members, assert_undisturbed, tmp_path
):
    """Beside them, members without limits train as if they were alone."""
    half = len(mixed_members) // 2
    limits = [Limits({2: PRUNES[run.config["monitor"]]}) for run in mixed_members[:half]]
    runs = [*limited(mixed_members[:half], *limits), *mixed_members[half:]]
    outcomes = train_pool(runs, tmp_path, 2)
    assert statuses(outcomes)[:half] == ["pruned"] * half
    for run in runs[:half]:
        train(run, tmp_path / "alone")
        alone = result(tmp_path / "alone" / run.run_id)
        assert_equal(result(tmp_path / run.run_id), alone)
    assert_undisturbed(mixed_members[half:], tmp_path)
    train_pool(mixed_members, tmp_path, 1)
    assert_undisturbed(mixed_members, tmp_path)


def test_members_that_pause_equal_undisturbed_ones(mixed_members, assert_undisturbed, tmp_path):
    for until, epoch in ((1, 1), (3, 3), (2, 3), (4, 4)):  # the third one trains nothing
        outcomes = train_pool(limited(mixed_members, Limits(until=until)), tmp_path, 2)
        for run, outcome in zip(mixed_members, outcomes, strict=True):
            assert isinstance(outcome, Outcome)
            folder = RunFolder(tmp_path / run.run_id)
            if outcome.record is NO_RECORD:
                assert folder.record() is None and folder.failure() is None
                assert len(read_rows(folder.path / "metrics.csv")) == epoch
                last = load_sealed(folder.path / "checkpoints" / "last.ckpt")
                assert last["epoch"] == epoch - 1
    # The limit of a member's last epoch has no effect.
    ends = [member.config["trainer"]["max_epochs"] for member in mixed_members]
    train_pool(limited(mixed_members, *[Limits({n: 1.1}, until=n) for n in ends]), tmp_path, 1)
    assert_undisturbed(mixed_members, tmp_path)


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

    runs = limited([early, late], Limits(), Limits(until=3))
    if is_killed:  # while one waited, and the other was tested
        train_pool(runs, tmp_path, 1)
        (tmp_path / early.run_id / "record.json").unlink()
    assert statuses(train_pool(runs, tmp_path, 1, judge=judge)) == ["complete"] * 2
    assert seen == ["complete"]
    assert_undisturbed([early, late], tmp_path)
