"""The page shows every text as text, leads to the runs, and can be moved."""

import json
import re
from pathlib import Path

import pytest
from report_pages import (
    LAYERS,
    SIZE,
    data,
    figures_of,
    grid,
    page,
    started,
    trained,
    without_plotly,
)

from seqsweep.cli import main
from seqsweep.results.report.write import write_report
from seqsweep.results.run_names import readable_names
from seqsweep.runs.documents import write_sealed
from seqsweep.runs.ledger import read_folder
from seqsweep.runs.sweepfile import SweepFile

PAYLOAD = "</script><script>alert(1)</script>"


def test_every_text_is_shown_and_none_is_markup(tmp_path):
    """The check covers values, classes, errors, tracebacks, baselines and commands."""
    trained(tmp_path, {"model.cell": (PAYLOAD, "<b>x</b>")}, 1, 0.5, classes=[PAYLOAD, "<i>c</i>"])
    started(tmp_path, {"model.cell": "ok", "seed": 0}).fail(ValueError(PAYLOAD))
    baseline = {"name": PAYLOAD, "data": {}, "metrics": {"test/acc": 0.5}, "seconds": 1.0}
    write_sealed(tmp_path / "baselines.json", {"baselines": [baseline], "notes": [PAYLOAD]})
    SweepFile(["seqsweep", PAYLOAD], 0.0, {}).write(tmp_path)
    found = page(tmp_path)
    source = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert PAYLOAD not in source
    assert found.text.count(PAYLOAD) >= 6
    ours = ("style", "class")
    assert all(set(ours) & set(attributes) for tag, attributes in found.elements if tag in "bi")
    figures = json.dumps(figures_of(source))
    assert "<b>" not in figures and "&lt;b&gt;x&lt;/b&gt;" in figures


def test_the_page_loads_nothing_from_the_network(tmp_path):
    folder = grid(tmp_path, [8, 16, 32], [1, 2], 3)
    found = page(folder)
    policy = next(a["content"] for _, a in found.elements if a.get("http-equiv"))
    assert policy and policy.startswith("default-src 'none'")
    links = [a.get(name) for _, a in found.elements for name in ("src", "href") if a.get(name)]
    assert all(link and not re.match(r"[a-z]+:|/", link) for link in links)
    source = without_plotly((folder / "report.html").read_text())
    assert not re.search(r"https?://|@import|url\(|fetch\(|XMLHttpRequest|<link", source)


def test_a_report_can_lie_in_another_place(tmp_path, capsys):
    folder = grid(tmp_path / "theirs", [8, 16], [1], 1)
    before = sorted(folder.rglob("*"))
    (tmp_path / "mine").mkdir()
    with pytest.raises(SystemExit, match="0"):
        main(["report", str(folder), "--out", str(tmp_path / "mine/all.html")])
    assert sorted(folder.rglob("*")) == before
    files = {path.name: path.read_text() for path in (tmp_path / "mine").iterdir()}
    assert files.keys() == {"all.html", "all.csv", "all.json"}
    assert 'href="all.csv"' in files["all.html"]
    with pytest.raises(SystemExit, match="2"):
        main(["report", str(folder), "--out", str(tmp_path / "no/all.html")])
    assert "all.html: there is no folder" in capsys.readouterr().err


