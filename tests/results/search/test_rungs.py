"""Trials are compared after equal numbers of epochs."""

from made_search import EPOCHS, halving, random_search, sampled, write_run, write_trial

from seqsweep.results.search.findings import find_search
from seqsweep.results.search.rungs import EarlyValues, rungs_of
from seqsweep.results.search.trials import runs_of
from seqsweep.runs.ledger import Entry, read_folder
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.searchfile import SearchFile, Trial


def test_the_value_at_a_rung_is_the_best_until_there(tmp_path):
    search = random_search(tmp_path, 4)
    early = EarlyValues(search, runs_of(search, tmp_path, []))
    for trial in search.trials:
        # A run that was stopped after three epochs has the same first epochs.
        other = write_run(tmp_path / "short", trial.run_ids[0], sampled(trial.number), 0, 3)
        assert early.at(trial, 3) == other["val/acc"]
        assert early.at(trial, EPOCHS) == (trial.values or [None])[0]


def test_the_value_of_several_runs_is_their_mean(tmp_path):
    first, second = (write_trial(tmp_path, number, EPOCHS, whole=True) for number in (0, 1))
    both = Trial(0, first.params, [*first.run_ids, *second.run_ids], "complete", [0.5], 2 * EPOCHS)
    search = SearchFile("random", "none", {}, ["val/acc"], ["maximize"], {}, [both])
    early = EarlyValues(search, runs_of(search, tmp_path, []))
    values = [early.at(trial, 3) or 0.0 for trial in (first, second)]
    assert early.at(both, 3) == sum(values) / 2
    absent = Trial(2, {}, [*first.run_ids, "absent"], "complete", [0.5], 99)
    assert early.at(absent, 3) is None


def test_rungs_count_their_trials(tmp_path):
    search = halving(tmp_path, 36)
    found = find_search(tmp_path, read_folder(tmp_path))
    assert found is not None
    assert [(r.epochs, r.trained, r.kept) for r in found.rungs] == [
        (1, 36, 12), (3, 12, 4), (9, 4, 1),
    ]  # fmt: skip
    best = [rung.best or 0.0 for rung in found.rungs]
    assert best == sorted(best)
    for rung in found.rungs:
        pruned = [t for t in search.trials if t.state == "pruned" and t.epochs == rung.epochs]
        values = [(trial.values or [0.0])[0] for trial in pruned]
        assert rung.threshold is not None
        assert max(values) <= rung.threshold <= (rung.best or 0.0)
    # The importance and the expected best value are those of all trials at the first rung.
    assert (found.compared.epochs, len(found.compared.values)) == (1, len(search.trials))


def test_a_threshold_that_all_pruned_trials_share_is_shown(tmp_path):
    trials = [Trial(i, {}, [f"{i}"], "pruned", [0.1], 1) for i in range(3)]
    search = SearchFile("halving", "halving", {}, ["val/acc"], ["maximize"], {}, trials, rungs=[1])

    def threshold(*values: float | None) -> float | None:
        runs = {
            f"{i}": Entry(RunFolder(tmp_path / f"{i}"), "complete", {},
                          {"pruned": {"epoch": 1, "value": 0.1, "threshold": value}}, None)
            for i, value in enumerate(values)
        }  # fmt: skip
        return rungs_of(search, runs, EarlyValues(search, runs))[0].threshold

    assert threshold(0.25, 0.25, 0.25) == 0.25
    assert threshold(0.25, 0.5, 0.25) is None
    assert threshold(None, None, None) is None


def test_of_many_rungs_those_with_pruned_trials_are_listed():
    trials = [Trial(i, {}, [f"{i}"], "pruned", [0.1], 10 * i) for i in (1, 3)]
    search = SearchFile(
        "tpe", "median", {}, ["val/acc"], ["maximize"], {}, trials, rungs=list(range(1, 60))
    )
    assert [rung.epochs for rung in rungs_of(search, {}, EarlyValues(search, {}))] == [10, 30]
