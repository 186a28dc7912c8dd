"""Fresh seeds show how much of a trial's value was luck; keys are compared at equal epochs."""

from pathlib import Path

import pytest
from made_search import LR, SIZE, SPACE, sampled, write_search
from made_sweeps import finish_run

from seqsweep.extras.search.findings import Confirmation, find_search
from seqsweep.extras.search.searchfile import SearchFile, Trial
from seqsweep.extras.search.section import optimism_words, order_words
from seqsweep.extras.search.study import importances
from seqsweep.runs.ledger import read_folder


def confirmed(folder: Path) -> Confirmation | None:
    found = find_search(folder, read_folder(folder), with_importance=False)
    return found and found.confirmation


def write(folder: Path, run_id: str, seed: int, accuracy: float, test: bool = True) -> str:
    """Writes a run whose test accuracy, if there is one, is lower by 0.1."""
    scores = {"val/acc": accuracy} | ({"test/acc": accuracy - 0.1} if test else {})
    finish_run(folder / run_id, {"seed": seed}, scores, epochs=1)
    return run_id


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, SearchFile]:
    """Two trials: the first was lucky in the search, the second is better over fresh seeds."""
    ids = {
        trial: [write(tmp_path, f"c{trial}{s}", s, mean + s / 1000) for s in range(1, 7)]
        for trial, mean in ((0, 0.7), (1, 0.8))
    }
    trials = [
        Trial(number, sampled(number), [write(tmp_path, name, 0, value, test=False)])
        for number, name, value in ((0, "a", 0.9), (1, "b", 0.8))
    ]
    return tmp_path, write_search(tmp_path, trials, confirmed=ids)


def test_ranks_change_with_fresh_seeds(two):
    folder, search = two
    found = confirmed(folder)
    assert found is not None
    assert [(row.number, row.before) for row in found.trials] == [(1, 2), (0, 1)]
    assert found.metric == "test/acc"
    assert found.first.number == 0
    assert found.first.fresh.mean == pytest.approx(0.7035)
    assert [row.difference.verdict for row in found.trials] == ["best", "different"]
    assert found.trials[1].difference.interval is not None
    assert found.trials[1].difference.interval.mean == pytest.approx(-0.1)
    assert found.missing == 0
    assert order_words(found).endswith("Significantly different from it: 1 of 1.")
    # A seed of the search is not fresh.
    ids = {**search.confirmed, 0: ["a", *search.confirmed[0]]}
    write_search(folder, search.trials, confirmed=ids)
    again = confirmed(folder)
    assert again is not None and again.first.fresh.n == 6
    # Nor is a run complete without its record; the seeds are compared that both trials have.
    (folder / "c12" / "record.json").unlink()
    less = confirmed(folder)
    assert less is not None and (less.missing, less.trials[1].difference.n) == (2, 5)


@pytest.mark.parametrize(
    ("searched", "seeds", "words"),
    [
        (0.80, 6, "over 6 fresh seeds: the search was optimistic by 0.0965."),
        (0.705, 6, "[0.7015, 0.7055], over 6 fresh seeds: the value in the search is within this"),
        (0.80, 1, "over 1 fresh seed: without an interval it is open whether the search was"),
    ],
)
def test_an_interval_says_if_a_search_was_optimistic(tmp_path, searched, seeds, words):
    ids = [write(tmp_path, f"c{s}", s, 0.7 + s / 1000) for s in range(1, seeds + 1)]
    trial = Trial(0, sampled(0), [write(tmp_path, "a", 0, searched)])
    write_search(tmp_path, [trial], confirmed={0: ids})
    found = find_search(tmp_path, read_folder(tmp_path))
    assert found is not None and words in optimism_words(found)


@pytest.mark.parametrize("key", [LR, SIZE])
def test_the_key_that_decides_is_the_most_important_one(key):
    trials = [Trial(number, sampled(number)) for number in range(200)]
    found = importances(trials, {trial.number: trial.params[key] for trial in trials}, SPACE)
    assert next(iter(found)) == key
    assert found[key] > 0.6
    assert sum(found.values()) == pytest.approx(1)
    assert found.keys() == SPACE.keys()
