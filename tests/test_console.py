"""What is printed is what was meant, and a reader who goes is no failure of ours."""

import io
from pathlib import Path

import pytest

from seqsweep.console import PlainConsole, place


def test_a_path_with_colons_stays_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    PlainConsole().print("seqsweep status a:on:b", soft_wrap=True)
    assert capsys.readouterr().out == "seqsweep status a:on:b\n"


def test_a_folder_is_named_from_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert place(tmp_path / "outputs" / "a") == "outputs/a"
    assert place(Path("outputs/a")) == "outputs/a"
    assert place(tmp_path.parent) == str(tmp_path.parent)


def test_a_reader_who_has_gone_is_an_error_that_the_command_line_knows() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    console = PlainConsole()
    console.file = Gone()
    with pytest.raises(BrokenPipeError):
        console.print("x")
