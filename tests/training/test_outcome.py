"""Why a run was refused is written only where no other process trains or has finished it."""

from collections.abc import Callable

import pytest
from lock_programs import leave_lock_of

from seqsweep.config.schema import Config
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.planned_run import PlannedRun, plan, record_refusal

ERROR = OSError(28, "No space left on device")


@pytest.fixture
def member(checked: Callable[..., Config]) -> PlannedRun:
    return plan(checked("data=random", "data.source.num_sequences=40", "data.batch_size=8"))


def test_a_refused_run_counts_as_failed_and_is_free(member, tmp_path):
    folder = RunFolder(tmp_path / member.run_id)
    for attempts in (1, 2):
        record_refusal(member, ERROR, tmp_path)
        assert folder.attempts() == attempts
    assert (folder.failure() or {})["error"] == f"OSError: {ERROR}"
    assert {path.name for path in folder.path.iterdir()} == {"config.yaml", "failure.json"}


def test_the_run_of_another_process_stays_as_it_is(member, tmp_path):
    """It was refused here because the disk was full, and another process has begun it since."""
    folder = tmp_path / member.run_id
    folder.mkdir()
    leave_lock_of("elsewhere", folder, age=0)
    record_refusal(member, ERROR, tmp_path)
    assert [path.name for path in folder.iterdir()] == ["lock"]


def test_a_run_that_another_process_has_finished_has_no_failure(member, tmp_path):
    folder = RunFolder(tmp_path / member.run_id)
    folder.path.mkdir()
    folder.finish(member.record("diverged", {"error": "nan", "epoch": 0}))
    record_refusal(member, ERROR, tmp_path)
    assert [path.name for path in folder.path.iterdir()] == ["record.json"]
