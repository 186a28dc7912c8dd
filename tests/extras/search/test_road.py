"""A search by either policy, interrupted anywhere, comes to the same decisions and bits."""

import contextlib
import itertools
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from made_search import search_of, tried
from omegaconf import OmegaConf
from run_files import result

from hydra_plugins.seqsweep_sweeper.seqsweep_sweeper import (
    HalvingSweeperConf,
    OptunaSweeperConf,
)
from seqsweep.config.compose import MemberComposer
from seqsweep.errors import RunLocked
from seqsweep.extras.clusters.workers import Workers
from seqsweep.extras.search.command import LOCK, search
from seqsweep.extras.search.halving import Halving
from seqsweep.extras.search.searchfile import Choice
from seqsweep.extras.search.study import Window
from seqsweep.runs.lock import RunLock
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.sweeping.launchers import AsJobs, Here
from seqsweep.sweeping.queue import SweepMember
from seqsweep.training.limits import Judge
from seqsweep.training.planned_run import plan
from seqsweep.training.train import train

pytestmark = pytest.mark.slow

FIXED = (
    "data=random", "data.source.num_sequences=40", "data.source.length=5",
    "data.source.input_size=3", "data.source.num_classes=3", "data.batch_size=8",
    "trainer.accelerator=cpu", "trainer.progress_bar=false", "sweep.report=false",
    "diagnostics=false", "logger=csv",
)  # fmt: skip
SPACE = (
    "model.hidden_size=int(interval(3,9))",
    "optimizer.lr=tag(log,interval(0.0001,0.3))",
    "model.cell=rnn,gru",
)
HALVING: dict[str, Any] = {
    "population": 8, "rungs": [1, 2, 4], "confirm": {"top": 1, "seeds": 1}
}  # fmt: skip
OPTUNA: dict[str, Any] = {
    "budget": {"trials": 4}, "parallel": 2, "sampler": "random", "confirm": {"top": 0}
}  # fmt: skip


@dataclass
class Acting(Here):
    """Trains here; a test looks at the runs of each round first, and may keep some away."""

    threads: int = 1
    choose: Callable[[Sequence[SweepMember]], Sequence[SweepMember]] = list
    asks_judge: bool = True

    def train(
        self, members: Sequence[SweepMember], folder: Path, judge: Judge | None
    ) -> Mapping[str, object]:
        return super().train(self.choose(members), folder, judge if self.asks_judge else None)


def failing() -> Acting:
    """Lets the first run fail, and only it."""
    failed: list[SweepMember] = []

    def choose(runs: Sequence[SweepMember]) -> Sequence[SweepMember]:
        if failed:
            return runs
        failed.append(runs[0])
        runs[0].folder.path.mkdir(parents=True, exist_ok=True)
        runs[0].folder.fail(ValueError("broken"))
        return runs[1:]

    return Acting(choose=choose)


@dataclass
class Searcher:
    """Searches below `folder`: by Optuna with runs of one epoch, or by halving."""

    compose: MemberComposer
    folder: Path

    def __call__(self, *overrides: str, **settings: Any) -> int:
        of_all = ("trainer.max_epochs=1", *overrides)
        return self._search(Window, OptunaSweeperConf, OPTUNA, of_all, settings)

    def halving(self, *overrides: str, **settings: Any) -> int:
        return self._search(Halving, HalvingSweeperConf, HALVING, overrides, settings)

    def _search(
        self, policy: Any, conf: Any, ours: Any, overrides: Sequence[str], settings: dict[str, Any]
    ) -> int:
        launcher, folder = settings.pop("launcher", Acting()), settings.pop("folder", self.folder)
        options: Any = OmegaConf.merge(OmegaConf.structured(conf), ours, settings)
        given = [*FIXED, *SPACE, *overrides]
        return search(policy, options, given, self.compose, launcher, folder)


@pytest.fixture
def run(compose: MemberComposer, tmp_path: Path) -> Searcher:
    return Searcher(compose, tmp_path)


def states(folder: Path) -> list[str]:
    return [trial.state for trial in tried(folder)]


def seed_of(folder: Path, run_id: str) -> int:
    record = RunFolder(folder / run_id).record()
    assert record is not None
    return record.config["seed"]


def trained(folder: Path) -> dict[str, Any]:
    """All that a search has decided and trained, except for times."""
    content = {**json.loads((folder / "search.json").read_text()), "minutes": 0, "digest": ""}
    runs = {path.parent.name: result(path.parent) for path in folder.glob("*/config.yaml")}
    return {"search": content, "runs": runs}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, compose) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed") / "a"
    assert Searcher(compose, folder).halving() == 0
    return folder


