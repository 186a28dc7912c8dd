"""The company of a stack is what it was when it began, whatever came between."""

import itertools
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from seqsweep.config.schema import Config
from seqsweep.runs.clean import forget_stacks
from seqsweep.runs.run_folder import RunFolder
from seqsweep.sweeping.forming import form
from seqsweep.sweeping.train_groups import train_groups
from seqsweep.training.checkpoints import load_sealed
from seqsweep.training.engines.stacked.company import begun_with, companies, keep_company
from seqsweep.training.planned_run import PlannedRun, plan
from seqsweep.training.train import train

BASE = (
    "data=random", "data.source.num_sequences=40", "data.source.length=5", "data.batch_size=8",
    "data.source.input_size=3", "model.hidden_size=5", "model.num_layers=2", "model.dropout=0.2",
    "trainer.accelerator=cpu", "trainer.max_epochs=4", "trainer.progress_bar=false",
    "callbacks=early_stopping", "callbacks.early_stopping.patience=1", "optimizer.lr=0.05",
    "engine=stacked", "diagnostics=false", "logger=csv",
)  # fmt: skip

Planned = Callable[..., list[PlannedRun]]


@pytest.fixture
def planned(checked: Callable[..., Config]) -> Planned:
    """Members that differ in their seeds."""

    def call(*overrides: str, seeds: Sequence[int] = range(3)) -> list[PlannedRun]:
        return [plan(checked(*BASE, *overrides, f"seed={seed}")) for seed in seeds]

    return call


def command(members: Sequence[PlannedRun], root: Path) -> None:
    """Trains those that are not done, as `seqsweep train -m` does."""
    train_groups(members, root, 1)


def results(members: Sequence[PlannedRun], root: Path) -> list[Any]:
    """The metrics and the weights of each, as bytes."""
    folders = [root / member.run_id for member in members]
    states = [load_sealed(folder / "checkpoints/last.ckpt")["state_dict"] for folder in folders]
    assert all(RunFolder(folder).record() for folder in folders)
    return [
        ((folder / "metrics.csv").read_bytes(), [w.numpy().tobytes() for w in state.values()])
        for folder, state in zip(folders, states, strict=True)
    ]


def left(root: Path) -> list[str]:
    return sorted(path.name for path in (root / ".stacks").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(("named", "after"), [([1], False), ([2, 0], True)])
def test_a_kill_at_any_write_changes_no_bit(
    planned: Planned, tmp_path: Path, at_rename: Any, named: Sequence[int], after: bool
) -> None:
    """Also where the next command names a part of the stack, which trains the others with it."""
    members = planned()
    command(members, tmp_path / "alone")
    expected = results(members, tmp_path / "alone")
    assert len({csv for csv, _ in expected}) == 3
    for n in itertools.count(1):
        root = tmp_path / f"killed {n}"
        with at_rename(n, after=after) as renamed:
            command(members, root)
        has_company = bool(companies(root))
        command([members[index] for index in named], root)
        if has_company:
            command(members, root)  # where the named ones were done already
            assert results(members, root) == expected, (n, renamed[-1])
            forget_stacks(root)  # as the next command does where all are done
            assert left(root) == [], (n, renamed[-1])
        if len(renamed) < n:  # nothing was left to kill
            assert n > 20
            break


def test_the_company_is_on_disk_before_anything_begins(
    planned: Planned, tmp_path: Path, at_rename: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = planned()
    synced: list[bool] = []
    monkeypatch.setattr(os, "sync", lambda: synced.append(bool(companies(tmp_path))))
    with at_rename(2) as renamed:
        command(members, tmp_path)
    assert renamed[0].endswith(".company") and synced == [True]
    assert not list(tmp_path.rglob("config.yaml"))
    (company,) = companies(tmp_path)
    assert set(company.configs) == {member.run_id for member in members}


def test_a_single_job_trains_its_company(planned: Planned, tmp_path: Path, at_rename: Any) -> None:
    """As `hydra/launcher=basic` does after a sweep of stacks was killed."""
    members = planned()
    command(members, tmp_path / "alone")
    with at_rename(12):
        command(members, tmp_path / "killed")
    outcome = train(members[1], tmp_path / "killed")
    assert outcome.folder.run_id == members[1].run_id
    alone, killed = (results(members, tmp_path / name) for name in ("alone", "killed"))
    assert alone == killed


def test_a_run_that_began_alone_stays_alone(
    planned: Planned, tmp_path: Path, at_rename: Any
) -> None:
    """A run that was killed before its first checkpoint gets no company later."""
    members = planned()
    command(members[:1], tmp_path / "alone")
    with at_rename(3) as renamed:
        command(members[:1], tmp_path / "killed")
    assert renamed[:2] == ["config.yaml", "provenance.json"]
    stacks = form(members, tmp_path / "killed", lambda _: False).stacks
    assert sorted(len(stack.members) for stack in stacks) == [1, 2]
    command(members, tmp_path / "killed")
    one, other = (results(members[:1], tmp_path / name) for name in ("alone", "killed"))
    assert one == other


def test_a_rerun_begins_in_the_company_of_its_command(planned: Planned, tmp_path: Path) -> None:
    members, again = planned(), planned("rerun=true", seeds=[0, 1])
    keep_company(tmp_path, members)
    assert begun_with({m.run_id: m for m in again}, tmp_path) == []
    keep_company(tmp_path, again)
    (company,) = companies(tmp_path)
    assert set(company.configs) == {member.run_id for member in again}


def test_a_part_of_a_company_is_not_a_new_one(planned: Planned, tmp_path: Path) -> None:
    """Those of it that are not done begin nothing anew."""
    members = planned()
    keep_company(tmp_path, members)
    keep_company(tmp_path, members[1:])
    (company,) = companies(tmp_path)
    assert list(company.configs) == [member.run_id for member in members]


@pytest.mark.parametrize("content", [5, [], {"a": 5}, "{", {"a": {"seed": 0}}])
def test_a_company_file_without_pending_runs_does_nothing(
    planned: Planned, tmp_path: Path, content: Any
) -> None:
    (tmp_path / ".stacks").mkdir()
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / ".stacks/x.company").write_text(text)
    members = planned(seeds=[0, 1])
    (stack,) = form(members, tmp_path, lambda _: False).stacks
    assert {m.run_id for m in stack.members} == {m.run_id for m in members}


def test_a_company_file_builds_nothing_foreign(planned: Planned, tmp_path: Path) -> None:
    """A config out of a file may name what ours and the command's own configs name."""
    members = planned(seeds=[0, 1])
    keep_company(tmp_path, members)
    (path,) = (tmp_path / ".stacks").glob("*.company")
    content = json.loads(path.read_text())
    content[members[1].run_id]["model"]["_target_"] = "os.system"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"\.company: model\._target_=os\.system is not a target"):
        form(members[:1], tmp_path, lambda _: False)
    shutil.rmtree(path.parent)
    assert form(members[:1], tmp_path, lambda _: False).stacks
