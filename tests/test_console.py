"""What is printed is what was meant, and a reader who goes is no failure of ours."""

import io

import pytest

from seqsweep.console import PlainConsole


def test_a_path_with_colons_stays_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    PlainConsole().print("seqsweep status a:on:b", soft_wrap=True)
    assert capsys.readouterr().out == "seqsweep status a:on:b\n"


def test_a_reader_who_has_gone_is_an_error_that_the_command_line_knows() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    console = PlainConsole()
    console.file = Gone()
    with pytest.raises(BrokenPipeError):
        console.print("x")
