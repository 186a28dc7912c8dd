"""The leaderboard in Python, and what a notebook shows of it."""

import pytest
from report_pages import grid

from seqsweep import load_board
from seqsweep.errors import FolderError


def test_a_board_holds_the_answer_and_the_printed_text(tmp_path):
    grid(tmp_path, [8, 32], [1], 6)
    board = load_board(str(tmp_path))
    assert board.text.startswith(board.answer.sentence + "\n")
    assert board.answer.verdict in ("different", "indistinguishable")
    html = board._repr_html_()
    assert html.startswith(f"<p><strong>{board.answer.sentence}</strong></p><pre")
    assert "± is one standard deviation" in html
    assert repr(board) == f"Board(answer={board.answer!r})"


def test_the_words_of_a_board_are_no_markup(tmp_path):
    grid(tmp_path, [8], [1], 1)
    board = load_board(tmp_path)
    named = type(board)(board.answer, "<b>&\n<i>\n")
    assert named._repr_html_() == (
        '<p><strong>&lt;b&gt;&amp;</strong></p><pre tabindex="0">&lt;i&gt;\n</pre>'
    )


def test_a_folder_without_a_complete_run_has_no_board(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_board(tmp_path / "none")
    with pytest.raises(FolderError):
        load_board(tmp_path)
