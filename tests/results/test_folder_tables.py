"""Terminal tables show values unchanged: rich interprets no markup in them."""

import io
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from made_sweeps import Configs, finish_run, start_run, sweep_of
from report_pages import page
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from terminals import console_text

from seqsweep.results.compare import compare
from seqsweep.results.folder_tables import leaderboard_table, print_leaderboard
from seqsweep.results.frame import load_sweep
from seqsweep.results.leaderboard import leaderboard
from seqsweep.results.run_names import readable_names
from seqsweep.results.status import status_line, status_table
from seqsweep.results.words import leaderboard_notes
from seqsweep.runs.ledger import Entry, read_folder
from seqsweep.runs.run_folder import RunFolder
from seqsweep.terminal_table import print_table

MARKUP = "[red]x[/red] [/] \\[b]"


def table_text(table: Table, width: int = 200, terminal: bool = False) -> str:
    options = {"width": width, "force_terminal": terminal, "no_color": True}
    return console_text(lambda console: print_table(console, table), **options)


def lines(table: Table) -> list[list[str]]:
    """The cells of the rows below the header."""
    below = table_text(table).rpartition("─")[2]
    return [line.split() for line in below.splitlines() if line.strip()]


def test_another_program_gets_a_table_without_blanks_and_its_title_in_one_line():
    table = Table("a", "b", box=SIMPLE_HEAD)
    table.add_row("1", "")
    piped = console_text(lambda console: print_table(console, table, "a title"), width=5)
    assert piped.splitlines() == ["a title", "  a   b", " ───────", "  1"]


def made(folder: Path, configs: Configs, *given: Any) -> list[Entry]:
    return read_folder(sweep_of(folder, configs, *given, params=1234567, train_seconds=2.04))


def test_status_shows_every_run_with_its_state(tmp_path):
    finish_run(tmp_path / "a", {"h": 4, "val/acc": 0.5}, train_seconds=2.04)
    RunFolder(tmp_path / "b").refuse({"monitor": "val/acc", "h": 8}, ValueError("no luck"))
    ends = {"epoch": 1, "value": 0.125, "threshold": None}
    run = {"h": 12, "val/acc": 0.125}
    finish_run(tmp_path / "c", run, status="pruned", pruned=ends, train_seconds=None)
    start_run(tmp_path / "d", {"h": 16})
    entries = read_folder(tmp_path)
    assert lines(status_table(entries)) == [
        ["a", "4", "complete", "0.5000", "2.0"],
        ["b", "8", "failed", "ValueError:", "no", "luck"],
        ["c", "12", "pruned", "0.1250"],
        ["d", "16", "incomplete"],
    ]
    line = status_line(Path("outputs/a"), entries)
    assert line == "outputs/a: 4 runs, 1 complete, 1 pruned, 1 failed, 1 incomplete"
    # Runs that are not complete come first in a cut table.
    assert [line[0] for line in lines(status_table(entries, 2))] == ["b", "d"]
    board = leaderboard(entries)
    assert len(board.rows) == 1
    assert any("1 run pruned by a search: not ranked" in note for note in leaderboard_notes(board))


def test_a_damaged_config_makes_no_column(tmp_path):
    for number, size in enumerate((4, 8, 12)):
        start_run(tmp_path / str(number), {"seed": 0, "h": size})
    (tmp_path / "2/config.yaml").write_text("{")
    status = lines(status_table(read_folder(tmp_path)))
    assert [row[:3] for row in status[:2]] == [["0", "4", "incomplete"], ["1", "8", "incomplete"]]
    assert status[2][:3] == ["2", "null", "damaged"]
    assert list(load_sweep(tmp_path).columns[:4]) == ["run_id", "seed", "h", "state"]
    names = readable_names({e.folder.run_id: e.config for e in read_folder(tmp_path)})
    assert list(names.values()) == ["h=4", "h=8", "h=null"]