@pytest.fixture(scope="module")
def expected(undisturbed) -> dict[str, Any]:
    return trained(undisturbed)


def test_a_halving_ends_each_run_at_its_rung(undisturbed):
    file, trials = search_of(undisturbed), tried(undisturbed)
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
    got = trained(tmp_path)["runs"]
    assert got == {name: expected["runs"][name] for name in got} and len(got) == 2


def test_the_same_command_trains_nothing_again(run, expected, undisturbed, tmp_path, capsys):
    """A lost search.json is written again with the same decisions; a lost run is trained again."""
    idle = Acting(choose=lambda runs: pytest.fail("nothing is left"))
    for is_lost in (False, True):
        if is_lost:
            (undisturbed / "search.json").unlink()
        assert run.halving(launcher=idle, folder=undisturbed) == 0
        printed = capsys.readouterr().out
        assert "0 to train" in printed and "16 of 32 epochs" in printed
        assert trained(undisturbed) == expected
    assert run() == 0
    before = trained(tmp_path)
    (tmp_path / "search.json").unlink()
    assert run(launcher=idle) == 0
    assert trained(tmp_path) == before
    trials = search_of(tmp_path).trials
    shutil.rmtree(tmp_path / trials[0].run_ids[0])
    assert run(budget={"trials": 5}) == 0
    assert search_of(tmp_path).trials[:4] == trials
    assert states(tmp_path) == ["complete"] * 5


def test_runs_that_pause_at_rungs_come_to_the_same(run, expected, tmp_path):
    """Runs of autograd, of several pools and of workers have no pool that asks the judge."""
    assert run.halving(launcher=Acting(asks_judge=False), confirm={"top": 0}) == 0
    assert run.halving() == 0  # the fresh seeds alone
    assert trained(tmp_path) == expected


@pytest.mark.durability
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_search_killed_at_any_rename_comes_to_the_same(run, expected, at_rename, tmp_path, after):
    n = 0
    for n in itertools.count(3 if after else 1, 13):
        folder = tmp_path / str(n)
        with at_rename(n, after) as renamed:
            run.halving(folder=folder)
        with at_rename(2 * n, after):
            run.halving(folder=folder)
        assert run.halving(folder=folder) == 0
        assert trained(folder) == expected
        if len(renamed) < n:
            break
    assert n > 20


def test_a_halving_goes_on_without_a_run_that_fails_for_good(run, tmp_path, capsys):
    assert run.halving(launcher=failing(), confirm={"top": 0}) == 1
    failed = [trial.state == "failed" for trial in tried(tmp_path)]
    assert failed == [True] + [False] * 7
    assert states(tmp_path).count("complete") == 2
    before = trained(tmp_path)
    assert "the search has gone on without 1 failed run" in capsys.readouterr().out
    assert run.halving(confirm={"top": 0}) == 1  # the rung was decided without the run
    assert trained(tmp_path) == before


def test_a_failure_that_stops_ends_the_search_until_the_next_command(run, tmp_path):
    assert run("sweep.on_error=stop", launcher=failing()) == 1
    # The failure is tried again, so it decides nothing yet.
    assert "complete" in states(tmp_path) and len(states(tmp_path)) == 2
    assert run("sweep.on_error=stop") == 0
    assert states(tmp_path) == ["complete"] * 4


def test_fresh_seeds_follow_those_of_the_trials(run, tmp_path, capsys):
    """Rows without them are marked."""
    assert run("seed=4", budget={"trials": 2}, seeds=2, confirm={"top": 1, "seeds": 2}) == 0
    file = search_of(tmp_path)
    for trial in file.trials:
        assert [seed_of(tmp_path, run_id) for run_id in trial.run_ids] == [4, 5]
    (confirmed,) = file.confirmed.values()
    assert [seed_of(tmp_path, run_id) for run_id in confirmed] == [6, 7]
    out = capsys.readouterr().out
    assert re.findall(r"^ +(\d\*?) +\d+ +\w+ ", out, re.MULTILINE) == ["1", "2*"]
    assert "* no fresh seeds: the search chose by these values, partly by luck" in out


def test_a_run_with_a_fresh_seed_that_fails_is_reported_and_tried_again(run, tmp_path, capsys):
    known: list[int] = []

    def look(runs: Sequence[SweepMember]) -> Sequence[SweepMember]:
        known.append(len(search_of(tmp_path).trials))
        return runs

    with RunLock(tmp_path, ".running-elsewhere-1"):
        assert run(launcher=Acting(choose=look)) == 0
        swept = SweepFile.read(tmp_path)
    # Workers that still wait learn that the search has ended.
    assert swept is not None and not swept.open
    # The choices are written before a run of them starts.
    assert known[0] == 2 and known[-1] == 4 and sorted(known) == known
    confirm = {"top": 2, "seeds": 2}
    assert run(confirm=confirm, launcher=failing()) == 1
    assert "1 of 8 runs did not complete (1 failed)" in capsys.readouterr().out
    assert run(confirm=confirm) == 0


