"""The examples of docs/python.md run in order and print what the page shows."""

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

import seqsweep

PAGE = Path(__file__).parents[1] / "docs" / "python.md"
PATTERN = r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?"
BLOCKS = re.findall(PATTERN, PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
"""Pairs of code and its output; the output is "" if the page does not show it."""


def test_each_public_name_has_an_example_on_the_python_page():
    code = "".join(code for code, _ in BLOCKS)
    names = {name for name in seqsweep.__all__ if not name.startswith("__")}
    assert {name for name in names if f"seqsweep.{name}" not in code} == set()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning:lightning")  # its advice on workers and logging
def test_the_examples_of_the_python_page_print_what_it_shows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for number, (code, shown) in enumerate(BLOCKS, start=1):
        with redirect_stdout(StringIO()) as printed:
            exec(compile(code, f"{PAGE.name}, block {number}", "exec"), names)
        if shown:
            assert printed.getvalue() == shown, f"block {number}"
