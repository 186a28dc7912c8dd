"""New data are read by the columns of the run's own table, not by a guess."""

from pathlib import Path

import numpy as np
import pytest

import seqsweep
from seqsweep.cli import main

RUN = (
    "data.batch_size=4", "model.hidden_size=4", "trainer.max_epochs=2", "trainer.accelerator=cpu",
    "trainer.progress_bar=false", "diagnostics=false",
)  # fmt: skip


def write(path: Path, header: str, labelled: bool, extra: str = "") -> None:
    """Writes 24 sequences of 3 to 6 steps; the second feature is called y, like many labels."""
    rng = np.random.default_rng(0)
    lines = [header]
    for index in range(24):
        label = f",{'ab'[index % 2]}" if labelled else ""
        for step in range(3 + index % 4):
            x, y = rng.normal(index % 2, 1, 2)
            lines.append(f"s{index},{step},{x:.3f},{y:.3f}{label}{extra}")
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "train.csv", "id,time,x,y,kind", True)
    source = ("data=csv", "data.source.path=train.csv", "data.source.label=kind")
    record = seqsweep.train(seqsweep.compose([*source, *RUN]))
    capsys.readouterr()
    return record["folder"]


def predicted(run, capsys, *arguments: str) -> tuple[int, list[str], str]:
    with pytest.raises(SystemExit) as ended:
        main(["predict", run, *arguments])
    printed = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, printed.out.splitlines(), printed.err


def test_a_column_called_y_is_a_feature_where_the_run_has_such_a_channel(run, tmp_path, capsys):
    write(tmp_path / "new.csv", "id,time,x,y", False)
    code, rows, said = predicted(run, capsys, "new.csv")
    assert code == 0 and rows[0] == "id,prediction,p_a,p_b" and len(rows) == 25
    assert "features=x,y" in said and "label" not in said
    # The labels change no prediction, nor do columns that the training data did not have.
    code, labelled, _ = predicted(run, capsys, "train.csv")
    assert code == 0 and [row.rpartition(",")[0] for row in labelled[1:]] == rows[1:]
    write(tmp_path / "more.csv", "id,time,x,y,camera", False, extra=",3")
    assert predicted(run, capsys, "more.csv")[1] == rows


def test_one_step_a_sequence_is_still_long_form(run, tmp_path, capsys):
    (tmp_path / "short.csv").write_text("id,x,y\na,0.5,1\nb,-1,2\n")
    code, rows, _ = predicted(run, capsys, "short.csv")
    assert code == 0 and [row[0] for row in rows[1:]] == ["a", "b"]