def test_a_combination_that_is_refused_counts_as_a_failed_trial(run, tmp_path):
    """Each value is right, and three of two steps have no mean."""
    space = ("data.transform.truncate=null,2", "data.transform.downsample=1,3")
    assert run(*space, budget={"trials": 12}) == 0
    refused = [trial.refusal is not None for trial in search_of(tmp_path).trials]
    assert [state == "failed" for state in states(tmp_path)] == refused
    assert set(refused) == {False, True}


@pytest.mark.parametrize(
    ("policy", "overrides", "settings", "words"),
    [
        (Searcher.__call__, [], {"pruner": "median"}, "pruner=none and another pruner_options"),
        (Searcher.halving, ["optimizer.weight_decay=0.1"], {}, "other data or other code; give"),
    ],
)
def test_another_search_is_refused(run, tmp_path, policy, overrides, settings, words):
    sizes = {Searcher.__call__: {"budget": {"trials": 1}}, Searcher.halving: {"population": 2}}
    begun: dict[str, Any] = sizes[policy]
    assert policy(run, **begun) == 0
    content = (tmp_path / "search.json").read_bytes()
    with pytest.raises(ValueError, match=words):
        policy(run, *overrides, **begun | settings)
    assert (tmp_path / "search.json").read_bytes() == content


UNFIT = {
    "rerun=true": "rerun=true: must be false in a search",
    "logger=none": "logger: must be csv or both for a search",
    "data.val_fraction=0": "monitor=val/acc: there is no validation split",
    "data.fold=0,1,2": "data.fold: must have one value in a search",
    "data.source.seed=0,1": "data.source.seed=.: other data than data.source.* of its own$",
    "data.val_fraction=interval(0.1,0.3)": "^data.val_fraction=0.*: other validation set than",
    "trainer.check_val_every_n_epoch=2": "the first must be at least 2",
}


@pytest.mark.parametrize("override", UNFIT)
def test_runs_that_cannot_be_judged_are_refused(run, tmp_path, override):
    with pytest.raises(ValueError, match=UNFIT[override]):
        run.halving(override, folder=tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_launchers_that_cannot_end_runs_early_are_refused(run):
    detached: Any = Workers(object(), detach=True)  # type: ignore[arg-type]
    hydra: Any = None
    for launcher in (AsJobs(hydra), detached):
        with pytest.raises(ValueError, match=r"hydra.launcher"):
            run.halving(launcher=launcher)


def test_a_second_search_waits_for_the_first(run, expected, undisturbed, capsys):
    """Two judges in one folder would overwrite each other's sweep.json."""
    with contextlib.ExitStack() as first:
        first.enter_context(RunLock(undisturbed, LOCK))
        with pytest.raises(RunLocked):
            run.halving("when_locked=skip", folder=undisturbed)
        threading.Timer(0.3, first.close).start()
        assert run.halving(folder=undisturbed) == 0
    assert "another process searches in" in capsys.readouterr().out
    assert trained(undisturbed) == expected


@dataclass
class Processes:
    options: Sequence[str] = ("--threads", "1", "--idle", "60")
    logs: Path = Path("logs")
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list[Any])

    def start(self, folder: Path, count: int, command: Sequence[str]) -> str:
        for _ in range(count):
            self.processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        return f"{count} processes"


@pytest.mark.durability
def test_workers_train_the_trials_that_one_machine_trains(run, tmp_path):
    settings: Mapping[str, Any] = {
        "budget": {"trials": 7}, "parallel": 3, "sampler": "tpe", "pruner": "median",
        "pruner_options": {"n_startup_trials": 1}, "confirm": {"top": 1, "seeds": 2},
    }  # fmt: skip
    overrides = ("trainer.max_epochs=5", "optimizer.lr=tag(log,interval(0.001,0.3))")
    by_workers, here, cluster = tmp_path / "by_workers", tmp_path / "here", Processes()
    assert run(*overrides, launcher=Workers(cluster, 2), folder=by_workers, **settings) == 0
    assert run(*overrides, folder=here, **settings) == 0
    assert trained(by_workers) == trained(here)
    assert "pruned" in states(here)
    # The workers leave by themselves, since the search has ended.
    assert [process.wait(timeout=180) for process in cluster.processes] == [0, 0]
