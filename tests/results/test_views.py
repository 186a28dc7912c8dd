"""Terminal, page, csv and JSON say the same of random sweeps, to the printed digit."""

import csv
import html
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from made_sweeps import on_data, runs_of, sweep_of
from own_metric_runs import finish_own_runs
from report_pages import Page, data, started, without_plotly
from terminals import console_text

from seqsweep.results.by import By, compare_values
from seqsweep.results.data_sets import data_sets
from seqsweep.results.folder_tables import boards_of, leaderboard_table, print_folder
from seqsweep.results.formatting import probability
from seqsweep.results.leaderboard import Leaderboard, leaderboard
from seqsweep.results.report.write import as_json, write_report
from seqsweep.results.words import leaderboard_notes
from seqsweep.runs.ledger import Entry, read_folder
from seqsweep.runs.metrics import as_metric
from seqsweep.text import interval_texts, number

SWEEPS = 30


def random_sweep(folder: Path, draw: random.Random) -> Path:
    """Writes a sweep of one to five configs on one to three data sets.

    Accuracies are multiples of 1/40, so they tie. Some sweeps have folds, and some runs diverged,
    have failed or have no test score.
    """
    step = draw.choice((0.0, 0.05, 0.2))
    has_folds = draw.random() < 0.3
    replicates = draw.choice((1, 2, 5, 7, 9)) if not has_folds else 5
    sets = draw.choice(("a", "a", "ab", "abc"))
    sizes = {name: draw.randint(1, 5) for name in sets}
    axes = {"data.folds": [5], "data.fold": range(5), "seed": [0]} if has_folds else {}
    configs = runs_of({"data.source.name": sets} | axes, None if has_folds else replicates)
    for config in configs:
        for h in range(sizes[config["data.source.name"]]):
            add_run(folder, {"h": h, **config}, draw, step)
    return folder


def add_run(folder: Path, config: dict[str, Any], draw: random.Random, step: float) -> None:
    score = draw.randint(20, 40) / 40 - step * config["h"] / 2
    scores = {"val/acc": score, "val/loss": 1 - score, "test/acc": abs(score - 0.025)}
    if draw.random() < 0.05:
        scores.pop("test/acc")
    if draw.random() < 0.08:
        started(folder, config)
        return
    record = on_data(config["data.source.name"], config.get("data.fold"))
    if draw.random() < 0.05:
        record |= {"status": "diverged", "error": "loss is infinite"}
    sweep_of(folder, [config], None, scores, **record)


def page_rows(source: str) -> list[dict[str, str]]:
    """Returns the texts of the page's leaderboard by column."""
    board = source[source.index('<table id="board"') :]
    head = board[: board.index("</thead>")]
    names = [text_of(cell) for cell in re.findall(r"<th\b.*?</th>", head, re.DOTALL)]
    rows = re.findall(r'<tbody class="config">\s*<tr.*?</tr>', board, re.DOTALL)
    cells = [re.findall(r"<td\b.*?</td>", row, re.DOTALL) for row in rows]
    return [dict(zip(names, map(text_of, row), strict=True)) for row in cells]


def page_answer(source: str) -> str:
    """Returns the answer as one sentence: the page has its first parts as the title."""
    answer = re.search(
        r"<h1[^>]*>(.*?)</h1>\s*(?:<p[^>]* id=\"others\">(.*?)\.</p>)?", source, re.DOTALL
    )
    assert answer is not None
    title, others = answer.groups()
    return text_of(f"{title}; {others[0].lower()}{others[1:]}" if others else title)


