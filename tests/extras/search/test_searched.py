"""What a halving has left to train follows from the files of its runs."""

import threading
from dataclasses import replace
from pathlib import Path

from sweep_members import member_at

from seqsweep.extras.search.halving import Halving
from seqsweep.extras.search.halving_command import Searched
from seqsweep.extras.search.planning import TrialPlanner
from seqsweep.extras.search.searchfile import SearchFile, Trial
from seqsweep.extras.search.trials import read_trials
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.sweeping.queue import SweepMember
from seqsweep.training.limits import Limits


def make_search(root: Path, *accuracies: float | None) -> Searched:
    """A search of runs with these accuracies in their first epoch; None for a run without rows."""
    trials: list[Trial] = []
    members: list[SweepMember] = []
    for number, value in enumerate(accuracies):
        folder = RunFolder(root / f"run{number}")
        folder.path.mkdir()
        row = "" if value is None else f"0,0.5,1.0,{value}\n"
        (folder.path / "metrics.csv").write_text(f"epoch,train/loss,val/loss,val/acc\n{row}")
        members.append(member_at(folder.path, config={"monitor": "val/acc", "seed": 0}))
        trials.append(Trial(number, {}, [folder.run_id]))
    halving = Halving(max(2, len(accuracies)), [1, 2], seed=0, top=0, seeds=0)
    return Searched(halving, planner_of(root), trials, members)


def planner_of(root: Path) -> TrialPlanner:
    return TrialPlanner(None, [], {}, root)  # type: ignore[arg-type]


def in_a_later_command(searched: Searched) -> Searched:
    """The same search, in which earlier failures do not count."""
    trials = searched.trials
    members = [
        replace(member, failures_before=member.folder.attempts()) for member in searched.members()
    ]
    return Searched(searched.halving, searched.planner, trials, members)


def states(searched: Searched) -> list[str]:
    searched.write()
    file = SearchFile.read(searched.folder)
    assert file is not None
    return [tried.state for tried in read_trials(file, searched.folder)]


def left(searched: Searched) -> list[int]:
    return [int(run.run_id.removeprefix("run")) for run in searched.pending()]


def test_a_run_that_was_retried_and_then_lost_gets_its_record(tmp_path):
    """Runs that pause at a rung are launched again, to be pruned."""
    searched = make_search(tmp_path, 0.2, 0.9)
    RunFolder(tmp_path / "run0").fail(ValueError("x"))
    later = in_a_later_command(searched)
    assert later.limits["run0"] == Limits(ends_at=1)
    assert left(later) == [0, 1]
    # It has lost its place at the rung, and its record is still to come.
    assert states(later) == ["failed", "running"]


def test_a_sweep_that_joins_while_a_rung_is_judged_stays_in_sweep_json(tmp_path):
    searched = make_search(tmp_path, 0.2, 0.9)
    SweepFile((), 0.0, {"run0": {}, "run1": {}}).write(tmp_path)
    judging = threading.Thread(target=searched.judge)
    with SweepFile.changing(tmp_path):
        judging.start()
        judging.join(0.3)  # the judge waits before it reads the file
        SweepFile((), 0.0, {"run0": {}, "run1": {}, "other": {}}).write(tmp_path)
    judging.join()
    file = SweepFile.read(tmp_path)
    assert file is not None and set(file.configs) == {"run0", "run1", "other"}
    assert file.limits["run0"]["ends_at"] == 1
