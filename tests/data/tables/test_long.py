"""A file of 1 MB that is one long text is read in steps that grow with its length.

No clock decides: each program may use as many seconds of a processor as quadratic work would exceed
a hundred times.
"""

import resource
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

MEGABYTE = 1_000_000
SECONDS = 60


def rows(*cells: object, count: int = 100) -> list[str]:
    return [",".join([*map(str, cells), "ab"[row % 2]]) for row in range(count)]


def wide(names: str) -> str:
    """A table of 100,000 columns."""
    header = [*(f"c{column}" for column in range(100_000)), names]
    return "\n".join([",".join(header), *(",".join([*"5" * 100_000, label]) for label in "ab")])


LONG = MEGABYTE * "1"
MANY = "\n".join([*rows(1, count=3000), f"1,{LONG}"])
FILES: dict[str, tuple[Callable[[], str], str]] = {
    "blanks.txt": (lambda: "1 2 a\n" * 50 + "1" + " " * MEGABYTE + "2 b\n", "header=false"),
    "tabs.txt": (lambda: "1 2 a\n" * 50 + "\t" * MEGABYTE + "1 2 b\n", "header=false"),
    "label.csv": (lambda: f"x,label\n{MANY}", "the label '111111"),
    "number.csv": (lambda: f"x,label\n{MANY}x", "the label '111111"),
    "id.csv": (lambda: "x,id,label\n" + "\n".join([*(f"1,{i},a" for i in range(3000)),
                                                   f"1,{LONG},b"]), "the id '111111"),
    "texts.csv": (lambda: f"text,label\n{MANY}", "the label '111111"),
    "texts.tsv": (lambda: "\n".join([*["a\tb c"] * 3000, f"{LONG}\td"]), "the label '111111"),
    "digits.txt": (lambda: f"{LONG}x\n" * 2, "digits.txt"),
    "columns.csv": (lambda: wide("label"), "200,000"),
    "unnamed.csv": (lambda: wide("of"), "data.source"),
}  # fmt: skip
"""The content of each file, and a part of what `data info` says of it."""


def run(code: str, *arguments: str, folder: Path) -> str:
    """Returns what a Python program prints, if it needs no more than SECONDS of a processor."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        preexec_fn=partial(resource.setrlimit, resource.RLIMIT_CPU, (SECONDS, SECONDS)),
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 2), (done.returncode, done.stderr[-1000:])
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_data_info_answers(tmp_path: Path, name: str) -> None:
    content, expected = FILES[name]
    (tmp_path / name).write_text(content())
    code = "from seqsweep.cli import main; main()"
    text = run(code, "data", "info", name, folder=tmp_path)
    assert expected in text
    assert len(text) < 5000


PARTS = {
    "class names": "from seqsweep.data.checks import label_names\n"
    f"assert len(label_names(['1' * {MEGABYTE} + 'x', '2'])) == 2",
    "kind of file": "from seqsweep.data.files import config_of\n"
    "open('a.csv', 'w').write('a,b\\n' + '1' * 60_000 + 'x,y\\n')\n"
    "for _ in range(30): assert config_of('a.csv') == 'text'",
    "headers of .ts": "from seqsweep.data.aeon_sets import available\n"
    "for end in ('TRAIN', 'TEST'): open(f'a_{end}.ts', 'w').write('\\n' * 100_000)\n"
    "for _ in range(30): assert available('.') == []",
    "paths in messages": "from seqsweep.results.formatting import without_machine\n"
    f"text = chr(34) + '/' * {MEGABYTE} + chr(10)\n"
    "assert without_machine(text, '.') == text",
}


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_a_long_text_is_read_once(tmp_path: Path, part: str) -> None:
    run(PARTS[part], folder=tmp_path)
