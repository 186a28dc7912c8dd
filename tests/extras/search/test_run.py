"""A search trains what its config asks for, and its exit code tells what has failed."""

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hydra.errors import HydraException
from omegaconf import OmegaConf

from hydra_plugins.seqsweep_sweeper.seqsweep_sweeper import OptunaSweeperConf
from seqsweep.config.compose import MemberComposer
from seqsweep.extras.search.command import search
from seqsweep.extras.search.planning import TrialPlanner
from seqsweep.extras.search.searchfile import SearchFile, Trial
from seqsweep.extras.search.trials import read_trials
from seqsweep.runs.lock import RunLock
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.sweeping.hydra_jobs import RunLauncher
from seqsweep.sweeping.members import SweepMember
from seqsweep.training.engines.native.member import PoolMember

RUNS = (
    "data=random", "data.source.num_sequences=40", "data.source.length=5", "data.batch_size=16",
    "trainer.max_epochs=1", "logger=csv", "diagnostics=false", "sweep.report=false",
    "model.hidden_size=int(interval(4,12))",
)  # fmt: skip
SETTINGS: dict[str, Any] = {
    "budget": {"trials": 4}, "parallel": 2, "sampler": "random", "confirm": {"top": 0}
}  # fmt: skip
Search = Callable[..., int]


@pytest.fixture
def run(compose: MemberComposer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Search:
    """Runs a search into the test's folder; returns its exit code."""
    monkeypatch.setattr("sys.argv", ["seqsweep"])

    def call(*overrides: str, launcher: RunLauncher | None = None, **settings: Any) -> int:
        structured = OmegaConf.structured(OptunaSweeperConf)
        options: Any = OmegaConf.to_container(OmegaConf.merge(structured, SETTINGS, settings))
        del options["_target_"], options["params"]
        local = RunLauncher(threads=1)
        return search(options, [*RUNS, *overrides], compose, launcher or local, tmp_path)

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
    return record["config"]["seed"]


def test_the_seeds_of_a_trial_begin_at_the_seed_of_the_config(run: Search, tmp_path: Path) -> None:
    confirm = {"top": 1, "seeds": 1}
    assert run("seed=4", budget={"trials": 2}, seeds=2, confirm=confirm) == 0
    file = found(tmp_path)
    for trial in file.trials:
        assert [seed_of(tmp_path, run_id) for run_id in trial.run_ids] == [4, 5]
    ((confirmed,),) = file.confirmed.values()
    assert seed_of(tmp_path, confirmed) == 6


def test_the_counter_runs_over_the_whole_search_and_rows_without_fresh_seeds_are_marked(
    run: Search, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(parallel=2, budget={"trials": 4}, confirm={"top": 1, "seeds": 2}) == 0
    out = capsys.readouterr().out
    counted = re.findall(r"^\[ *(\d+)/(\d+)\]", out, re.MULTILINE)
    assert counted == [(str(number), "6") for number in range(1, 7)]
    ranks = re.findall(r"^ +(\d\*?) +\d+ +\d ", out, re.MULTILINE)
    assert ranks == ["1", *(f"{rank}*" for rank in range(2, len(ranks) + 1))]
    assert "* no fresh seeds: the search chose by these values, partly by luck" in out


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
    # The failure is tried again, so it decides nothing yet.
    assert "complete" in states(tmp_path) and len(states(tmp_path)) == 2
    assert not found(tmp_path).confirmed
    assert run("sweep.on_error=stop", confirm=confirm) == 0
    assert states(tmp_path) == ["complete"] * 4
    assert found(tmp_path).confirmed


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
    assert "1 of 8 runs did not complete (1 failed)" in capsys.readouterr().out
    assert run(confirm=confirm) == 0


def test_a_combination_that_hydra_refuses_counts_as_a_failed_trial(
    run: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = TrialPlanner.plan

    def refuse_all_but_the_ends(
        self: TrialPlanner, params: dict[str, int], seeds: Sequence[int] | None = None
    ) -> list[SweepMember]:
        if params["model.hidden_size"] in (4, 12):
            return plan(self, params, seeds)
        raise HydraException("no such combination")

    monkeypatch.setattr(TrialPlanner, "plan", refuse_all_but_the_ends)
    assert run(budget={"trials": 2}) == 0
    assert states(tmp_path) == ["failed", "failed"]


def test_where_search_json_is_lost_the_same_trials_are_chosen_again(
    run: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"sampler": "tpe", "budget": {"trials": 14}, "confirm": {"top": 1}}
    assert run(**settings) == 0
    before = found(tmp_path)
    (tmp_path / "search.json").unlink()
    monkeypatch.setattr(PoolMember, "start", None)  # nothing is trained
    assert run(**settings) == 0
    assert (found(tmp_path).trials, found(tmp_path).confirmed) == (before.trials, before.confirmed)


def test_the_choices_are_written_before_the_first_run_starts(
    run: Search, fail: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, known = PoolMember.start, list[int]()

    def look(member: PoolMember) -> None:
        known.append(len(found(tmp_path).trials))
        start(member)

    monkeypatch.setattr(PoolMember, "start", look)
    assert run() == 0
    assert known[0] == 2
    assert sorted(known) == known and known[-1] == 4


def test_a_run_whose_files_are_gone_is_trained_again(run: Search, tmp_path: Path) -> None:
    assert run() == 0
    trials = found(tmp_path).trials
    shutil.rmtree(tmp_path / trials[0].run_ids[0])
    assert run(budget={"trials": 5}) == 0
    assert found(tmp_path).trials[:4] == trials
    assert states(tmp_path) == ["complete"] * 5


@pytest.mark.parametrize(
    ("overrides", "settings", "words"),
    [
        ([], {"seed": 1}, "seed=0; give another sweep.name"),
        ([], {"pruner": "median"}, "pruner=none and another pruner_options; give another"),
        (["optimizer.lr=0.1,0.2"], {}, "another space; give another sweep.name"),
        (
            ["optimizer.lr=0.1"],
            {},
            "another config, other data or other code; give another sweep.name",
        ),
    ],
)
def test_another_search_is_refused(
    run: Search, tmp_path: Path, overrides: list[str], settings: Any, words: str
) -> None:
    trial = Trial(0, {"model.hidden_size": 5}, ["0" * 16])
    if "another config" in words:
        assert run() == 0
        trial = found(tmp_path).trials[0]
    options: dict[str, Any] = {
        "sampler_options": {}, "pruner_options": {}, "seed": 0, "parallel": 2, "seeds": 1,
        "max_epochs": 1,
    }  # fmt: skip
    space = {"low": 4, "high": 12, "log": False, "integer": True, "step": None}
    keys = {"model.hidden_size": space}
    SearchFile("random", "none", "val/acc", keys, options, {"trials": 4}, [trial]).write(tmp_path)
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
def test_runs_that_cannot_be_judged_are_refused(run: Search, overrides: list[str], words: str):
    with pytest.raises(ValueError, match=words):
        run(*overrides)
