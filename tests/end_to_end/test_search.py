"""A search is the same however it was interrupted, and spends its budget exactly."""

import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from commands import SLOWLY
from run_files import checkpoint

from seqsweep.extras.search.searchfile import SearchFile
from seqsweep.extras.search.trials import Tried, read_trials

pytestmark = pytest.mark.slow

SPACE = ("model.hidden_size=int(interval(4,12))", "optimizer.lr=tag(log,interval(0.001,0.3))")
DATA = (
    "data=random", "data.source.num_sequences=60", "data.source.length=8", "data.batch_size=16",
    "trainer.max_epochs=9", "logger=csv", "diagnostics=false", "sweep.report=false",
)  # fmt: skip
SEARCH = ("train", "-m", "hydra/sweeper=optuna", *DATA, *SPACE)
DIVERGES = ("optimizer=sgd", "trainer.gradient_clip_val=null", "model.nonlinearity=relu")
NO_CONFIRMATION = "hydra.sweeper.confirm.top=0"


def search(folder: Path, name: str) -> SearchFile:
    found = SearchFile.read(folder / "outputs/sweeps" / name)
    assert found is not None
    return found


def tried(folder: Path, name: str) -> list[Tried]:
    return read_trials(search(folder, name), folder / "outputs/sweeps" / name)


def results(folder: Path, name: str) -> list[Any]:
    """Returns what does not depend on the time: the trials and the metrics of their runs."""
    sweep = folder / "outputs/sweeps" / name
    return [
        (
            dict(trial.params),
            trial.state,
            trial.value,
            trial.result.epochs,
            [(sweep / run_id / "metrics.csv").read_bytes() for run_id in trial.run_ids],
            [checkpoint(sweep / run_id, "best") for run_id in trial.run_ids],
        )
        for trial in tried(folder, name)
    ]


def test_a_search_trains_what_was_planned_and_ends_with_its_best_trial(seqsweep, tmp_path):
    options = ("hydra.sweeper.budget.trials=6", "hydra.sweeper.parallel=3", "sweep.name=a")
    plan = seqsweep("plan", *SEARCH[1:], *options)
    assert plan.code == 0, plan.err
    assert "first 3 trials, chosen before any result:" in plan.out
    assert "search by tpe in outputs/sweeps/a: at most 6 trials" in plan.out
    assert "a trial: 1 run of at most 9 epochs" in plan.out
    assert not (tmp_path / "outputs").exists()

    first = seqsweep(*SEARCH, *options, NO_CONFIRMATION)
    assert first.code == 0, first.err
    assert first.err == ""
    found = search(tmp_path, "a")
    for trial in found.trials[:3]:
        assert " ".join(f"{key}={value}" for key, value in trial.params.items()) in plan.out
    assert [trial.number for trial in found.trials] == list(range(6))
    assert sum(trial.result.epochs for trial in tried(tmp_path, "a")) == 54
    best = max(tried(tmp_path, "a"), key=lambda trial: (trial.value, -trial.number))
    assert f"Best in the search: trial {best.number}, " in first.out
    assert "search: 6 trials, 6 complete." in first.out and "Spent: 54 epochs" in first.out

    again = seqsweep(*SEARCH, *options, NO_CONFIRMATION)
    assert again.code == 0, again.err
    assert "6 trials chosen before" in again.out
    assert "[1/" not in again.out
    assert search(tmp_path, "a").trials == found.trials


@pytest.mark.durability
def test_a_killed_search_ends_as_if_it_had_not_been_killed(seqsweep, start_command, tmp_path):
    budget = ("hydra.sweeper.budget.trials=null", "hydra.sweeper.budget.epochs=100")
    common = (*budget, "hydra.sweeper.parallel=3", "hydra.sweeper.pruner=hyperband", "seed=4")
    assert seqsweep(*SEARCH, *common, NO_CONFIRMATION, "sweep.name=whole").code == 0
    arguments = [*SEARCH, *common, NO_CONFIRMATION, "sweep.name=killed"]
    rng = random.Random(0)
    chosen = tmp_path / "outputs/sweeps/killed/search.json"
    kills = 0
    for number in range(3):
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = start_command(*arguments, before=SLOWLY, **silent)
        before = chosen.stat().st_size if chosen.exists() else 0
        deadline = time.monotonic() + 180
        while process.poll() is None and time.monotonic() < deadline:
            size = chosen.stat().st_size if chosen.exists() else 0
            if size > before + rng.randrange(200, 2000):
                break
            time.sleep(0.002)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
        if number == 1:  # a power failure has destroyed what was not synced
            chosen.write_bytes(chosen.read_bytes()[: rng.randrange(400)])
    assert kills >= 2
    last = seqsweep(*arguments)
    assert last.code == 0, last.err
    assert results(tmp_path, "killed") == results(tmp_path, "whole")
    found = tried(tmp_path, "killed")
    used = sum(trial.result.epochs for trial in found)
    assert 100 - 9 < used <= 100  # another trial would not have fitted
    assert {trial.state for trial in found} == {"complete", "pruned"}


def test_equal_configs_are_trained_once_and_failures_count(seqsweep, tmp_path):
    space = ("model.hidden_size=4,8", "optimizer.lr=0.01,1000", *DIVERGES)
    options = ("hydra.sweeper.budget.trials=12", "hydra.sweeper.sampler=random")
    options += ("hydra.sweeper.confirm.top=3", "hydra.sweeper.confirm.seeds=1")
    done = seqsweep(*SEARCH[:-2], *space, *options, "hydra.sweeper.parallel=2", "sweep.name=a")
    found = tried(tmp_path, "a")
    runs = {trial.run_ids[0] for trial in found}
    assert len(runs) <= 4
    assert len(found) == 12
    first = {run_id: next(t for t in found if t.run_ids == [run_id]) for run_id in runs}
    for trial in found:
        same = first[trial.run_ids[0]]
        assert (trial.state, trial.value) == (same.state, same.value)
        assert trial is same or trial.result.epochs == 0
        assert trial.state == ("failed" if trial.params["optimizer.lr"] == "1000" else "complete")
    assert {trial.state for trial in found} == {"failed", "complete"}
    assert done.code == 0, done.err  # a run that diverged is done
    # The two configs that are complete are confirmed, each once.
    confirmed = search(tmp_path, "a").confirmed
    assert len(confirmed) == 2
    assert len({run_id for run_ids in confirmed.values() for run_id in run_ids}) == 2
