"""The report of a search says what was found, and how certain that is."""

import importlib.util
import json
import random
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_search import (
    CELL,
    EPOCHS,
    SPACE,
    halving,
    random_search,
    sampled,
    tried,
    write_run,
    write_search,
    write_trial,
    write_values,
)

from seqsweep.results.report.parallel_plot import MOST_LINES
from seqsweep.results.report.write import write_report
from seqsweep.results.search.findings import find_search
from seqsweep.results.search.summary import search_lines
from seqsweep.results.search.trials import ranked
from seqsweep.runs.ledger import read_folder
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.searchfile import SearchFile, Trial

NBSP = "\N{NO-BREAK SPACE}"


@pytest.fixture(name="said")
def get_said(page: Callable[[Path], Any]) -> Callable[[Path], str]:
    """Writes the report of a folder and returns the text of the section on the search."""

    def call(folder: Path) -> str:
        text = page(folder).text.replace(NBSP, " ").replace(" .", ".")
        return text[
            text.index("The search ", text.index("all data:")) : text.rindex("Run it again")
        ]

    return call


def test_a_random_search_tells_its_story(tmp_path, said, figures_of):
    random_search(tmp_path, 40, seeds=8)
    text = said(tmp_path)
    best = max(tried(tmp_path), key=lambda trial: trial.value or 0.0)
    assert f"Best in the search: trial {best.number}, lr=" in text
    assert f"validation accuracy {best.value:.4f}, test accuracy" in text
    assert "over 8 fresh seeds: the search was optimistic by" in text
    assert "Random search: 40 trials, 40 complete. Budget: 64 trials." in text
    assert f"Spent: 40 trials, {40 * EPOCHS:,} epochs" in text
    assert "Computed from the validation accuracy of 40 complete trials." in text
    assert "to expect from random configs" in text
    assert "This assumes that the configs were drawn independently." in text
    drawn = figures_of((tmp_path / "report.html").read_text())
    assert {name for name in drawn if name.startswith("search-")} == {
        "search-parallel", "search-expected", "search-budget-trials", "search-budget-epochs",
        "search-budget-seconds",
    }  # fmt: skip
    # The line of the best value so far never falls.
    line = next(t["y"] for t in drawn["search-budget-trials"]["data"] if t["mode"] == "lines")
    assert line == sorted(line)
    assert len(line) == 41


def test_halving_compares_at_its_first_rung(tmp_path, said, figures_of):
    halving(tmp_path, 27, seeds=2)
    text = said(tmp_path)
    assert "Successive halving: 27 trials, 1 complete, 26 pruned." in text
    assert "after 1 epoch of 27 trials. No later epoch was reached" in text
    assert "Rungs after epochs trials pruned kept" in text
    assert "1 27 18 9" in text
    drawn = figures_of((tmp_path / "report.html").read_text())
    rungs = drawn["search-budget-epochs"]["data"][0]
    # 27 runs to epoch 1, 9 of them to epoch 3, 3 to epoch 9, and one to the end.
    assert rungs["x"] == [27, 27 + 18, 27 + 18 + 18, 27 + 18 + 18 + 18]
    lines = drawn["search-parallel"]["data"]
    assert len(lines) == 27
    assert sum(line["opacity"] == 1 for line in lines) == 1
    assert sum(line["opacity"] < 0.5 for line in lines) == 26


@pytest.mark.parametrize("has_files", [True, False])
def test_a_pruned_random_search_expects_values_after_equal_epochs(has_files, tmp_path, said):
    trials = [
        write_trial(tmp_path, number, epochs, whole=epochs == EPOCHS)
        for number, epochs in enumerate([1, 3, EPOCHS] * 4)
    ]
    if not has_files:
        for path in tmp_path.glob("*/metrics.csv"):
            path.unlink()
    write_search(tmp_path, trials, pruner="median")
    search = find_search(tmp_path, read_folder(tmp_path))
    assert search is not None
    text = said(tmp_path)
    if has_files:
        assert search.expected is not None and search.compared.epochs == 1
        assert search.expected.mean[0] == pytest.approx(statistics.fmean(search.compared.values))
        assert "The best validation accuracy after 1 epoch to expect from random configs" in text
    else:
        assert search.expected is None
        assert "Pruned trials have fewer epochs than complete ones, so there is no" in text


def test_a_sampler_that_learns_has_no_expected_best_value(tmp_path, said):
    random_search(tmp_path, 8, method="tpe", pruner="median")
    text = said(tmp_path)
    assert "TPE with pruning by the median rule: 8 trials, 8 complete." in text
    assert "TPE does not draw its configs independently of each other" in text
    assert "Expected best of n random configs" not in text
    assert "no trial was trained again over fresh seeds" in text
    assert "With fewer than 20 trials the importances are unreliable." in text
    assert "The best was found after" in text
    random_search(tmp_path / "one", 1)
    assert "The best was found after" not in said(tmp_path / "one")


