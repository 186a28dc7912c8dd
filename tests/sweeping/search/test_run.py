"""A search trains what its config asks for, and its exit code tells what has failed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf

from hydra_plugins.seqsweep_optuna.seqsweep_optuna import OptunaSweeperConf
from seqsweep.config import CONF_DIR
from seqsweep.config.compose import MemberComposer
from seqsweep.config.hydra_version import VERSION_BASE
from seqsweep.runs.lock import RunLock
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.searchfile import SearchFile
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.sweeping.hydra_jobs import RunLauncher
from seqsweep.sweeping.search.command import search
from seqsweep.sweeping.search.planning import Planned, TrialPlanner
from seqsweep.sweeping.workers import Workers
from seqsweep.training.engines.native.member import PoolMember
from seqsweep.training.outcome import STOP_FILE

RUNS = (
    "data=random", "data.source.num_sequences=40", "data.source.length=5", "data.batch_size=16",
    "trainer.max_epochs=1", "logger=csv", "diagnostics=false", "sweep.report=false",
    "model.hidden_size=int(interval(4,12))",
)  # fmt: skip
SETTINGS: dict[str, Any] = {
    "budget": {"trials": 4}, "parallel": 2, "sampler": "random", "confirm": {"top": 0}
}  # fmt: skip
Search = Callable[..., int]


@pytest.fixture(scope="module")
def compose() -> MemberComposer:
    with initialize_config_dir(config_dir=str(CONF_DIR), **VERSION_BASE):
        loader = GlobalHydra.instance().config_loader()
    return MemberComposer(loader, loader.load_configuration("train", [], RunMode.MULTIRUN))


@pytest.fixture
def run(compose: MemberComposer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Search:
    """Runs a search into the test's folder; returns its exit code."""
    monkeypatch.setattr("sys.argv", ["seqsweep"])

    def call(*overrides: str, launcher: RunLauncher | None = None, **settings: Any) -> int:
        structured = OmegaConf.structured(OptunaSweeperConf)
        options: Any = OmegaConf.to_container(OmegaConf.merge(structured, SETTINGS, settings))
        local = RunLauncher(None, threads=1)  # type: ignore[arg-type]
        return search(options, [*RUNS, *overrides], compose, launcher or local, tmp_path)

    return call


def found(folder: Path) -> SearchFile:
    file = SearchFile.read(folder)
    assert file is not None
    return file


def seed_of(folder: Path, run_id: str) -> int:
    record = RunFolder(folder / run_id).record()
    assert record is not None
    return record["config"]["seed"]


def test_the_seeds_of_a_trial_begin_at_the_seed_of_the_config(run: Search, tmp_path: Path) -> None:
    confirm = {"top": 1, "seeds": 1}
    assert run("seed=4", budget={"trials": 2}, seeds=2, confirm=confirm) == 0
    file = found(tmp_path)
    for trial in file.trials:
        assert [seed_of(tmp_path, run_id) for run_id in trial.run_ids] == [4, 5]
    ((confirmed,),) = file.confirmed.values()
    assert seed_of(tmp_path, confirmed) == 6


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`fail(2)` lets the run that starts third fail, and only that one."""

    def call(*numbers: int) -> None:
        start, started = PoolMember.start, list[PoolMember]()

        def start_or_fail(member: PoolMember) -> None:
            started.append(member)
            if len(started) - 1 in numbers:
                raise ValueError("broken")
            start(member)

        monkeypatch.setattr(PoolMember, "start", start_or_fail)

    return call


def test_a_failure_that_stops_ends_the_search_until_the_next_command(
    run: Search, fail: Callable[..., None], tmp_path: Path
) -> None:
    fail(1)
    confirm = {"top": 1, "seeds": 1}
    assert run("sweep.on_error=stop", confirm=confirm) == 1
    states = [trial.state for trial in found(tmp_path).trials]
    assert "running" in states
    assert not found(tmp_path).confirmed
    assert run("sweep.on_error=stop", confirm=confirm) == 0
    assert [trial.state for trial in found(tmp_path).trials] == ["complete"] * 4
    assert found(tmp_path).confirmed


def test_a_failure_that_stops_also_ends_the_confirmation(
    run: Search, fail: Callable[..., None], tmp_path: Path
) -> None:
    assert run() == 0
    fail(0)
    confirm = {"top": 2, "seeds": 2}
    assert run("sweep.on_error=stop", confirm=confirm, parallel=2) == 1
    run_ids = [run_id for runs in found(tmp_path).confirmed.values() for run_id in runs]
    assert sum(RunFolder(tmp_path / run_id).attempts() for run_id in run_ids) == 1
    assert run("sweep.on_error=stop", confirm=confirm) == 0
    assert all(RunFolder(tmp_path / run_id).record() for run_id in run_ids)


@dataclass
class Stopping:
    """A cluster whose workers stop the sweep; notes whether they were told to stop before."""

    options: Sequence[str] = ()
    logs: Path = Path("logs")
    stopped: list[bool] = field(default_factory=list[bool])

    def start(self, folder: Path, count: int, command: Sequence[str]) -> str:
        self.stopped.append((folder / STOP_FILE).exists())
        (folder / STOP_FILE).touch()
        return "a worker"


def test_workers_do_not_stop_for_the_failure_of_an_earlier_command(
    run: Search, tmp_path: Path
) -> None:
    (tmp_path / STOP_FILE).touch()
    cluster = Stopping()
    assert run(launcher=RunLauncher(None, workers=Workers(cluster))) == 1  # type: ignore[arg-type]
    assert cluster.stopped == [False]


def test_workers_that_still_wait_learn_that_the_search_has_ended(
    run: Search, tmp_path: Path
) -> None:
    with RunLock(tmp_path, ".running-elsewhere-1"):
        assert run() == 0
        swept = SweepFile.read(tmp_path)
    assert swept is not None
    assert not swept.open


def test_a_run_with_a_fresh_seed_that_fails_is_told_and_tried_again(
    run: Search, fail: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 0
    fail(0)
    confirm = {"top": 2, "seeds": 2}
    assert run(confirm=confirm) == 1
    assert "1 confirmation failed; why:" in capsys.readouterr().out
    assert run(confirm=confirm) == 0


def test_a_combination_that_hydra_refuses_counts_as_a_failed_trial(
    run: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = TrialPlanner.plan

    def refuse_all_but_the_ends(
        self: TrialPlanner, params: dict[str, int], seeds: Sequence[int]
    ) -> Planned:
        if params["model.hidden_size"] in (4, 12):
            return plan(self, params, seeds)
        raise HydraException("no such combination")

    monkeypatch.setattr(TrialPlanner, "plan", refuse_all_but_the_ends)
    assert run(budget={"trials": 2}) == 0
    assert [trial.state for trial in found(tmp_path).trials] == ["failed", "failed"]
