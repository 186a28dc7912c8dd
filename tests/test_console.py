"""Paths, control characters and styles are printed as intended, and a closed pipe is handled."""

import io
from pathlib import Path

import pytest
from rich.text import Text

from seqsweep.console import PlainConsole, place, say, say_error


def test_a_path_with_colons_is_printed_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    PlainConsole().print("seqsweep status a:on:b", soft_wrap=True)
    assert capsys.readouterr().out == "seqsweep status a:on:b\n"


def test_a_folder_is_named_relative_to_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert place(tmp_path / "outputs" / "a") == "outputs/a"
    assert place(Path("outputs/a")) == "outputs/a"
    assert place(tmp_path.parent) == str(tmp_path.parent)


def test_a_closed_pipe_raises_broken_pipe_error() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    console = PlainConsole()
    console.file = Gone()
    with pytest.raises(BrokenPipeError):
        console.print("x")


HOSTILE = "a\x1b[2Jb\x07\x9b31m\x7f"
SHOWN = "a\\x1b[2Jb\\x07\\x9b31m\\x7f"


def test_control_characters_never_reach_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say(HOSTILE)
    say_error(HOSTILE)
    console = PlainConsole()
    console.print(HOSTILE, markup=False)
    console.print(Text(HOSTILE))
    printed = capsys.readouterr()
    assert printed.err == f"seqsweep: {SHOWN}\n"
    assert "\x1b" not in printed.out and "\x9b" not in printed.out and "\x7f" not in printed.out
