"""A search trains what its config asks for, and its exit code tells what has failed."""

import functools
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf, open_dict

from hydra_plugins.seqsweep_sweeper.seqsweep_sweeper import OptunaSweeperConf
from seqsweep.config.compose import MemberComposer
from seqsweep.extras.clusters.workers import Workers
from seqsweep.extras.search.command import search
from seqsweep.extras.search.searchfile import SearchFile
from seqsweep.extras.search.trials import read_trials
from seqsweep.extras.search.window import Window
from seqsweep.runs.lock import RunLock
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.sweeping.launchers import Here, RunLauncher, launch_jobs
from seqsweep.sweeping.members import SweepMember
from seqsweep.training.limits import Judge
from seqsweep.training.outcome import STOP_FILE

pytestmark = pytest.mark.slow

RUNS = (
    "data=random", "data.source.num_sequences=40", "data.source.length=5", "data.batch_size=16",
    "trainer.max_epochs=1", "logger=csv", "diagnostics=false", "sweep.report=false",
    "model.hidden_size=int(interval(4,12))",
)  # fmt: skip
SETTINGS: dict[str, Any] = {
    "budget": {"trials": 4}, "parallel": 2, "sampler": "random", "confirm": {"top": 0}
}  # fmt: skip
Search = Callable[..., int]


@dataclass
class Acting(Here):
    """Trains here; a test looks at the runs of each round first, and may keep some away."""

    threads: int = 1
    choose: Callable[[Sequence[SweepMember]], Sequence[SweepMember]] = list

    def train(
        self, members: Sequence[SweepMember], folder: Path, judge: Judge | None
    ) -> Mapping[str, object]:
        return super().train(self.choose(members), folder, judge)


def failing(*numbers: int) -> Acting:
    """Lets the runs that come with these numbers fail, and only them."""
    begun: list[SweepMember] = []

    def choose(runs: Sequence[SweepMember]) -> Sequence[SweepMember]:
        first = len(begun)
        begun.extend(runs)
        for number in numbers:
            if first <= number < len(begun):
                begun[number].folder.path.mkdir(exist_ok=True)
                begun[number].folder.fail(ValueError("broken"))
        return [run for i, run in enumerate(runs, start=first) if i not in numbers]

    return Acting(choose=choose)


@pytest.fixture
def run(compose: MemberComposer, tmp_path: Path) -> Search:
    def call(
        *overrides: str,
        launcher: RunLauncher | None = None,
        folder: Path = tmp_path,
        runs: Sequence[str] = RUNS,
        **settings: Any,
    ) -> int:
        structured = OmegaConf.structured(OptunaSweeperConf)
        options: Any = OmegaConf.to_container(OmegaConf.merge(structured, SETTINGS, settings))
        del options["_target_"], options["params"]
        plan = functools.partial(Window.plan, options)
        return search(plan, [*runs, *overrides], compose, launcher or Acting(), folder)

    return call


def found(folder: Path) -> SearchFile:
    file = SearchFile.read(folder)
    assert file is not None
    return file


def states(folder: Path) -> list[str]:
    return [tried.state for tried in read_trials(found(folder), folder)]


def seed_of(folder: Path, run_id: str) -> int:
    record = RunFolder(folder / run_id).record()
    assert record is not None
    return record.config["seed"]


def test_fresh_seeds_follow_those_of_the_trials(run, tmp_path, capsys):
    """Rows without them are marked; the counter counts all runs."""
    assert run("seed=4", budget={"trials": 2}, seeds=2, confirm={"top": 1, "seeds": 2}) == 0
    file = found(tmp_path)
    for trial in file.trials:
        assert [seed_of(tmp_path, run_id) for run_id in trial.run_ids] == [4, 5]
    (confirmed,) = file.confirmed.values()
    assert [seed_of(tmp_path, run_id) for run_id in confirmed] == [6, 7]
    out = capsys.readouterr().out
    counted = re.findall(r"^\[ *(\d+)/(\d+)\]", out, re.MULTILINE)
    assert counted == [(str(number), "6") for number in range(1, 7)]
    ranks = re.findall(r"^ +(\d\*?) +\d+ +\d ", out, re.MULTILINE)
    assert ranks == ["1", *(f"{rank}*" for rank in range(2, len(ranks) + 1))]
    assert "* no fresh seeds: the search chose by these values, partly by luck" in out


def test_a_failure_that_stops_ends_the_search_until_the_next_command(run, tmp_path):
    confirm = {"top": 1, "seeds": 1}
    assert run("sweep.on_error=stop", launcher=failing(1), confirm=confirm) == 1
    # The failure is tried again, so it decides nothing yet.
    assert "complete" in states(tmp_path) and len(states(tmp_path)) == 2
    assert not found(tmp_path).confirmed
    assert run("sweep.on_error=stop", confirm=confirm) == 0
    assert states(tmp_path) == ["complete"] * 4
    assert found(tmp_path).confirmed