def test_markup_is_shown_as_it_is(tmp_path):
    """Values, keys, errors and names of folders may contain markup."""
    configs = [{"loss": MARKUP, "[b]key": [1, 2]}, {"loss": "plain", "[b]key": [3, 4]}]
    entries = made(tmp_path, configs, None, 0.5)
    for table in (leaderboard_table(leaderboard(entries)), status_table(entries)):
        shown = table_text(table)
        assert MARKUP in shown
        assert "[b]key" in shown and "[1,2]" in shown
    RunFolder(tmp_path / "a [old]").refuse({}, ValueError(MARKUP))
    shown = table_text(status_table(read_folder(tmp_path)))
    assert "a [old]" in shown and f"ValueError: {MARKUP}" in shown


def seeded(count: int, *accuracies: float) -> list[dict[str, Any]]:
    """A config for each accuracy, whose seeds vary."""
    return [
        {"h": h, "seed": s, "val/acc": acc - h / 10 ** (s % 2 + 1)}
        for h, acc in enumerate(accuracies)
        for s in range(count)
    ]


def test_a_terminal_without_the_sign_gets_one_that_it_has(tmp_path):
    written = io.BytesIO()
    file = io.TextIOWrapper(written, encoding="ascii", errors="replace", write_through=True)
    board = leaderboard(made(tmp_path, seeded(2, 0.9)))
    print_leaderboard(Console(file=file, width=200), board)
    text = written.getvalue().decode("ascii")
    assert "0.9000 +/-0.0000" in text and "?" not in text
    assert "+/- is one standard deviation over the seeds" in text


@pytest.mark.parametrize("missing", [{}, dict.fromkeys(("params", "train_seconds", "best_epoch"))])
def test_numbers_missing_in_a_record_leave_the_others_in_tables_report_and_comparison(
    missing, tmp_path
):
    for h, name in enumerate(("one/a", "two/b", "two/c")):
        folder = start_run(tmp_path / name, {"h": h})
        metrics = {"val/acc": h / 4} if h < 2 else {}
        folder.finish({"config": {"h": h}, "metrics": metrics} | missing)
    entries = read_folder(tmp_path / "one")
    assert lines(leaderboard_table(leaderboard(entries))) == [["1", "0.0000"]]
    assert lines(status_table(entries)) == [["a", "complete", "0.0000"]]
    for one, other in (("one", "two"), ("one/a", "two/b"), ("one/a", "two/c")):
        console_text(partial(compare, [tmp_path / one, tmp_path / other]))
    assert "h=1 is best: val/acc 0.2500, 1 seed" in page(tmp_path / "two").text


def visible_text(table: Table, width: int) -> str:
    """The text that a terminal of this width shows."""
    return re.sub(r"\x1b\[[0-9;]*m", "", table_text(table, width, terminal=True))


def test_a_narrow_terminal_loses_columns_and_no_digits(tmp_path):
    values = ("val/acc", "val/f1", "val/loss", "test/acc", "test/f1", "test/loss")
    runs = [{"h": h, "monitor": "val/loss", **dict.fromkeys(values, h / 7)} for h in (1, 2)]
    table = leaderboard_table(leaderboard(made(tmp_path, runs)))
    assert table_text(table, 200) == table_text(table, 20)  # into a file it is whole
    wide, lost = visible_text(table, 200), ["f1", "seconds", "params", "epoch"]
    assert all(name in wide for name in lost)
    before, text = len(lost), ""
    for width in range(120, 30, -3):
        text = visible_text(table, width).partition("#")[2]  # below the title
        assert "0.1429" in text and "…" not in text
        left = [name for name in lost if name in text]
        assert left == lost[len(lost) - len(left) :] and len(left) <= before
        before = len(left)
        assert max(map(len, text.splitlines())) <= width or not left
    assert before == 0
    assert "loss" in text and "acc" in text


def test_a_long_table_is_cut_with_a_line_that_says_so(tmp_path):
    board = leaderboard(made(tmp_path, {"h": range(1, 6)}, None, lambda c: c["h"] / 8))
    best = ["1", "5", "0.6250", "0.6250", "1", "1,234,567", "2.0"]
    assert lines(leaderboard_table(board, top=1)) == [best]
    assert "and 1 more" in console_text(lambda c: print_leaderboard(c, board, 4))
