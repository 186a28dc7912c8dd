"""A study chooses the same trials wherever it was interrupted, and however often."""

import itertools

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from seqsweep.runs.searchfile import SearchFile
from seqsweep.sweeping.search.journal import NAME
from seqsweep.sweeping.search.settings import SAMPLERS
from seqsweep.sweeping.search.study import STUDY_NAME, SearchStudy

PRUNES = {"pruner": "median", "pruner_options": {"n_startup_trials": 2}}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_each_sampler_continues_as_if_it_had_never_ended(
    sampler, settings, space, grid, advance, end, tmp_path
):
    used = grid if sampler == "grid" else space
    options = PRUNES | ({"sampler_options": {"popsize": 4}} if sampler == "cmaes" else {})
    chosen = settings(sampler=sampler, **options)
    whole = advance(SearchStudy.in_memory(chosen, used), 24)
    for number in (5, 11, 24):
        study = SearchStudy.in_folder(chosen, used, tmp_path)
        assert advance(study, number) == whole[:number]
        end(study)
    assert len({str(each) for each in whole}) > 20
    assert any(thresholds for _, thresholds in whole)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_seed_of_the_search_decides(sampler, settings, space, grid, advance):
    used = grid if sampler == "grid" else space
    one, other, same = (
        advance(SearchStudy.in_memory(settings(sampler=sampler, seed=seed), used), 6)
        for seed in (0, 1, 0)
    )
    assert one == same
    assert one != other


def test_a_journal_that_is_cut_at_any_byte_leads_to_the_same_trials(
    settings, space, advance, end, tmp_path
):
    chosen = settings(parallel=2, **PRUNES)
    study = SearchStudy.in_folder(chosen, space, tmp_path)
    whole = advance(study, 6)
    end(study)
    content = (tmp_path / NAME).read_bytes()
    damages = itertools.cycle((b"", b'{"op_code":', b"\0\0\n"))
    for size in [*range(0, len(content), 397), len(content) - 1, len(content)]:
        (tmp_path / NAME).write_bytes(content[:size] + next(damages))
        study = SearchStudy.in_folder(chosen, space, tmp_path)
        assert len(study.chosen) <= 6
        assert advance(study, 6) == whole


def test_a_trial_is_told_the_results_of_the_window_before_it_alone(
    settings, space, advance, tmp_path
):
    study = SearchStudy.in_folder(settings(parallel=3), space, tmp_path)
    advance(study, 8)
    states = [trial.state for trial in study.study.get_trials()]
    assert all(state.is_finished() for state in states[:5])
    assert states[5:] == [TrialState.RUNNING] * 3


def test_optuna_reads_the_journal(settings, space, advance, end, tmp_path):
    study = SearchStudy.in_folder(settings(**PRUNES), space, tmp_path)
    advance(study, 10)
    end(study)
    storage = JournalStorage(JournalFileBackend(str(tmp_path / NAME)))
    trials = optuna.load_study(study_name=STUDY_NAME, storage=storage).get_trials()
    names = {"complete": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL"}
    for trial, chosen, result in zip(trials, study.chosen, study.results, strict=True):
        assert trial.params == chosen.params
        assert trial.state.name == names[result.state]
        if result.state != "failed":
            assert list(trial.intermediate_values.values()) == list(result.curve)
            assert trial.values == list(result.values or ())
    again = SearchStudy(study.settings, space, storage)
    assert [each.state for each in again.results] == [each.state for each in study.results]
    assert [each.epochs for each in again.results] == [each.epochs for each in study.results]


def test_another_search_is_refused_and_the_journal_stays(settings, space, advance, end, tmp_path):
    study = SearchStudy.in_folder(settings(), space, tmp_path)
    advance(study, 6)
    end(study)
    content = (tmp_path / NAME).read_bytes()
    others = [
        (settings(seed=1), space, "another seed"),
        (settings(sampler="qmc"), space, "another sampler"),
        (settings(parallel=5), space, "another parallel"),
        (settings(pruner="median"), space, "another pruner"),
        (settings(), {**space, "x": space["optimizer.lr"]}, "another space"),
    ]
    for options, used, words in others:
        with pytest.raises(ValueError, match=f"{words}; give another sweep.name"):
            SearchStudy.in_folder(options, used, tmp_path)
    assert (tmp_path / NAME).read_bytes() == content
    more = settings(budget={"trials": 99}, confirm={"top": 3, "seeds": 1})
    assert len(SearchStudy.in_folder(more, space, tmp_path).chosen) == 6


def test_notes_of_the_dashboard_stay(settings, space, advance, end, tmp_path):
    study = SearchStudy.in_folder(settings(), space, tmp_path)
    advance(study, 6)
    end(study)
    # The dashboard keeps the notes of a study as system attributes.
    storage = JournalStorage(JournalFileBackend(str(tmp_path / NAME)))
    storage.set_study_system_attr(0, "dashboard:note_str:0", "promising")
    again = SearchStudy.in_folder(settings(), space, tmp_path)
    assert again.storage.get_study_system_attrs(0) == {"dashboard:note_str:0": "promising"}
    assert len(again.results) == 2


@pytest.mark.parametrize("method", ["halving", "tpe"])
def test_the_search_json_of_a_search_without_a_journal_stays(method, settings, space, tmp_path):
    SearchFile(method, "none", {}, (), (), {}).write(tmp_path)
    content = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match=f"a search by {method} and no .* give another sweep.name"):
        SearchStudy.in_folder(settings(), space, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == content


def test_a_search_whose_journal_was_emptied_begins_again(settings, space, tmp_path):
    SearchFile("tpe", "none", {}, (), (), {}).write(tmp_path)
    (tmp_path / NAME).touch()
    assert not SearchStudy.in_folder(settings(), space, tmp_path).chosen
