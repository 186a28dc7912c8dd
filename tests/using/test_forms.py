"""Equal sequences give equal predictions in every form; transforms travel with a run."""

import csv
import json
import shlex
from pathlib import Path

import numpy as np
import pandas
import pyarrow.csv
import pyarrow.parquet
import pytest
import torch

import seqsweep

pytestmark = pytest.mark.slow


@pytest.fixture
def forms(command, trained, tmp_path):
    """The test sequences as npz, csv, parquet and ts, in the current folder."""
    x, y, lengths = trained.test_data()
    np.savez(tmp_path / "data.npz", X=x, y=y, lengths=lengths, channel_names=trained.channels)
    with (tmp_path / "data.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "step", *trained.channels, "label"])
        for n, (row, label, length) in enumerate(zip(x, y, lengths, strict=True)):
            writer.writerows([n, t, *map(repr, row[t].tolist()), label] for t in range(length))
    pyarrow.parquet.write_table(pyarrow.csv.read_csv("data.csv"), "data.parquet")
    cases = [
        ":".join(",".join(map(repr, channel.tolist())) for channel in row[:length].T) + f":{label}"
        for row, label, length in zip(x, y, lengths, strict=True)
    ]
    header = "@dimensions 2\n@classLabel true still rise fall\n@data\n"
    (tmp_path / "data.ts").write_text(header + "\n".join(cases))
    return ["data.csv", "data.parquet", "data.ts"]


def test_every_form_gives_the_same_predictions(command, trained, forms):
    expected = command("predict", trained.run, "data.npz").out
    assert len(expected.splitlines()) == 46
    for form in forms:
        done = command("predict", trained.run, form)
        assert done.out == expected, (form, done.err)
    x, y, lengths = trained.test_data()
    np.savez("turned.npz", X=x.swapaxes(1, 2), y=y, lengths=lengths)
    done = command("predict", trained.run, "turned.npz", "layout=channels_first")
    assert done.out == expected
    # Labels are not needed for predictions.
    pandas.read_parquet("data.parquet").drop(columns="label").to_csv("new.csv", index=False)
    plain = command("predict", trained.run, "new.csv").out.splitlines()
    assert plain == [line.rpartition(",")[0] for line in expected.splitlines()]
    assert command("evaluate", trained.run, "new.csv").code == 2


def test_a_transform_goes_with_the_bundle(command, trained, forms, tmp_path):
    record = seqsweep.train(
        seqsweep.compose(
            [
                "data=npz", f"data.source.path={trained.folder}/train.npz", "trainer.max_epochs=2",
                "data.transform.truncate=7", "data.transform.frame=2", "data.missing=mean",
                "data.transform.impute=all", "data.transform.jitter=0.1",
                "data.transform.time_mask=1", "diagnostics=false", f"output_dir={tmp_path}/out",
            ]
        )
    )  # fmt: skip
    folder = record["folder"]
    assert command("bundle", folder, "--out", "framed.zip").code == 0
    run, bundled = seqsweep.load_run(folder), seqsweep.load_run("framed.zip")
    x, _, lengths = trained.test_data()
    x[3, 1, 0] = np.nan
    assert run.source_channels == trained.channels and len(run.channel_names) == 8
    for one, other in zip(run.prepare(x, lengths), bundled.prepare(x, lengths), strict=True):
        assert torch.equal(one, other)
    with pytest.raises(ValueError, match="x: expected 2 channels, got 8"):
        run.prepare(run.prepare(x, lengths).x)
    assert command("predict", "framed.zip", "data.csv").out == (
        command("predict", folder, "data.npz").out
    )
    content = command("evaluate", folder, "--resamples", "0").out
    assert f"accuracy           {record['metrics']['test/acc']:.4f}" in content


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


def test_a_column_called_y_is_a_feature_where_the_run_has_such_a_channel(command, tmp_path):
    """New data are read by the columns of the run's own table, not by a guess."""
    write(tmp_path / "train.csv", "id,time,x,y,kind", True)
    source = ("data=csv", "data.source.path=train.csv", "data.source.label=kind")
    record = seqsweep.train(seqsweep.compose([*source, *RUN]))

    def predicted(name):
        return command("predict", record["folder"], name)

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


def spreadsheet(labelled: bool) -> str:
    """A title, a running number, two columns that name a recording, a channel of words, a sum."""
    rng = np.random.default_rng(0)
    end = ",Grade" * labelled
    lines = ["Oven 3,,,,," + "," * labelled, f"No,Machine,Run,Second,Temp,Open{end}"]
    for n in range(96):
        grade = n // 4 % 2
        temp = rng.normal(grade, 1)
        grades = f",{'ab'[grade]}" * labelled
        lines.append(f"{n + 1},M{n // 16},{n // 4 % 4},{n % 4},{temp:.3f},{temp > 0}{grades}")
    return "\n".join([*lines, "Sum,,,,7," + "," * labelled, ""])


def test_a_spreadsheet_comes_to_predictions_without_an_edit(command, tmp_path):
    for name, labelled in (("train.csv", True), ("new.csv", False)):
        (tmp_path / name).write_text(spreadsheet(labelled))
    code, out, _ = command("data", "info", "train.csv")
    notes, proposed = out.rpartition("duplicates: none\n")[2].strip().split("\n\n")
    assert code == 0 and len(notes.splitlines()) == 6
    assert "read with label=Grade id=[Machine,Run] step=Second totals=drop\n" in notes
    assert command("data", "info", "train.csv", "totals=keep").code == 2
    # The message of `train FILE` is the same command.
    refused = command("explain", "train.csv").err
    assert refused.endswith(proposed.replace("seqsweep train ", "seqsweep explain ") + "\n")
    record = seqsweep.train(seqsweep.compose([*shlex.split(proposed)[2:], *RUN]))
    assert command("bundle", record["folder"], "--out", "b.zip").code == 0
    for run in (record["folder"], "b.zip"):
        rows = command("predict", run, "new.csv").out.splitlines()
        assert rows[0] == "Machine,Run,prediction,p_a,p_b" and len(rows) == 25
        assert [row.split(",")[:2] for row in rows[4:6]] == [["M0", "3"], ["M1", "0"]]
    by_number = command("predict", "b.zip", "new.csv", "id=No", "step=none").out.splitlines()
    assert by_number[1].startswith("1,") and len(by_number) == 97
    (line, *_) = command("predict", "b.zip", "new.csv", "--format", "jsonl").out.splitlines()
    assert [*json.loads(line)] == rows[0].split(",")
    assert command("predict", "b.zip", "new.csv", "--out", "p.parquet").code == 0
    assert pyarrow.parquet.read_table("p.parquet").column_names == rows[0].split(",")
    message = command("evaluate", "b.zip", "new.csv").err
    assert "columns: No, Machine, Run, Second, Temp, Open; predict needs no labels" in message


def write_folder(folder: Path, name: str) -> None:
    """Writes 24 recordings of two persons and classes; `name` has the place of each."""
    for index in range(24):
        path = folder / name.format(person=index % 4 // 2, kind="ab"[index % 2], index=index)
        path.parent.mkdir(parents=True, exist_ok=True)
        values = np.random.default_rng(index).normal(index % 2, 1, (3 + index % 5, 2))
        path.write_text("\n".join(["x,y", *(f"{x:.3f},{y:.3f}" for x, y in values)]))


def test_a_run_that_was_trained_on_a_folder_takes_folders(command, tmp_path, monkeypatch):
    write_folder(tmp_path / "train", "{person}/{kind}/{index:02}.csv")
    source = ("data=csv", "data.source.path=train", "data.source.pattern={group}/{label}/*.csv")
    fractions = ("data.val_fraction=0.5", "data.test_fraction=0")
    record = seqsweep.train(seqsweep.compose([*source, *fractions, *RUN]))
    folder = Path(record["folder"]).absolute()

    def predicted(name, *options):
        done = command("predict", folder, name, *options)
        assert done.code == 0, done.err
        return [row.split(",") for row in done.out.splitlines()], done.err

    _, said = predicted("train")
    assert "24 files as {group}/{label}/*.csv" in said and "was trained on this folder" in said
    # New recordings need no folders of groups, and no classes; their folders may be others.
    write_folder(tmp_path / "classes", "{kind}/{index:02}.csv")
    labelled, said = predicted("classes")
    assert labelled[0][-1] == "label" and "accuracy" in said
    write_folder(tmp_path / "new", "day{person}/{index:02}.csv")
    rows, said = predicted("new")
    assert rows[0] == ["id", "prediction", "p_a", "p_b"] and rows[1][0] == "day0/00.csv"
    assert sorted(row[1:4] for row in rows) == sorted(row[1:4] for row in labelled)
    rows, said = predicted("new", "pattern=day{label}/*")
    assert rows[1][-1] == "0" and "accuracy 0.0000" in said
    assert "has label 'day0'" in command("evaluate", folder, "new").err
    # The run finds its folder from other places, and sees that one of the files is another.
    monkeypatch.chdir("new")
    assert command("evaluate", folder, "--split", "val").code == 0
    file = tmp_path / "train/0/a/00.csv"
    file.write_text(file.read_text() + "\n0.5,0.5")
    changed = command("evaluate", folder, "--split", "val")
    assert changed.code == 2 and "have changed since the run was trained" in changed.err
