"""The examples of docs/estimators.md run in order and print what the page shows."""

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "estimators.md"
PATTERN = r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?"


@pytest.mark.slow
def test_the_examples_of_the_estimators_page_print_what_it_shows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(PATTERN, PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) > 6
    names: dict[str, Any] = {}
    for number, (code, shown) in enumerate(blocks, start=1):
        with redirect_stdout(StringIO()) as printed:
            exec(compile(code, f"{PAGE.name}, block {number}", "exec"), names)
        if shown:
            assert printed.getvalue() == shown, f"block {number}"


def test_the_page_lists_the_failures_that_the_tests_expect():
    text = PAGE.read_text(encoding="utf-8")
    source = (Path(__file__).parent / "sklearn" / "test_classifier.py").read_text(encoding="utf-8")
    (expected,) = re.findall(r"^EXPECTED = \{(.*?)^\}", source, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"\| `(check_\w+)` \|", text)) == set(
        re.findall(r'"(check_\w+)":', expected)
    )


@pytest.mark.parametrize("name", ["RecurrentClassifier", "SeqsweepClassifier"])
def test_the_page_names_each_argument(name):
    from seqsweep.sklearn import RecurrentClassifier

    text = PAGE.read_text(encoding="utf-8")
    assert name in text
    missing = [name for name in RecurrentClassifier().get_params() if f"`{name}" not in text]
    assert missing == []
