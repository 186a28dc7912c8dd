"""Runs of another version are called so, left out of results, and never damaged."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

import seqsweep
from seqsweep.cli import main
from seqsweep.runs.documents import write_sealed
from seqsweep.runs.identity import SEMANTICS, decisive
from seqsweep.runs.sweepfile import NAME

QUICK = ["data=temporal_order", "data.source.num_train=20", "data.source.num_val=10",
         "data.source.num_test=10", "data.batch_size=10", "trainer.max_epochs=1",
         "sweep.report=false"]  # fmt: skip
GRID = ["model.hidden_size=2,3", "sweep.name=mine"]


def make_older(run: Path) -> None:
    """Writes a run as the version before would have: with its own id and consistent digests."""
    config = seqsweep.load_run(run).config
    record: dict[str, Any] = json.loads((run / "record.json").read_text())
    origin = json.loads((run / "provenance.json").read_text())
    identity = decisive(config, record["data_fingerprint"]) | {"semantics": SEMANTICS - 1}
    text = json.dumps(identity, sort_keys=True)
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    del record["semantics"], origin["semantics"]
    origin["packages"]["seqsweep"] = "0.1.0"
    write_sealed(run / "record.json", record | {"run_id": name})
    (run / "provenance.json").write_text(json.dumps(origin))
    run.rename(run.with_name(name))


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A sweep of two runs, one of which is interrupted, trained by the version before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    folder = Path(seqsweep.sweep([*QUICK, *GRID]))
    sweep = json.loads((folder / NAME).read_text())
    for run in sorted(path.parent for path in folder.glob("*/record.json")):
        make_older(run)
    sweep["members"] = {path.parent.name: {} for path in folder.glob("*/record.json")}
    del sweep["semantics"]
    (folder / NAME).write_text(json.dumps(sweep))
    max(folder.glob("*/record.json")).unlink()
    return folder


@pytest.fixture
def said(capsys):
    """Runs a command; returns its exit code and what it printed."""

    def run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out + printed.err

    return run


def test_the_runs_of_another_version_are_counted_and_left_out(folder, said):
    code, text = said("status", str(folder))
    assert code == 0 and "2 runs, 2 of another version" in text and "damaged" not in text
    assert text.count("of another version seqsweep 0.1.0") == 2
    assert "of another version" in said("status", str(folder.parent))[1]
    code, text = said("leaderboard", str(folder))
    assert code == 0
    assert text == "2 runs of another version (seqsweep 0.1.0): not in the table\n"
    for command in ("report", "predict"):
        code, text = said(command, str(folder), *(["x.npz"] if command == "predict" else []))
        assert code == 2 and "has no run of this version; 2 runs of another version" in text


def test_the_same_command_trains_new_runs_beside(folder, said):
    before = {path: path.read_bytes() for path in folder.glob("*/config.yaml")}
    code, text = said("train", "-m", *QUICK, *GRID)
    assert code == 0 and "#" in text
    assert {path: path.read_bytes() for path in before} == before
    assert len(list(folder.glob("*/config.yaml"))) == 4
    assert "4 runs, 2 complete, 2 of another version" in said("status", str(folder))[1]
    code, text = said("leaderboard", str(folder))
    assert code == 0 and "not complete" not in text and " 2  " in text
    assert text.count("of another version") == 1
    assert len(seqsweep.load_sweep(folder)) == 2


def test_clean_deletes_them_only_if_they_are_chosen(folder, said):
    code, text = said("clean", str(folder))
    assert code == 0 and "--other-versions  2 runs, " in text
    assert "--incomplete      nothing" in text
    assert "nothing to delete" in said("clean", str(folder), "--incomplete", "--yes")[1]
    code, text = said("clean", str(folder), "--other-versions")
    assert text.count("of another version") == 2 and "nothing is deleted without --yes" in text
    code, text = said("clean", str(folder), "--other-versions", "--yes")
    assert code == 0 and "deleted: 2 runs" in text
    assert not list(folder.glob("*/config.yaml"))
