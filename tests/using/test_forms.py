"""The same sequences give the same predictions in every form; transforms travel with a run."""

import csv

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
import torch

import seqsweep


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
    table = pyarrow.csv.read_csv(tmp_path / "data.csv")
    pyarrow.parquet.write_table(table, tmp_path / "data.parquet")
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


def test_a_csv_file_needs_no_labels_for_predictions(command, trained, forms, tmp_path):
    table = pyarrow.parquet.read_table("data.parquet").drop_columns(["label"])
    pyarrow.csv.write_csv(table, tmp_path / "new.csv")
    expected = command("predict", trained.run, "data.npz").out.splitlines()
    done = command("predict", trained.run, "new.csv")
    assert done.out.splitlines() == [line.rpartition(",")[0] for line in expected]
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
    assert command("bundle", folder, "framed.zip").code == 0
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