def test_a_row_has_all_runs_of_its_config_with_the_way_to_them(tmp_path):
    folder = grid(tmp_path, [8, 32], [1], 2)
    best = {SIZE: 32, LAYERS: 1}
    started(folder, best | {"seed": 2}).fail(ValueError(f"no file {tmp_path}/7/a b.npz"))
    trained(folder, [best], 1, {"val/acc": 0.9, "test/acc": 0.8})  # repeats the first
    found = page(folder)
    config = data(folder)["configs"][0]
    runs = config["all_runs"]
    assert [(run["seed"], run["state"]) for run in runs] == [
        (0, "complete"), (0, "complete"), (1, "complete"), (2, "failed"),
    ]  # fmt: skip
    assert {run["run_id"] for run in runs if run["counted"]} == set(config["runs"])
    assert "complete, not counted: a newer run repeats it" in found.text
    assert "failed: ValueError: no file 7/a b.npz" in found.text
    hrefs = {attributes.get("href") for tag, attributes in found.elements if tag == "a"}
    names = readable_names({e.folder.run_id: e.config for e in read_folder(folder)})
    for run in runs:
        assert (folder / run["folder"]).is_dir()
        assert {f"{run['folder']}/", f"{run['folder']}/config.yaml"} <= hrefs
        assert run["name"] == names[run["run_id"]]
        assert "test/acc" not in run["metrics"] or f"{run['metrics']['test/acc']:.4f}" in found.text
    assert runs[0]["command"] == f"seqsweep reproduce {runs[0]['folder']}"
    assert runs[3]["command"] is None
    assert {"report.csv", "report.json"} <= hrefs


def test_a_report_has_no_path_of_the_machine_and_survives_a_move(tmp_path):
    folder = grid(tmp_path / "here", [8, 32], [1], 2)
    run = started(folder, {SIZE: 64, LAYERS: 1, "seed": 0})
    try:
        raise OSError(f"{folder.resolve()}/7/last.ckpt: cannot be read, nor '/home/me/my data.npz'")
    except OSError as error:
        run.fail(error)
    notes = {"baselines": [], "notes": [f"no file {tmp_path}/data.npz"]}
    write_sealed(folder / "baselines.json", notes)
    page(folder)
    moved = tmp_path / "there"
    folder.rename(moved)
    for name in ("report.html", "report.csv", "report.json"):
        text = without_plotly((moved / name).read_text())
        assert "/home/me" not in text and str(tmp_path) not in text
        assert str(Path(__file__).parent) not in text
    (failure,) = data(moved)["failures"]
    assert failure["error"] == "OSError: 7/last.ckpt: cannot be read, nor '…/my data.npz'"
    assert f'File "…/{Path(__file__).name}", line' in failure["traceback"]
    assert all((moved / run["folder"]).is_dir() for run in data(moved)["configs"][0]["all_runs"])


def test_a_report_shows_the_last_command_of_its_folder(tmp_path):
    """A command allows classes of the user's own."""
    config = {"model._target_": "mine.Boom", "optimizer._target_": "seqsweep.training.adam"}
    trained(tmp_path, [config | {SIZE: size} for size in (8, 16, 32)], 1, 0.5)
    write_report(tmp_path)
    ((what, command),) = data(tmp_path)["commands"]
    assert what == "the best run again, compared bit by bit, from the folder of the runs"
    assert command.endswith(" --allow mine.Boom")
    SweepFile(["seqsweep", "train", "-m"], 0.0, {}).write(tmp_path)
    write_report(tmp_path)
    what = "the last command in this folder; complete runs are skipped"
    assert data(tmp_path)["commands"][0] == [what, "seqsweep train -m"]


def test_a_long_page_lists_the_best_configs_and_says_so(tmp_path, monkeypatch):
    folder = grid(tmp_path, [4, 8, 16], [1, 2], 2)
    write_report(folder)
    whole, table = data(folder), (folder / "report.csv").read_text()
    assert "The page lists" not in (folder / "report.html").read_text()
    monkeypatch.setattr("seqsweep.results.findings.MOST_LISTED", 4)
    write_report(folder)
    text = (folder / "report.html").read_text()
    assert "The page lists the best 4 configs with their runs; report.csv has all." in text
    assert text.count('<tbody class="config"') == 4
    assert (folder / "report.csv").read_text() == table
    cut = data(folder)
    assert [len(config["all_runs"]) for config in cut["configs"]] == [2, 2, 2, 2, 0, 0]
    strip = [config | {"all_runs": []} for config in whole["configs"]]
    assert [config | {"all_runs": []} for config in cut["configs"]] == strip