def test_a_run_with_a_fresh_seed_that_fails_is_reported_and_tried_again(run, tmp_path, capsys):
    known: list[int] = []

    def look(runs: Sequence[SweepMember]) -> Sequence[SweepMember]:
        known.append(len(found(tmp_path).trials))
        return runs

    with RunLock(tmp_path, ".running-elsewhere-1"):
        assert run(launcher=Acting(choose=look)) == 0
        swept = SweepFile.read(tmp_path)
    # Workers that still wait learn that the search has ended.
    assert swept is not None and not swept.open
    # The choices are written before a run of them starts.
    assert known[0] == 2 and known[-1] == 4 and sorted(known) == known
    confirm = {"top": 2, "seeds": 2}
    assert run(confirm=confirm, launcher=failing(0)) == 1
    assert "1 of 8 runs did not complete (1 failed)" in capsys.readouterr().out
    assert run(confirm=confirm) == 0


def test_a_combination_that_is_refused_counts_as_a_failed_trial(run, tmp_path):
    """Each value is right, and three of two steps have no mean."""
    space = ("data.transform.truncate=null,2", "data.transform.downsample=1,3")
    assert run(*space, budget={"trials": 6}, runs=RUNS[:-1]) == 0
    refused = [trial.refusal is not None for trial in found(tmp_path).trials]
    assert [state == "failed" for state in states(tmp_path)] == refused
    assert set(refused) == {False, True}


def test_a_lost_search_json_or_run_is_made_again(run, tmp_path):
    settings: dict[str, Any] = {"sampler": "tpe", "budget": {"trials": 14}, "confirm": {"top": 1}}
    assert run(**settings) == 0
    before = found(tmp_path)
    (tmp_path / "search.json").unlink()
    assert run(**settings, launcher=Acting(choose=lambda runs: [])) == 0  # nothing is trained
    assert (found(tmp_path).trials, found(tmp_path).confirmed) == (before.trials, before.confirmed)
    shutil.rmtree(tmp_path / before.trials[0].run_ids[0])
    assert run(**settings | {"budget": {"trials": 15}}) == 0
    assert found(tmp_path).trials[:14] == before.trials
    assert states(tmp_path) == ["complete"] * 15


@pytest.mark.parametrize(
    ("overrides", "settings", "words"),
    [
        ([], {"seed": 1}, "seed=0; give another sweep.name"),
        ([], {"pruner": "median"}, "pruner=none and another pruner_options; give another"),
        (["optimizer.lr=0.1,0.2"], {}, "another space; give another sweep.name"),
        (["optimizer.lr=0.1"], {}, "another config, other data or other code; give another"),
    ],
)
def test_another_search_is_refused(run, tmp_path, overrides, settings, words):
    assert run(budget={"trials": 1}) == 0
    content = (tmp_path / "search.json").read_bytes()
    with pytest.raises(ValueError, match=words):
        run(*overrides, **settings)
    assert (tmp_path / "search.json").read_bytes() == content


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["rerun=true"], "rerun=true: must be false in a search"),
        (["logger=none"], "logger: must be csv or both for a search"),
        (["data.val_fraction=0"], "monitor=val/acc: there is no validation split"),
    ],
)
def test_runs_that_cannot_be_judged_are_refused(run, overrides, words):
    with pytest.raises(ValueError, match=words):
        run(*overrides)


def test_another_sweeper_cannot_look_for_the_worst(compose, tmp_path):
    """The package hydra-optuna-sweeper minimizes by default."""
    master = compose.master.copy()
    with open_dict(master):
        master.hydra.sweep.dir = str(tmp_path)
        master.hydra.sweeper = {"direction": "Direction.minimize"}
    jobs = [["data=digits", "monitor=val/acc"]]
    with pytest.raises(ValueError, match=r"hydra\.sweeper\.direction=.*: must be maximize for"):
        launch_jobs(Here(1), jobs, compose.loader, master)
    assert not list(tmp_path.iterdir())
    master.hydra.sweeper["direction"] = "maximize"
    (tmp_path / STOP_FILE).touch()  # so nothing is trained
    assert len(launch_jobs(Here(1), jobs, compose.loader, master)) == 1


@pytest.mark.slow
def test_a_missing_optuna_is_the_users_to_install(command, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    arguments = ("train", "-m", "hydra/sweeper=optuna", "data=digits", "optimizer.lr=0.1,0.2")
    code, _, err = command(*arguments)
    assert code == 2
    assert err == "seqsweep: hydra/sweeper=optuna: needs Optuna: pip install 'seqsweep[search]'\n"


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
    launcher = Workers(cluster, 2)
    assert run(*overrides, launcher=launcher, folder=by_workers, **settings) == 0
    assert run(*overrides, folder=here, **settings) == 0
    assert found(by_workers).trials == found(here).trials
    assert found(by_workers).confirmed == found(here).confirmed
    results = [
        [(trial.state, trial.value, trial.epochs) for trial in read_trials(found(folder), folder)]
        for folder in (by_workers, here)
    ]
    assert results[0] == results[1]
    assert "pruned" in {state for state, _, _ in results[0]}
    # The workers leave by themselves, since the search has ended.
    assert [process.wait(timeout=180) for process in cluster.processes] == [0, 0]
