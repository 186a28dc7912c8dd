"""A file of 1 MB that is one long text is read in steps that grow with its length.

The calls are counted. What no call shows, a pattern that tries a text from each of its places
again, would take hours: after a minute of work an alarm ends it. No other clock counts.
"""

import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
import typed_commands
from typed_commands import Command

from seqsweep.data.aeon_sets import available
from seqsweep.data.checks import label_names
from seqsweep.data.files import config_of
from seqsweep.text import without_machine

MEGABYTE = 1_000_000
COLUMNS = 12_000

command = typed_commands.command


@contextmanager
def few_steps(limit: int) -> Generator[None]:
    """Checks that the block calls few functions, and ends it where it would take hours."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    def end(*_: object) -> None:
        raise AssertionError("a minute of work without an answer")

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, 60)
    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(None)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    assert calls < limit


def rows(*cells: object, count: int = 100) -> list[str]:
    return [",".join([*map(str, cells), "ab"[row % 2]]) for row in range(count)]


def wide() -> str:
    header = [*(f"c{column}" for column in range(COLUMNS)), "label"]
    return "\n".join([",".join(header), *(",".join([*"5" * COLUMNS, label]) for label in "ab")])


LONG = MEGABYTE * "1"
MANY = "\n".join([*rows(1, count=3000), f"1,{LONG}"])
FILES: dict[str, tuple[Callable[[], str], str]] = {
    "blanks.txt": (lambda: "1 2 a\n" * 50 + "1" + " " * MEGABYTE + "2 b\n", "header=false"),
    "label.csv": (lambda: f"x,label\n{MANY}", "the label '111111"),
    "texts.tsv": (lambda: "\n".join([*["a\tb c"] * 3000, f"{LONG}\td"]), "the label '111111"),
    "digits.txt": (lambda: f"{LONG}x\n" * 2, "digits.txt"),
    "columns.csv": (wide, f"{2 * COLUMNS:,}"),
}
"""The content of each file, and a part of what `data info` says of it."""


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_data_info_answers(tmp_path: Path, command: Command, composes_once: None, name: str):
    content, expected = FILES[name]
    (tmp_path / name).write_text(content())
    with few_steps(400 * COLUMNS):
        said = command("data", "info", name)
    assert said.code in (0, 2)
    assert expected in said.out + said.err
    assert len(said.out + said.err) < 5000


def test_a_long_text_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("a,b\n" + "1" * 60_000 + "x,y\n")
    for end in ("TRAIN", "TEST"):
        Path(f"a_{end}.ts").write_text("\n" * 100_000)
    path = f'"{"/" * MEGABYTE}\n'
    with few_steps(MEGABYTE):
        assert len(label_names([f"{LONG}x", "2"])) == 2
        assert [config_of("a.csv") for _ in range(30)] == ["text"] * 30
        assert [available(".") for _ in range(30)] == [[]] * 30
        assert without_machine(path, ".") == path
