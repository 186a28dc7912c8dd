"""Runs of another version are called so, left out of results, and never damaged."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from run_files import SMALL

import seqsweep
from seqsweep.runs.documents import write_sealed
from seqsweep.runs.identity import SEMANTICS, decisive
from seqsweep.runs.provenance import version
from seqsweep.runs.sweepfile import NAME

QUICK = [*SMALL, "trainer.max_epochs=1", "sweep.report=false"]
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
def folder(output_of) -> Path:
    """A sweep of two runs, one of which is interrupted, trained by the version before."""
    folder = Path(seqsweep.sweep([*QUICK, *GRID]))
    sweep = json.loads((folder / NAME).read_text())
    for run in sorted(path.parent for path in folder.glob("*/record.json")):
        make_older(run)
    sweep["members"] = {path.parent.name: {} for path in folder.glob("*/record.json")}
    del sweep["semantics"]
    (folder / NAME).write_text(json.dumps(sweep))
    max(folder.glob("*/record.json")).unlink()
    return folder


@pytest.mark.slow
def test_runs_of_another_version_are_counted_and_left_out_and_new_ones_stand_beside(
    folder, output_of
):
    code, text = output_of("status", str(folder))
    assert code == 0 and "2 runs, 2 of another version" in text and "damaged" not in text
    assert text.count("of another version seqsweep 0.1.0") == 2
    assert "of another version" in output_of("status", str(folder.parent))[1]
    other = "2 runs of another version (seqsweep 0.1.0): not in the table\n"
    assert output_of("leaderboard", str(folder)) == (0, other)
    for command in (["report", str(folder)], ["predict", str(folder), "x.npz"]):
        code, text = output_of(*command)
        assert code == 2 and "has no run of this version; 2 runs of another version" in text
    # The version number of a development version stays when results change.
    for path in folder.glob("*/provenance.json"):
        origin = json.loads(path.read_text())
        origin["packages"]["seqsweep"] = version()
        path.write_text(json.dumps(origin | {"semantics": 4}))
    same = f"2 runs of another version (seqsweep {version()} with semantics 4, now {SEMANTICS})"
    assert same in output_of("leaderboard", str(folder))[1]
    # The same command trains new runs beside them.
    before = {path: path.read_bytes() for path in folder.glob("*/config.yaml")}
    code, text = output_of("train", "-m", *QUICK, *GRID)
    assert code == 0 and "#" in text
    assert {path: path.read_bytes() for path in before} == before
    assert "4 runs, 2 complete, 2 of another version" in output_of("status", str(folder))[1]
    code, text = output_of("leaderboard", str(folder))
    assert code == 0 and "not complete" not in text and " 2  " in text
    assert text.count("of another version") == 1
    assert len(seqsweep.load_sweep(folder)) == 2
    # `clean` deletes them only if they are chosen.
    code, text = output_of("clean", str(folder))
    assert code == 0 and "--other-versions  2 runs, " in text
    assert "--incomplete      nothing" in text
    code, text = output_of("clean", str(folder), "--other-versions")
    assert text.count("of another version") == 2 and "nothing is deleted without --yes" in text
    code, text = output_of("clean", str(folder), "--other-versions", "--yes")
    assert code == 0 and "deleted: 2 runs" in text
    assert not before.keys() & set(folder.glob("*/config.yaml"))
