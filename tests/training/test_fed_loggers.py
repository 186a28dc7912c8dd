"""Loggers of other packages get each row once, and cost a run neither its engine nor its life."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hooked import train_with
from one_open_run import epochs, tracked
from run_files import SMALL, rows

from seqsweep.command import Command
from seqsweep.config.schema import Config
from seqsweep.errors import RunFailed
from seqsweep.runs.files import read_object
from seqsweep.runs.lock import RunLock
from seqsweep.runs.run_folder import RunFolder
from seqsweep.sweeping.app import run, train_member
from seqsweep.sweeping.estimates import engine_notes
from seqsweep.training.engine import engine_of, why_not_native
from seqsweep.training.fed_loggers import FED, feed_done, forget_errors
from seqsweep.training.limits import Limits
from seqsweep.training.planned_run import PlannedRun, plan
from seqsweep.training.train import train, train_pool

pytestmark = pytest.mark.slow

BASE = (*SMALL, "trainer.max_epochs=5")
BROKEN = "logger.own: ConnectionError: no answer; the runs are not affected"


def on_cpu(_: str) -> bool:
    return False


@pytest.fixture
def planned(checked: Callable[..., Config], tmp_path: Path) -> Callable[..., PlannedRun]:
    forget_errors()
    own = f"+logger.own={{_target_: one_open_run.Tracker, folder: '{tmp_path}'}}"
    return lambda *overrides, logger=own: plan(checked(*BASE, logger, *overrides))


@pytest.mark.parametrize("engine", ["native", "autograd"])
def test_a_run_is_fed_at_its_end_and_is_the_same_run_without_its_logger(planned, tmp_path, engine):
    choice = [] if engine == "native" else ["engine=autograd"]
    # A tracker is fed from metrics.csv, which a run then writes though no logger asks for it.
    member, plain = planned(*choice, "logger=tensorboard"), planned(*choice, logger="seed=0")
    assert engine_of(member.config) == engine
    outcome = train(member, tmp_path)
    *of_epochs, (step, tested) = tracked(tmp_path, member.run_id, "row")
    written = [{k: float(v) for k, v in row.items()} for row in rows(outcome.folder.path)]
    assert [row | {"step": at} for at, row in of_epochs] == written
    record = outcome.record
    expected = {k: v for k, v in record.metrics.items() if k.startswith("test/")}
    assert (step, tested) == (record.steps, expected | {"epoch": 5})
    assert tracked(tmp_path, member.run_id, "config") == [member.config]
    assert tracked(tmp_path, member.run_id, "end") == ["success"]
    assert tracked(tmp_path, member.run_id, "exit") == [0]
    alone = train(plain, tmp_path / "alone")
    assert alone.folder.run_id == member.run_id
    assert rows(alone.folder.path) == rows(outcome.folder.path)
    assert alone.record.metrics == record.metrics


@pytest.mark.parametrize("engine", ["auto", "autograd"])
def test_a_run_that_pauses_and_resumes_has_each_row_once(planned, tmp_path, engine):
    member = planned(f"engine={engine}")
    train(replace(member, limits=Limits(until=2)), tmp_path)
    assert epochs(tmp_path, member.run_id) == [0, 1]
    train(replace(member, limits=Limits({4: 1.1})), tmp_path)  # is pruned
    train(member, tmp_path)
    assert epochs(tmp_path, member.run_id) == [0, 1, 2, 3, 4, 5]
    assert len(tracked(tmp_path, member.run_id, "config")) == 1
    assert tracked(tmp_path, member.run_id, "exit") == [0, 0, 0]


def test_a_run_that_fails_and_resumes_has_each_row_once(planned, at, tmp_path):
    member = planned("engine=autograd")
    with pytest.raises(RunFailed):
        train_with(member, tmp_path, at("on_train_epoch_start", 3, RuntimeError))
    assert epochs(tmp_path, member.run_id) == [0, 1]
    train(member, tmp_path)
    assert epochs(tmp_path, member.run_id) == [0, 1, 2, 3, 4, 5]
    assert tracked(tmp_path, member.run_id, "end") == ["failed", "success"]
    assert tracked(tmp_path, member.run_id, "exit") == [1, 0]


def test_an_error_of_a_logger_is_one_warning_and_the_rest_is_fed_later(planned, tmp_path, capsys):
    members = [planned(f"seed={seed}") for seed in range(3)]
    train_pool(members, tmp_path / "whole", 2)  # the tracker has one open run at a time
    for member in members:
        assert epochs(tmp_path, member.run_id) == [0, 1, 2, 3, 4, 5]
        (tmp_path / f"{member.run_id}.jsonl").unlink()
    (tmp_path / "broken").write_text("3")
    train_pool(members, tmp_path, 1)
    assert all(RunFolder(tmp_path / each.run_id).state() == "complete" for each in members)
    assert capsys.readouterr().err.count(BROKEN) == 1
    (tmp_path / "broken").unlink()
    forget_errors()  # as the next command does
    for member in members:
        train_member(member, tmp_path)
        assert epochs(tmp_path, member.run_id) == [0, 1, 2, 3, 4, 5]
        train_member(member, tmp_path)  # has nothing to feed
        assert tracked(tmp_path, member.run_id, "end") == ["success"]


def test_a_run_that_another_process_holds_or_that_is_not_done_is_left_alone(planned, tmp_path):
    forgotten, member = planned("seed=1"), planned()
    path = train(planned(logger="seed=0"), tmp_path).folder.path
    with RunLock(path):
        feed_done((each.config, RunFolder(tmp_path / each.run_id)) for each in (forgotten, member))
    assert not list(tmp_path.glob("*.jsonl"))


def test_a_sweep_feeds_the_runs_that_were_complete_before(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sweep = ["-m", *BASE, "seed=0,1", "sweep.name=fed", "sweep.report=false"]
    own = f"+logger.own={{_target_: one_open_run.Tracker, folder: '{tmp_path}'}}"
    assert run(Command(), sweep) == 0
    assert run(Command(), [*sweep, own]) == 0
    ids = [path.parent.name for path in Path("outputs/sweeps/fed").glob("*/record.json")]
    assert len(ids) == 2
    for run_id in ids:
        assert epochs(tmp_path, run_id) == [0, 1, 2, 3, 4, 5]
        fed = read_object(Path("outputs/sweeps/fed", run_id, FED))
        assert fed == {"own": {"rows": 6, "status": "complete"}}


READS = """
from one_open_run import Tracker


class Reads(Tracker):
    def finalize(self, status):
        print(self.trainer.current_epoch)
"""


def test_a_logger_that_reads_the_trainer_means_autograd(planned, tmp_path, monkeypatch):
    (tmp_path / "reading.py").write_text(READS)
    monkeypatch.syspath_prepend(tmp_path)
    member = planned(logger=f"+logger.own={{_target_: reading.Reads, folder: '{tmp_path}'}}")
    why = "logger.own=reading.Reads, which reads `trainer`"
    assert why_not_native(member.config) == why
    assert [line.partition(":")[0] for line in engine_notes([member])] == [why]