def text_of(source: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", source.replace("<wbr>", ""))).split())


def terminal_rows(folder: Path) -> list[dict[str, str]]:
    """Returns the cells of the terminal's leaderboards by column, one data set after another."""
    rows: list[dict[str, str]] = []
    for one in data_sets(read_folder(folder)):
        table = leaderboard_table(leaderboard(one.entries), 100)
        names = [str(column.header).replace("\n", "") for column in table.columns]
        columns = [list(map(str, column.cells)) for column in table.columns]
        rows += [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    return rows


@pytest.mark.sampled(1, 3)
@pytest.mark.parametrize("first", range(0, SWEEPS, 5))
def test_all_views_of_a_sweep_have_the_same_numbers_and_verdicts(tmp_path, first):
    for seed in range(first, first + 5):
        folder = random_sweep(tmp_path / str(seed), random.Random(seed))
        entries = read_folder(folder)
        if any(entry.state == "complete" for entry in entries):
            check_views(folder, entries)


@pytest.mark.parametrize(
    ("monitor", "mode"), [("val_acc", "max"), ("val_loss", "min"), (None, None)]
)
def test_all_views_of_a_users_own_metrics_agree(tmp_path, monitor, mode):
    folder = finish_own_runs(tmp_path, monitor, mode)
    check_views(folder, read_folder(folder))


def check_views(folder: Path, entries: list[Entry]) -> None:
    by = compared_by_h(entries)
    boards = json.loads(as_json(boards_of(folder, entries, None, by=by)))
    # The page compares all data sets in one metric, which may not be that of a data set alone.
    pairs = [(board["score"], one) for board in boards["sets"] for one in board["configs"]]
    source = write_report(folder, by=by)[0].read_text()
    drawn, shown, report = page_rows(source), terminal_rows(folder), data(folder)
    table = list(csv.DictReader((folder / "report.csv").read_text().splitlines()))
    sentences = [boards["answer"]["sentence"]]
    sentences += [pair["sentence"] for block in boards.get("by", []) for pair in block["pairs"]]
    assert report["answer"]["sentence"] == sentences[0] and report.get("by") == boards.get("by")
    printed = console_text(lambda c: print_folder(c, folder, entries, by=by), width=1000)
    text = Page(without_plotly(source)).text + "\n" + page_answer(source)
    assert all(sentence in text and sentence in printed for sentence in sentences)
    boards_shown = [leaderboard(one.entries) for one in data_sets(entries)]
    if len(boards_shown) == 1:
        same_notes(boards_shown[0], text, printed)
    assert len(pairs) == len(report["configs"]) == len(drawn) == len(shown) == len(table)
    rows = zip(pairs, report["configs"], drawn, shown, table, strict=True)
    for (score, ours), written, on_page, row, of_table in rows:
        if score == report["score"]:
            same_numbers(ours, written, on_page, row, score)
        same_as_the_table(written, of_table)


def same_notes(board: Leaderboard, text: str, printed: str) -> None:
    """Compares what the page and the terminal say about the ranking and its limits."""
    assert f"Ranked by {board.chosen_by}" in text
    notes = leaderboard_notes(board)
    assert all(note in printed for note in notes)
    # The page has other words for the signs, and begins each sentence with a capital letter.
    limits = [note for note in notes if not note.startswith(("±", "≈"))]
    assert [note for note in limits if note.lower() not in text.lower()] == []


def compared_by_h(entries: list[Entry]) -> list[By]:
    """Returns the comparison of the values of h; nothing where they share no setting."""
    try:
        return compare_values(entries, "h")
    except ValueError:
        return []


def same_as_the_table(written: dict[str, Any], row: dict[str, str]) -> None:
    """Compares report.json with a row of report.csv."""
    assert row["rank"] == str(written["rank"])
    assert {key: row[key] for key in written["keys"]} == {
        key: str(value) for key, value in written["keys"].items()
    }
    interval = (written["difference"] or {}).get("interval") or {}
    for column, cell in row.items():
        name, _, part = column.partition(" ")
        values = interval if part.startswith("- best") else written["metrics"].get(name)
        if values is not None:
            part = part.removeprefix("- best").strip() or "mean"
            assert (float(cell) if cell else None) == values.get(part)
    assert row["verdict"] == (written["difference"] or {}).get("verdict", row["verdict"])


def same_numbers(
    ours: dict[str, Any],
    written: dict[str, Any],
    on_page: dict[str, str],
    row: dict[str, str],
    score: str,
) -> None:
    """Compares leaderboard --json with report.json, the page and the terminal."""
    assert (ours["rank"], ours["keys"], ours["runs"]) == (
        written["rank"], {key: written["keys"][key] for key in ours["keys"]}, written["runs"],
    )  # fmt: skip
    assert ours["metrics"] == written["metrics"]
    assert on_page["#"] == row["#"] == str(ours["rank"])
    for key, value in ours["keys"].items():
        name = key.rpartition(".")[2]
        assert on_page[name] == str(value) == row.get(name, str(value))
    result, words = ours["metrics"].get(score), as_metric(score).words
    runs = str(len(ours["runs"]))
    assert row.get("seeds", row.get("replicates", runs)) == runs
    if result is None:
        assert on_page[words] == row.get(score, "") == ""
    else:
        mean = number(result["mean"])
        assert on_page[words] == row[score].partition(" ")[0] == mean
        if result["low"] is not None:
            assert (
                " to ".join(interval_texts(result["low"], result["high"]))
                in on_page["95 % interval"]
            )
    verdict = ours.get("verdict", written["apart"] or "best")
    assert verdict == (written["apart"] or (written["difference"] or {}).get("verdict", "best"))
    assert (row.get("≈") == "≈") == (verdict == "indistinguishable")
    difference = ours.get("difference")
    if "minus the best" in on_page:
        mean, interval = (difference or {}).get("mean"), on_page["minus the best"]
        assert (interval == "") == (mean is None)
        if difference and difference["low"] is not None:
            assert (
                ", ".join(interval_texts(difference["low"], difference["high"], sign="+"))
                in interval
            )
    if "verdict" in on_page:
        p = ours.get("p") if ours.get("adjusted") is None else ours["adjusted"]
        assert on_page["p, adjusted"] == ("" if p is None else probability(p))
        short = {"best": "best", "indistinguishable": "≈ best", "different": "differs"}
        assert on_page["verdict"] == short.get(verdict, on_page["verdict"])
