"""The examples of docs/python.md and docs/estimators.md print what the pages show."""

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

import seqsweep

DOCS = Path(__file__).parents[1] / "docs"
PATTERN = r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?"


def blocks_of(page: str) -> list[tuple[str, str]]:
    """Returns pairs of code and its output, which is "" if the page does not show it."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(PATTERN, text, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning:lightning")  # its advice on workers and logging
@pytest.mark.parametrize(
    "page", ["python.md", pytest.param("estimators.md", marks=pytest.mark.durability)]
)
def test_the_examples_of_a_page_run_in_order_and_print_what_it_shows(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = blocks_of(page)
    assert len(blocks) > 6
    names: dict[str, Any] = {}
    for number, (code, shown) in enumerate(blocks, start=1):
        with redirect_stdout(StringIO()) as printed:
            exec(compile(code, f"{page}, block {number}", "exec"), names)
        if shown:
            assert printed.getvalue() == shown, f"block {number}"


def test_each_public_name_has_an_example_on_the_python_page():
    code = "".join(code for code, _ in blocks_of("python.md"))
    names = {name for name in seqsweep.__all__ if not name.startswith("__")}
    assert {name for name in names if f"seqsweep.{name}" not in code} == set()


def test_the_estimators_page_lists_the_failures_that_the_tests_expect():
    text = (DOCS / "estimators.md").read_text(encoding="utf-8")
    source = (Path(__file__).parent / "sklearn" / "test_classifier.py").read_text(encoding="utf-8")
    (expected,) = re.findall(r"^EXPECTED = \{(.*?)^\}", source, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"\| `(check_\w+)` \|", text)) == set(
        re.findall(r'"(check_\w+)":', expected)
    )


def test_the_estimators_page_names_both_classes_and_each_argument():
    from seqsweep.sklearn import RecurrentClassifier

    text = (DOCS / "estimators.md").read_text(encoding="utf-8")
    assert "RecurrentClassifier" in text and "SeqsweepClassifier" in text
    missing = [name for name in RecurrentClassifier().get_params() if f"`{name}" not in text]
    assert missing == []
