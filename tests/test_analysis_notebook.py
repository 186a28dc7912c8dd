"""Every cell of docs/analysis.ipynb runs, and its tables show the sweep."""

import json
from pathlib import Path
from typing import Any

import matplotlib
import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "analysis.ipynb"


def cells() -> list[dict[str, Any]]:
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


def code() -> list[str]:
    return ["".join(cell["source"]) for cell in cells() if cell["cell_type"] == "code"]


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
    for number, source in enumerate(code(), start=1):
        exec(compile(source, f"{NOTEBOOK.name}, code cell {number}", "exec"), names)
    runs, differences = names["runs"], names["differences"]
    assert len(runs) == 12 and set(runs["state"]) == {"complete"}
    assert len(names["curves"]) == runs["epochs"].sum()
    assert list(differences["verdict"]) == ["best", *["undecided"] * 3]
    best = runs.groupby(names["keys"])["val/acc"].mean().idxmax()
    assert differences.index[0] == best
    names["plt"].close("all")
