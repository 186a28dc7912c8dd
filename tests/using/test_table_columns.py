"""New data are read by the columns of the run's own table, not by a guess."""

from pathlib import Path

import numpy as np
import pytest

import seqsweep

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
def predicted(command, tmp_path):
    """Runs `seqsweep predict RUN ARGUMENTS`, where the run has read train.csv."""
    write(tmp_path / "train.csv", "id,time,x,y,kind", True)
    source = ("data=csv", "data.source.path=train.csv", "data.source.label=kind")
    record = seqsweep.train(seqsweep.compose([*source, *RUN]))
    return lambda *arguments: command("predict", record["folder"], *arguments)


def test_a_column_called_y_is_a_feature_where_the_run_has_such_a_channel(predicted, tmp_path):
    write(tmp_path / "new.csv", "id,time,x,y", False)
    code, out, said = predicted("new.csv")
    rows = out.splitlines()
    assert code == 0 and rows[0] == "id,prediction,p_a,p_b" and len(rows) == 25
    assert "features=x,y" in said and "label" not in said
    # The labels change no prediction, nor do columns that the training data did not have.
    code, labelled, _ = predicted("train.csv")
    assert code == 0
    assert [row.rpartition(",")[0] for row in labelled.splitlines()[1:]] == rows[1:]
    write(tmp_path / "more.csv", "id,time,x,y,camera", False, extra=",3")
    assert predicted("more.csv").out == out


def test_one_step_a_sequence_is_still_long_form(predicted, tmp_path):
    (tmp_path / "short.csv").write_text("id,x,y\na,0.5,1\nb,-1,2\n")
    code, out, _ = predicted("short.csv")
    assert code == 0 and [row[0] for row in out.splitlines()[1:]] == ["a", "b"]
