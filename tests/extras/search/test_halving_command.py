"""A successive halving, interrupted anywhere, comes to the same decisions and bits."""

import contextlib
import itertools
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from seqsweep.config.compose import MemberComposer
from seqsweep.errors import RunLocked
from seqsweep.extras.clusters.workers import Workers
from seqsweep.extras.search.command import LOCK, search
from seqsweep.extras.search.halving import Halving
from seqsweep.extras.search.searchfile import Choice, SearchFile
from seqsweep.extras.search.trials import Tried, read_trials
from seqsweep.runs.files import read_object
from seqsweep.runs.lock import RunLock
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.sweeping.launchers import AsJobs, Here, RunLauncher
from seqsweep.sweeping.queue import SweepMember
from seqsweep.training.checkpoint_files import load_sealed
from seqsweep.training.limits import Judge
from seqsweep.training.planned_run import plan
from seqsweep.training.train import train

pytestmark = pytest.mark.slow

Train = Callable[[Sequence[SweepMember], Path, Judge | None], Mapping[str, object]]

FIXED = (
    "data=random", "data.source.num_sequences=40", "data.source.length=5",
    "data.source.input_size=3", "data.source.num_classes=3", "data.batch_size=8",
    "trainer.accelerator=cpu", "trainer.progress_bar=false", "sweep.report=false",
    "diagnostics=false",
)  # fmt: skip
SPACE = (
    "model.hidden_size=int(interval(3,9))",
    "optimizer.lr=tag(log,interval(0.0001,0.3))",
    "model.cell=rnn,gru",
)
SETTINGS: dict[str, Any] = {"population": 8, "rungs": [1, 2, 4], "seed": 0, "top": 1, "seeds": 1}
TIMES = ("train_seconds", "samples_per_s", "digest")


@dataclass
class Search:
    compose: MemberComposer

    def __call__(
        self, folder: Path, *overrides: str, launcher: RunLauncher | None = None, **settings: Any
    ) -> int:
        plan, local = Halving(**{**SETTINGS, **settings}).plan, Here(threads=1)
        return search(plan, [*FIXED, *SPACE, *overrides], self.compose, launcher or local, folder)


@pytest.fixture
def run(compose: MemberComposer) -> Search:
    return Search(compose)


@dataclass
class Changed(Here):
    """Trains with a function that changes how this process trains."""

    threads: int = 1
    change: Callable[[Train], Train] = field(kw_only=True)

    def train(
        self, members: Sequence[SweepMember], folder: Path, judge: Judge | None
    ) -> Mapping[str, object]:
        return self.change(super().train)(members, folder, judge)


def found(folder: Path) -> dict[str, Any]:
    """All that a search has decided and trained, except for times."""
    content = json.loads((folder / "search.json").read_text())
    runs: dict[str, Any] = {}
    for path in sorted(folder.glob("*/config.yaml")):
        run = RunFolder(path.parent)
        written = read_object(run.path / "record.json")
        record = {k: v for k, v in written.items() if k not in TIMES}
        states = [load_sealed(each) for each in sorted((run.path / "checkpoints").glob("*.ckpt"))]
        weights = [
            value.numpy().tobytes() for state in states for value in state["state_dict"].values()
        ]
        rows = run.path / "metrics.csv"  # none of a run that failed at once
        runs[run.run_id] = record, weights, rows.read_bytes() if rows.exists() else b""
    return {"search": content, "runs": runs}


def tried(folder: Path) -> list[Tried]:
    file = SearchFile.read(folder)
    assert file is not None
    return read_trials(file, folder)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, compose) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed") / "a"
    assert Search(compose)(folder) == 0
    return folder


@pytest.fixture(scope="module")
def expected(undisturbed) -> dict[str, Any]:
    return found(undisturbed)


def test_a_search_ends_each_run_at_its_rung(undisturbed):
    file = SearchFile.read(undisturbed)
    assert file is not None
    trials = tried(undisturbed)
    assert sorted(trial.epochs for trial in trials) == [1, 1, 1, 1, 2, 2, 4, 4]
    assert (file.method, file.rungs, file.budget) == ("halving", [1, 2, 4], {"trials": 8})
    for trial in trials:
        record = RunFolder(undisturbed / trial.run_ids[0]).record()
        assert record is not None
        assert trial.state == record.status == ("complete" if trial.epochs == 4 else "pruned")
        assert trial.value == record.metrics["val/acc"]
    assert file.space["model.cell"] == Choice(["rnn", "gru"])
    assert not (SweepFile.read(undisturbed) or SweepFile((), 0, {}, open=True)).open


