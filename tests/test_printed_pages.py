"""The examples of docs/python.md print what it shows; the guide, and the notebook's cells."""

import json
import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import matplotlib
import pytest

import seqsweep
from seqsweep.cli import main

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "python.md"
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
@pytest.mark.filterwarnings("ignore:.*LeafSpec.*is deprecated")  # within Lightning
@pytest.mark.durability
@pytest.mark.parametrize("part", [0, 1])
def test_the_examples_of_the_page_run_in_order_and_print_what_it_shows(part, tmp_path, monkeypatch):
    """The section on aeon alone imports aeon, which takes long."""
    monkeypatch.chdir(tmp_path)
    blocks = blocks_of(sections()[part])
    assert len(blocks) > (10, 0)[part]
    names: dict[str, Any] = {}
    for number, (code, shown) in enumerate(blocks, start=1):
        with redirect_stdout(StringIO()) as printed:
            exec(compile(code, f"python.md, block {number}", "exec"), names)
        if shown:
            assert printed.getvalue() == shown, f"block {number}"


def test_the_page_has_each_public_name_argument_and_expected_failure():
    from seqsweep.sklearn import RecurrentClassifier

    text = PAGE.read_text(encoding="utf-8")
    code = "".join(code for code, _ in blocks_of(sections()[0]))
    public = [f"seqsweep.{name}" for name in seqsweep.__all__ if not name.startswith("__")]
    assert [name for name in public if name not in code] == []
    arguments = [f"`{name}" for name in RecurrentClassifier().get_params()]
    estimators = ["RecurrentClassifier", "RecurrentClassifierCV", "SeqsweepClassifier"]
    assert [name for name in (*arguments, *estimators) if name not in text] == []
    tests = (Path(__file__).parent / "sklearn" / "test_classifier.py").read_text(encoding="utf-8")
    (expected,) = re.findall(r"^EXPECTED = \{(.*?)^\}", tests, re.MULTILINE | re.DOTALL)
    listed = {*re.findall(r"`(check_\w+)`", text)} - {"check_estimator"}
    assert listed == set(re.findall(r'"(check_\w+)":', expected))


NOTEBOOK = PAGE.with_name("analysis.ipynb")


def cells() -> list[dict[str, Any]]:
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


def test_the_notebook_is_small_and_holds_results_without_errors():
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (content["nbformat"], content["nbformat_minor"] >= 5) == (4, True)
    names = [cell["id"] for cell in cells()]
    assert len(set(names)) == len(names)
    outputs = [output for cell in cells() for output in cell.get("outputs", [])]
    kinds = {kind for output in outputs for kind in output.get("data", ())}
    assert {"text/plain", "image/png"} <= kinds
    assert {o["output_type"] for o in outputs} <= {"stream", "display_data", "execute_result"}
    assert not any(output.get("name") == "stderr" for output in outputs)
    assert NOTEBOOK.stat().st_size < 150_000


@pytest.mark.durability
@pytest.mark.slow  # the notebook trains twelve runs and draws them
@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
def test_every_cell_of_the_notebook_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    names: dict[str, Any] = {}
    code = ["".join(cell["source"]) for cell in cells() if cell["cell_type"] == "code"]
    for number, source in enumerate(code, start=1):
        exec(compile(source, f"{NOTEBOOK.name}, code cell {number}", "exec"), names)
    runs, differences = names["runs"], names["differences"]
    assert len(runs) == 12 and set(runs["state"]) == {"complete"}
    assert len(names["curves"]) == runs["epochs"].sum()
    assert list(differences["verdict"]) == ["best", *["undecided"] * 3]
    best = runs.groupby(names["keys"])["val/acc"].mean().idxmax()
    assert differences.index[0] == best
    names["plt"].close("all")


def test_the_guide_is_one_page_whose_words_are_those_of_the_json(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["guide"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    page = (ROOT / "llms.txt").read_text(encoding="utf-8")
    assert text == re.sub("<!--.*-->\n", "", page)
    assert len(re.findall(r"^\$ seqsweep", text, re.MULTILINE)) == 8
    assert len(re.findall(r"^\d+\. ", text.partition("## Twelve pitfalls")[2], re.MULTILINE)) == 12
    schema = json.loads((ROOT / "docs" / "schema.json").read_text(encoding="utf-8"))
    meaning = text.partition('## What "significant"')[2].partition("**How many")[0]
    verdicts = schema["$defs"]["config"]["properties"]["verdict"]["enum"]
    assert {*re.findall("`(.*?)`", meaning), "best"} == set(verdicts)
