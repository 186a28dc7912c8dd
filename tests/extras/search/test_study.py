"""A study chooses the same trials wherever it was interrupted, and however often."""

from collections.abc import Sequence
from dataclasses import replace

import optuna
import pytest
from made_sweeps import finish_run, write_rows

from seqsweep.extras.search.searchfile import SearchFile, Trial
from seqsweep.extras.search.settings import SAMPLERS
from seqsweep.extras.search.study import SearchStudy, read_study
from seqsweep.extras.search.trials import Result

pytestmark = pytest.mark.slow


def outcome(trial: Trial) -> Result:
    """Returns the result of a trial without training: trials of size 20 are the best."""
    value = -abs(trial.params["model.hidden_size"] - 20.0) - trial.number % 3
    if trial.number % 5 == 3:
        return Result("failed", epochs=2)
    if trial.number % 5 == 4:
        return Result("pruned", value - 1, 3, 0.1, [value - 2, value - 1, value - 1])
    return Result("complete", value, 9, 0.3, [value - 1] * 8 + [value])


def advance(search: SearchFile, number: int) -> Sequence[Trial]:
    """Chooses trials of a search until there are some number of them; returns all trials."""
    trials, study = list(search.trials), SearchStudy(search)
    while len(trials) < number:
        results = {trial.number: outcome(trial) for trial in trials}
        trials.append(replace(study.choose(trials, results), run_ids=[]))
    return trials


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_study_that_ended_continues(sampler, made, tmp_path):
    search = made(sampler=sampler, pruner="median", pruner_options={"n_startup_trials": 2})
    whole = advance(search, 24)
    for number in (6, 22):
        replace(search, trials=whole[:number]).write(tmp_path)
        written = SearchFile.read(tmp_path)
        assert written is not None and advance(written, 24) == whole
    assert len({str(trial.params) for trial in whole}) == 24
    assert any(trial.thresholds for trial in whole)
    assert advance(made(sampler=sampler, seed=1), 2)[0].params != whole[0].params


def test_each_version_of_optuna_chooses_these_trials(made):
    """Optuna 5 has other defaults than 4.9; the values here are those of both."""
    trials = advance(made(), 18)
    assert [tuple(trial.params.values()) for trial in trials[14:]] == [
        (21, 0.084359, "gru"), (32, 0.0072306, "rnn"), (25, 0.0030356, "rnn"),
        (24, 0.0033434, "gru"),
    ]  # fmt: skip


def test_the_study_of_a_folder_has_all_trials(space, tmp_path):
    """Running trials and refused trials are included."""
    params = {"model.hidden_size": 5, "optimizer.lr": 0.01, "model.cell": "gru"}
    trials = [Trial(0, params, ["a"]), Trial(1, params), Trial(2, params, ["b"], {1: 0.9})]
    trials += [Trial(3, params, ["c"])]
    SearchFile("tpe", "median", "val/acc", space, {}, {}, trials).write(tmp_path)
    for name, status in (("a", "complete"), ("b", "pruned")):
        pruned = {"epoch": 1, "value": 0.5, "threshold": 0.9}
        finish_run(tmp_path / name, {}, 0.5, status=status, epochs=1, pruned=pruned)
        write_rows(tmp_path / name, "epoch,train/loss,val/acc", [[0, 1.0, 0.5]])
    # The script of docs/searches.md, for optuna-dashboard.
    read = read_study(tmp_path)
    study = optuna.create_study(direction=read.direction)
    study.add_trials(read.trials)
    states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE", "FAIL", "PRUNED", "RUNNING"]
    assert [trial.value for trial in study.trials] == [0.5, None, 0.5, None]
    assert all(trial.params == params for trial in study.trials)
    assert study.best_trial.intermediate_values == {1: 0.5}
    with pytest.raises(FileNotFoundError, match="the folder holds no search"):
        read_study(tmp_path / "absent")