def test_the_survivors_equal_their_configs_alone(expected, undisturbed, compose, tmp_path):
    complete = [trial for trial in tried(undisturbed) if trial.state == "complete"]
    for trial in complete:
        values = [f"{key}={value}" for key, value in trial.params.items()]
        alone = plan(compose.checked([*FIXED, "trainer.max_epochs=4", *values]))
        assert [alone.run_id] == list(trial.run_ids)
        train(alone, tmp_path)
    (tmp_path / "search.json").write_text("{}")
    got = found(tmp_path)["runs"]
    assert got == {name: expected["runs"][name] for name in got} and len(got) == 2


def test_the_same_command_trains_nothing_again_and_decides_by_the_files(
    run, expected, undisturbed, capsys
):
    """A lost search.json is written again, with the same decisions."""

    def never(_: Train) -> Train:
        raise AssertionError("nothing is left")

    for is_lost in (False, True):
        if is_lost:
            (undisturbed / "search.json").unlink()
        assert run(undisturbed, launcher=Changed(change=never)) == 0
        printed = capsys.readouterr().out
        assert "0 to train" in printed and "16 of 32 epochs" in printed
        assert found(undisturbed) == expected


def test_runs_that_pause_at_rungs_come_to_the_same(run, expected, tmp_path):
    """Runs of autograd, of several pools and of workers have no pool that asks the judge."""

    def pausing(train: Train) -> Train:
        return lambda members, folder, judge: train(members, folder, None)

    assert run(tmp_path, launcher=Changed(change=pausing)) == 0
    assert found(tmp_path) == expected


@pytest.mark.durability
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_search_killed_at_any_rename_comes_to_the_same(run, expected, at_rename, tmp_path, after):
    n = 0
    for n in itertools.count(3 if after else 1, 13):
        folder = tmp_path / str(n)
        with at_rename(n, after) as renamed:
            run(folder)
        with at_rename(2 * n, after):
            run(folder)
        assert run(folder) == 0
        assert found(folder) == expected
        if len(renamed) < n:
            break
    assert n > 20


def test_a_run_that_fails_for_good_leaves_the_others(run, tmp_path, capsys):
    broken: list[str] = []

    def failing(train: Train) -> Train:
        def fail_one(members: Sequence[SweepMember], folder: Path, judge: Any) -> Any:
            if not broken:
                broken.append(members[0].run_id)
                members[0].folder.path.mkdir(parents=True, exist_ok=True)
                members[0].folder.fail(ValueError("broken"))
            return train([m for m in members if m.run_id not in broken], folder, judge)

        return fail_one

    assert run(tmp_path, launcher=Changed(change=failing), top=0) == 1
    states = {trial.run_ids[0]: trial.state for trial in tried(tmp_path)}
    assert [name for name, state in states.items() if state == "failed"] == broken
    assert sorted(states.values()).count("complete") == 2
    before = found(tmp_path)
    for _ in range(2):
        # A command that would train nothing is not suggested.
        printed = capsys.readouterr().out
        assert "the search has gone on without 1 failed run" in printed
        assert "this trains what is missing" not in printed
        assert run(tmp_path, top=0) == 1  # the rung was decided without the run
        assert found(tmp_path) == before


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer.check_val_every_n_epoch=2", "the first must be at least 2"),
        ("monitor=val/acc,val/loss", "monitor: must have one value in a search"),
        ("data.source.seed=0,1", "data.source.seed=.: other data than data.source"),
    ],
)
def test_runs_that_cannot_be_judged_are_refused(run, tmp_path, override, message):
    with pytest.raises(ValueError, match=message):
        run(tmp_path / "a", override)
    assert not (tmp_path / "a").exists()


def test_the_folder_of_another_search_is_refused(run, expected, undisturbed):
    with pytest.raises(ValueError, match=r"a search with rungs=\[1, 2, 4\]; give another"):
        run(undisturbed, rungs=[1, 4])
    assert found(undisturbed) == expected


def test_launchers_that_cannot_end_runs_early_are_refused(run, tmp_path):
    detached: Any = Workers(object(), detach=True)  # type: ignore[arg-type]
    hydra: Any = None
    for launcher in (AsJobs(hydra), detached):
        with pytest.raises(ValueError, match=r"hydra.launcher"):
            run(tmp_path, launcher=launcher)


def test_a_second_search_waits_for_the_first(run, expected, undisturbed, capsys):
    """Two judges in one folder would overwrite each other's sweep.json."""
    with contextlib.ExitStack() as first:
        first.enter_context(RunLock(undisturbed, LOCK))
        with pytest.raises(RunLocked):
            run(undisturbed, "when_locked=skip")
        threading.Timer(0.3, first.close).start()
        assert run(undisturbed) == 0
    assert "another process searches in" in capsys.readouterr().out
    assert found(undisturbed) == expected
