"""The report of a search says what was found, and how certain that is."""

import re
import sys
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
from report_pages import figures_of, page
from scipy import stats

from seqsweep.extras.search.searchfile import SearchFile, Trial
from seqsweep.extras.search.section import table_lines
from seqsweep.results.leaderboard import leaderboard
from seqsweep.results.significance import paired
from seqsweep.results.words import leaderboard_notes
from seqsweep.runs.ledger import read_folder


def section_text(folder: Path) -> str:
    """Writes the report of a folder and returns the text of the section on the search."""
    text = page(folder).text.replace("\N{NO-BREAK SPACE}", " ").replace(" .", ".")
    begin = text.index("The search ", text.index("all data:"))
    return text[begin : text.rindex("Run it again")]


def test_a_random_search_tells_its_story(tmp_path):
    random_search(tmp_path, 40, seeds=8)
    text = section_text(tmp_path)
    best = max(tried(tmp_path), key=lambda trial: trial.value or 0.0)
    assert f"Best in the search: trial {best.number}, lr=" in text
    assert f"validation accuracy {best.value:.4f}, test accuracy" in text
    assert f"Trial {best.number} had validation accuracy {best.value:.4f} in the search" in text
    assert "over 8 fresh seeds: the search was optimistic by" in text
    assert "Search by random, pruner none: 40 trials, 40 complete. Budget: 64 trials." in text
    assert f"The best was found after {best.number + 1} of 40 trials." in text
    assert "Computed from the validation accuracy of 40 trials." in text
    drawn = figures_of((tmp_path / "report.html").read_text())
    # One figure for each key, with a point for each trial.
    names = [name for name in drawn if name.startswith("search-")]
    assert names == [f"search-key-{number}" for number in range(len(SPACE))]
    for name in names:
        assert sum(len(trace["x"]) for trace in drawn[name]["data"]) == 40
        assert drawn[name]["data"][-1]["y"] == [pytest.approx(best.value, rel=1e-4)]


def test_halving_compares_at_its_first_rung(tmp_path):
    halving(tmp_path, 27, seeds=2)
    text = section_text(tmp_path)
    assert "Search by halving, pruner halving: 27 trials, 1 complete, 26 pruned." in text
    assert "Computed from the validation accuracy after 1 epoch of 27 trials." in text
    assert "Rungs after epochs trials pruned kept" in text
    assert "1 27 18 9" in text


