"""The examples of docs/python.md print what the page shows."""

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

import seqsweep

PAGE = Path(__file__).parents[1] / "docs" / "python.md"
PATTERN = r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?"


def sections() -> tuple[str, str]:
    """Returns the text of the page up to its section on aeon, and this section."""
    before, _, aeon = PAGE.read_text(encoding="utf-8").partition("\n## aeon\n")
    return before, aeon


def blocks_of(text: str) -> list[tuple[str, str]]:
    """Returns pairs of code and its output, which is "" if the page does not show it."""
    return re.findall(PATTERN, text, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning:lightning")  # its advice on workers and logging
@pytest.mark.durability
@pytest.mark.parametrize("part", [0, 1])
def test_the_examples_of_the_page_run_in_order_and_print_what_it_shows(part, tmp_path, monkeypatch):
    """Only the section on aeon imports aeon, which takes long."""
    monkeypatch.chdir(tmp_path)
    blocks = blocks_of(sections()[part])
    assert len(blocks) > (10, 0)[part]
    names: dict[str, Any] = {}
    for number, (code, shown) in enumerate(blocks, start=1):
        with redirect_stdout(StringIO()) as printed:
            exec(compile(code, f"python.md, block {number}", "exec"), names)
        if shown:
            assert printed.getvalue() == shown, f"block {number}"


def test_each_public_name_has_an_example_on_the_python_page():
    code = "".join(code for code, _ in blocks_of(sections()[0]))
    names = {name for name in seqsweep.__all__ if not name.startswith("__")}
    assert {name for name in names if f"seqsweep.{name}" not in code} == set()


def test_the_page_lists_the_failures_that_the_tests_expect():
    text = PAGE.read_text(encoding="utf-8")
    source = (Path(__file__).parent / "sklearn" / "test_classifier.py").read_text(encoding="utf-8")
    (expected,) = re.findall(r"^EXPECTED = \{(.*?)^\}", source, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"\| `(check_\w+)` \|", text)) == set(
        re.findall(r'"(check_\w+)":', expected)
    )


def test_the_page_names_each_estimator_and_each_argument():
    from seqsweep.sklearn import RecurrentClassifier

    text = PAGE.read_text(encoding="utf-8")
    for name in ("RecurrentClassifier", "RecurrentClassifierCV", "SeqsweepClassifier"):
        assert name in text
    missing = [name for name in RecurrentClassifier().get_params() if f"`{name}" not in text]
    assert missing == []