@pytest.mark.parametrize("method", ["random", "halving"])
def test_without_optuna_the_report_names_the_package(
    method, tmp_path, said, monkeypatch: pytest.MonkeyPatch
):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "optuna" else find_spec(name)
    )
    random_search(tmp_path, 20) if method == "random" else halving(tmp_path, 9)
    text = said(tmp_path)
    assert "computes the importance of the keys: pip install 'seqsweep[search]'." in text
    assert "PED-ANOVA" not in text
    assert "All trials" in text


def lines_without_time(text: str) -> list[str]:
    """The lines of a file of a report, without those that contain the time of writing."""
    of_time = ('"written"', '"made_from"', "Written ")
    return [line for line in text.splitlines() if not any(word in line for word in of_time)]


def test_a_folder_without_a_search_is_as_before(tmp_path, grid, page):
    folder = grid(tmp_path, [8, 16], [1], 2)
    before = page(folder)
    files = ("report.json", "report.csv", "report.html")
    texts = [(folder / name).read_text() for name in files]
    (folder / "search.json").write_text('{"method": "tpe", "trials": [')
    page(folder)
    for name, text in zip(files, texts, strict=True):
        now = (folder / name).read_text()
        assert lines_without_time(now) == lines_without_time(text), name
    assert "search" not in json.loads(texts[0])
    assert "The search" not in before.headings
    assert 'id="search"' not in texts[2]
    assert search_lines(folder, read_folder(folder)) == []


def failed(folder: Path, count: int) -> list[Trial]:
    for number in range(count):
        run = RunFolder(folder / f"{number:016x}")
        run.path.mkdir()
        run.fail(ValueError("broken"))
    return [Trial(number, sampled(number), [f"{number:016x}"]) for number in range(count)]


HARD: dict[str, Callable[[Path], SearchFile]] = {
    "no trial": lambda folder: write_search(folder, []),
    "one trial": lambda folder: random_search(folder, 1),
    "two trials": lambda folder: random_search(folder, 2, seeds=1),
    "all failed": lambda folder: write_search(folder, failed(folder, 5)),
    "running": lambda folder: write_search(
        folder,
        [*(write_trial(folder, i, 3, whole=True) for i in range(5)),
         *(Trial(i, sampled(i), [f"{i:016x}"]) for i in range(5, 9))],
    ),
    "one param": lambda folder: random_search(folder, 9, space={CELL: SPACE[CELL]}),
    "equal values": lambda folder: write_search(
        folder, write_values(folder, [1.0] * 30), confirmed={0: ["absent"]}
    ),
    "rungs that no trial has reached": lambda folder: write_search(
        folder, failed(folder, 3), rungs=[1, 3], method="halving"
    ),
    "runs that are gone": lambda folder: write_search(
        folder, [Trial(i, sampled(i), [f"gone{i}"]) for i in range(9)],
        rungs=[1, 3, 9], method="halving", confirmed={8: ["gone", "also"]},
    ),
    "a loss": lambda folder: random_search(folder, 9, metric="val/loss"),
}  # fmt: skip


@pytest.mark.parametrize("case", HARD)
def test_a_search_that_is_unusual_has_a_report(case, tmp_path, page):
    HARD[case](tmp_path)
    write_run(tmp_path, "f" * 16, sampled(0), 99, 3)
    found = page(tmp_path)
    assert "The search" in found.headings
    assert search_lines(tmp_path, read_folder(tmp_path))
    json.loads((tmp_path / "report.json").read_text())


def test_a_search_without_a_complete_run_has_a_report(tmp_path, page, started):
    started(tmp_path, {"seed": 0})
    write_search(tmp_path, [Trial(0, sampled(0), [f"{0:016x}"])])
    assert "The search" in page(tmp_path).headings


def test_a_large_search_draws_the_best_lines_and_a_sample(tmp_path, said, figures_of):
    draw = random.Random(0)
    trials = write_values(tmp_path, [draw.random() for _ in range(600)])
    write_search(tmp_path, trials)
    text = said(tmp_path)
    assert "500 of 600 trials are drawn: the best 250 and an even sample" in text
    lines = figures_of((tmp_path / "report.html").read_text())["search-parallel"]["data"]
    assert len(lines) == MOST_LINES
    first = {trial.number for trial in ranked(tried(tmp_path), -1)[:250]}
    assert first <= {int(line["name"]) for line in lines}


def test_the_terminal_names_the_best_trial_and_its_confirmation(tmp_path):
    random_search(tmp_path / "my search", 6, seeds=2)
    lines = search_lines(tmp_path / "my search", read_folder(tmp_path / "my search"))
    assert lines[0].startswith("search: 6 trials, 6 complete. Best in the search: trial ")
    assert "over 2 fresh seeds" in lines[1]
    assert "The leaderboard averages the fresh seeds with those of the search" in lines[-2]
    assert lines[-1].endswith(f"seqsweep report '{tmp_path / 'my search'}'")
    assert all(line.isascii() for line in lines)
    random_search(tmp_path / "once", 6)
    assert "averages" not in " ".join(search_lines(tmp_path / "once", []))


def test_a_search_that_goes_on_makes_the_report_stale(tmp_path):
    search = random_search(tmp_path, 3)
    write_report(tmp_path)
    first = json.loads((tmp_path / "report.json").read_text())["made_from"]
    write_search(tmp_path, search.trials[:2])
    write_report(tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["made_from"] != first
