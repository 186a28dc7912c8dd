"""A wrong option of a command gives one line with the nearest right name."""

import pytest

from seqsweep.arguments import Parser, whole_number


def parser() -> Parser:
    made = Parser("leaderboard", "The runs of a folder.")
    made.add_argument("folder", metavar="FOLDER")
    made.add_argument("--top", type=whole_number(1, 99), metavar="N")
    return made


def test_options_may_stand_before_and_after_the_folder():
    assert parser().parse(["--top", "3", "a"]) == parser().parse(["a", "--top=3"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "FOLDER is missing; usage: seqsweep leaderboard [-h] [--top N] FOLDER"),
        ("a b", "b: one argument too many; usage: seqsweep leaderboard"),
        ("--tp 3 a", "--tp: no such option of seqsweep leaderboard; did you mean '--top'?"),
        ("a --to=3", "--to: no such option of seqsweep leaderboard; did you mean '--top'?"),
        ("--top x a", "--top=x: must be a whole number"),
        ("--top 0 a", "--top=0: must be at least 1"),
        ("--top 100 a", "--top=100: must be at most 99"),
        (f"--top {'9' * 5000} a", f"--top={'9' * 5000}: must be at most 99"),
        ("a --top", "--top: expected one argument"),
    ],
)
def test_a_wrong_argument_gives_an_error_of_one_line(
    capsys: pytest.CaptureFixture[str], arguments: str, message: str
):
    with pytest.raises(SystemExit) as ended:
        parser().parse(arguments.split())
    printed = capsys.readouterr()
    assert ended.value.code == 2
    assert printed.out == ""
    assert printed.err.startswith(f"seqsweep: {message}")
    assert printed.err.count("\n") == 1
