"""The terminal: what is printed, the facts of the installation, wrong options, the start."""

import gc
import importlib.metadata
import io
import sys

import pytest
from rich.console import Console
from rich.text import Text

from seqsweep import installation
from seqsweep.arguments import Parser, whole_number
from seqsweep.cli import main
from seqsweep.console import PlainConsole, print_lines, say, say_error
from seqsweep.importing import without_collections
from seqsweep.installation import installation_lines


def test_a_path_with_colons_is_printed_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    PlainConsole().print("seqsweep status a:on:b", soft_wrap=True)
    assert capsys.readouterr().out == "seqsweep status a:on:b\n"


def test_a_terminal_breaks_lines_between_words_and_no_command() -> None:
    for terminal, expected in (
        (True, "some words of\na note\n  seqsweep watch outputs/a/b\n"),
        (False, "some words of a note\n  seqsweep watch outputs/a/b\n"),
    ):
        out = io.StringIO()
        console = Console(file=out, width=14, force_terminal=terminal, color_system=None)
        print_lines(console, "some words of a note", "  seqsweep watch outputs/a/b")
        assert "".join(line.rstrip() + "\n" for line in out.getvalue().splitlines()) == expected


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


METADATA = [
    "numpy>=1", "nobody-has-this>=2", 'nothing[all]>=3; extra == "pandas"',
    'pytest; extra == "test"', "pandas>=2; extra == 'pandas'", 'seqsweep[pandas]; extra == "test"',
]  # fmt: skip


def test_versions_engine_cores_and_gpu_are_named() -> None:
    lines = list(installation_lines())
    version = importlib.metadata.version("torch")
    assert lines[0] == f"seqsweep {importlib.metadata.version('seqsweep')}"
    assert any(line.startswith("native engine: ") for line in lines)
    assert any(line.startswith("packages: ") and f"torch {version}" in line for line in lines)
    assert [line.partition(":")[0] for line in lines[-2:]] == ["cores", "GPU"]


def test_a_missing_library_and_missing_packages_are_named_with_the_fix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SEQSWEEP_NATIVE", "off")
    assert "no native engine: SEQSWEEP_NATIVE=off" in list(installation_lines())
    monkeypatch.setattr(installation, "requires", lambda name: METADATA)
    lines = list(installation_lines())
    numpy, pandas = (importlib.metadata.version(name) for name in ("numpy", "pandas"))
    assert {
        f"packages: numpy {numpy}; without nobody-has-this: pip install --force-reinstall seqsweep",
        f"extra pandas: pandas {pandas}; without nothing: pip install 'seqsweep[pandas]'",
    } <= set(lines)
    assert not [line for line in lines if "extra test" in line or "pytest" in line]


def parser() -> Parser:
    made = Parser("leaderboard", "The runs of a folder.")
    made.add_argument("folder", metavar="FOLDER")
    made.add_argument("--top", type=whole_number(1, 99), metavar="N")
    return made


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "FOLDER is missing; usage: seqsweep leaderboard [-h] [--top N] FOLDER"),
        ("a b", "b: one argument too many; usage: seqsweep leaderboard"),
        ("--tp 3 a", "--tp: no such option of seqsweep leaderboard; did you mean '--top'?"),
        ("--top x a", "--top=x: must be a whole number"),
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
    # Options may stand before and after the folder.
    assert parser().parse(["--top", "3", "a"]) == parser().parse(["a", "--top=3"])


def test_only_the_first_import_of_torch_turns_the_garbage_collector_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def enabled_in_block_and_after_it() -> tuple[bool, bool]:
        with without_collections():
            inside = gc.isenabled()
        return inside, gc.isenabled()

    assert enabled_in_block_and_after_it() == (True, True)
    monkeypatch.delitem(sys.modules, "torch")
    gc.unfreeze()
    assert enabled_in_block_and_after_it() == (False, True)
    assert gc.get_freeze_count() > 0
    gc.disable()
    assert enabled_in_block_and_after_it() == (False, False)
    gc.enable()


def test_a_command_that_pauses_the_garbage_collector_turns_it_on_again(tmp_path):
    assert gc.isenabled()
    with pytest.raises(SystemExit, match="2"):
        main(["status", str(tmp_path / "missing")])
    assert gc.isenabled()