def test_without_optuna_the_report_names_the_package(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    halving(tmp_path, 9)
    text = section_text(tmp_path)
    assert "computes the importance of the keys: pip install 'seqsweep[search]'." in text
    assert "PED-ANOVA" not in text
    assert "All trials" in text


@pytest.mark.parametrize("change", [lambda text: text[:50], lambda text: text.replace("gru", "x")])
def test_a_damaged_or_edited_search_json_counts_as_missing(tmp_path, change, capsys):
    write_search(tmp_path, write_values(tmp_path, [0.5, 0.6]))
    path = tmp_path / "search.json"
    path.write_text(change(path.read_text()))
    assert "The search" not in page(tmp_path).headings
    assert table_lines(tmp_path, read_folder(tmp_path)) == []
    assert "it counts as missing" in capsys.readouterr().err


HARD: dict[str, tuple[str, Callable[[Path], SearchFile]]] = {
    "no trial": ("0 trials. No trial is complete", lambda folder: write_search(folder, [])),
    "running": ("9 trials, 5 complete, 4 running. Best", lambda folder: write_search(
        folder,
        [*(write_trial(folder, i, 3, whole=True) for i in range(5)),
         *(Trial(i, sampled(i), [f"{i:016x}"]) for i in range(5, 9))],
    )),
    "runs that are gone": ("9 trials, 9 running. No trial is complete", lambda folder: write_search(
        folder, [Trial(i, sampled(i), [f"gone{i}"]) for i in range(9)],
        rungs=[1, 3, 9], method="halving", confirmed={8: ["gone", "also"]},
    )),
    "a loss, and one key": ("9 trials, 9 complete. Best", lambda folder: random_search(
        folder, 9, seeds=1, metric="val/loss", space={CELL: SPACE[CELL]}
    )),
}  # fmt: skip


@pytest.mark.parametrize("case", HARD)
def test_a_search_that_is_unusual_has_a_report(case, tmp_path):
    """The first of the best trials is named, on the page and below a leaderboard."""
    words, write = HARD[case]
    sign = 1 if write(tmp_path).metric == "val/loss" else -1
    write_run(tmp_path, "f" * 16, sampled(0), 99, 3)
    text, lines = section_text(tmp_path), table_lines(tmp_path, read_folder(tmp_path))
    assert lines[0].startswith(f"search: {words}") and words.partition(".")[0] in text
    complete = [trial for trial in tried(tmp_path) if trial.state == "complete"]
    if complete:
        best = min(complete, key=lambda trial: (sign * (trial.value or 0.0), trial.number))
        named = re.compile(f"Best in the search: trial {best.number}, .*? {best.value:.4f}[.,]")
        assert named.search(lines[0]) and named.search(text)
    else:
        assert "No trial is complete, so there is no best one." in text


def test_a_large_search_draws_the_best_trials(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("seqsweep.extras.search.section.MOST_POINTS", 3)
    write_search(tmp_path, write_values(tmp_path, [0.1, 0.5, 0.4, 0.2, 0.3]))
    assert "The best 3 of 5 trials are drawn." in section_text(tmp_path)
    figure = figures_of((tmp_path / "report.html").read_text())["search-key-0"]
    values = [value for trace in figure["data"] for value in trace["y"]]
    assert sorted(values) == pytest.approx([0.3, 0.4, 0.5], rel=1e-4)


def test_the_terminal_names_the_best_trial_and_its_confirmation(tmp_path):
    random_search(tmp_path / "my search", 6, seeds=2)
    lines = table_lines(tmp_path / "my search", read_folder(tmp_path / "my search"))
    assert lines[0].startswith("search: 6 trials, 6 complete. Best in the search: trial ")
    assert "over 2 fresh seeds" in lines[1]
    assert lines[-3].startswith("In the leaderboard the configs with fresh seeds come first")
    assert lines[-2].startswith(f"Spent: {6 * EPOCHS} epochs, ")
    assert lines[-1].endswith(f"seqsweep report '{tmp_path / 'my search'}'")
    assert all(line.isascii() for line in lines)
    random_search(tmp_path / "once", 6)
    assert "leaderboard" not in " ".join(table_lines(tmp_path / "once", []))


def test_the_leaderboard_of_a_search_compares_fresh_seeds_alone(tmp_path):
    search = random_search(tmp_path, 12, seeds=7)
    board = leaderboard(read_folder(tmp_path))
    chosen = {run_id for trial in search.trials for run_id in trial.run_ids}
    confirmed, others = board.rows[: len(search.confirmed)], board.rows[len(search.confirmed) :]
    # The seven fresh seeds decide the means, the order, the signs and the p of these configs.
    assert [row.n for row in confirmed] == [7] * 5 and not chosen & {
        entry.folder.run_id for row in confirmed for entry in row.entries
    }
    means = [row.metrics["val/acc"].mean for row in confirmed]
    assert means == sorted(means, reverse=True)
    for row in confirmed[1:]:
        pairs = paired(row.samples["test/acc"], confirmed[0].samples["test/acc"])
        tested: Any = stats.wilcoxon(list(pairs.values()), method="exact")
        assert row.difference is not None and row.difference.p == pytest.approx(tested.pvalue)
    # What was trained with the seed of the search alone has no part in the tests.
    assert [row.apart for row in others] == ["no fresh seeds"] * 7
    assert all(row.difference is None for row in others)
    assert board.left_out == 0
    notes = " ".join(leaderboard_notes(board))
    assert "7 configs not compared with the first: no fresh seeds" in notes
    # The report says the same, and names the runs that its numbers leave out.
    text = page(tmp_path).text
    assert "Not compared" not in text
    assert text.count("not counted: the search chose the config by it") == 5
