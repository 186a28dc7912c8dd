"""A study chooses the same trials wherever it was interrupted, and however often."""

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
import pytest
from made_sweeps import finish_run, write_rows

from seqsweep.extras.search.searchfile import SearchFile, Trial
from seqsweep.extras.search.settings import SAMPLERS
from seqsweep.extras.search.study import read_study

pytestmark = pytest.mark.slow

PRUNES = {"pruner": "median", "pruner_options": {"n_startup_trials": 2}}


def choices(trials: Sequence[Trial]) -> list[tuple[Mapping[str, Any], Mapping[int, float]]]:
    return [(trial.params, trial.thresholds) for trial in trials]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_study_that_ended_continues(sampler, settings, space, advance, tmp_path):
    chosen = settings(sampler=sampler, **PRUNES)
    whole = choices(advance(chosen, 24))
    trials = [Trial(n, params, [], limits) for n, (params, limits) in enumerate(whole)]
    SearchFile("tpe", "none", "val/acc", space, {}, {}, trials).write(tmp_path)
    written = SearchFile.read(tmp_path)
    assert written is not None
    for number in (6, 22):
        again = advance(chosen, 24, written.trials[:number])
        assert choices(again) == whole
    assert len({str(params) for params, _ in whole}) == 24
    assert any(thresholds for _, thresholds in whole)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_seed_of_the_search_decides(sampler, settings, advance):
    one, other, same = (advance(settings(sampler=sampler, seed=seed), 6) for seed in (0, 1, 0))
    assert one == same
    assert one != other


def test_each_version_of_optuna_chooses_these_trials(settings, advance):
    """Optuna 5 has other defaults than 4.9; the values here are those of both."""
    trials = advance(settings(), 18)
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
    storage = f"sqlite:///{tmp_path}/search.db"
    study = optuna.create_study(storage=storage, study_name="a", direction=read.direction)
    study.add_trials(read.trials)
    states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE", "FAIL", "PRUNED", "RUNNING"]
    assert [trial.value for trial in study.trials] == [0.5, None, 0.5, None]
    assert all(trial.params == params for trial in study.trials)
    assert study.best_trial.intermediate_values == {1: 0.5}
    with pytest.raises(FileNotFoundError, match="the folder holds no search"):
        read_study(tmp_path / "absent")
