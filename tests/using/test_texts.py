"""A run on texts is used like any other: predict, evaluate and bundle take files of texts."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import seqsweep
from seqsweep.data.vocabulary import Vocabulary, encoded

NEW = ["it was good", "so it was bad", "a one good"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the columns `review` and `mood` of a csv file that is no longer there."""
    root = tmp_path_factory.mktemp("texts")
    rng = np.random.default_rng(0)
    with open(root / "reviews.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["review", "mood"])
        for label in ["good", "bad"] * 60:
            others = rng.choice(["it", "was", "so", "a", "one"], rng.integers(1, 5))
            table.writerow([" ".join([*others, label]), label])
    source = {"path": root / "reviews.csv", "text_column": "review", "label_column": "mood",
              "tokens": "words"}  # fmt: skip
    config = seqsweep.compose([
        "data=text", *(f"data.source.{key}={value}" for key, value in source.items()),
        "model.embedding_dim=6", "model.hidden_size=8", "trainer.max_epochs=25",
        "trainer.accelerator=cpu", "logger=none", "diagnostics=false", f"output_dir={root}/outputs",
    ])  # fmt: skip
    record = seqsweep.train(config)
    assert record["metrics"]["test/acc"] == 1
    (root / "reviews.csv").unlink()
    return Path(record["folder"])


@pytest.fixture
def new(tmp_path: Path) -> Path:
    path = tmp_path / "new.csv"
    path.write_text("review\n" + "".join(f"{text}\n" for text in NEW))
    return path


@pytest.mark.slow
def test_predict_reads_the_columns_of_the_training_file(command, folder, new):
    rows = list(csv.DictReader(command("predict", folder, new).out.splitlines()))
    assert [row["prediction"] for row in rows] == ["good", "bad", "good"]
    expected = seqsweep.load_run(folder).predict_proba(NEW)
    found = [[float(row["p_bad"]), float(row["p_good"])] for row in rows]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_checkpoint_alone_reads_lists_of_texts(folder, tmp_path):
    shutil.copy(folder / "checkpoints" / "best.ckpt", tmp_path / "mine.ckpt")
    run = seqsweep.load_run(tmp_path / "mine.ckpt")
    assert run.predict(NEW).tolist() == ["good", "bad", "good"]
    # Words that train does not have are read as in training.
    assert run.prepare(["It never-seen was"]).x[0, :, 0].tolist()[1:4] == [1, 1, 1]
    alone, whole = (run.network(*run.prepare(texts)) for texts in (NEW[:1], NEW))
    torch.testing.assert_close(alone, whole[:1])
    with pytest.raises(TypeError, match=r"^x: must be a list of texts"):
        run.prepare("good")
    with pytest.raises(ValueError, match=r"^x\[1\]: ' ' has no words"):
        run.prepare(["good", " "])
    with pytest.raises(ValueError, match=r"^lengths: must be left out with texts"):
        run.prepare(["good"], [1])


def test_predict_and_evaluate_take_other_columns_and_lines_of_text(command, folder, new, tmp_path):
    (tmp_path / "other.csv").write_text("words,id\n" + "".join(f"{text},1\n" for text in NEW))
    (tmp_path / "lines.txt").write_text("\n".join(NEW))
    of_a_table = command("predict", folder, "other.csv", "text_column=words")
    assert of_a_table.code == 0
    assert command("predict", folder, "lines.txt").out == of_a_table.out
    (tmp_path / "labelled.tsv").write_text("good\tit was good\nbad\ta one good\n")
    assert "0.5000" in command("evaluate", folder, "labelled.tsv").out
    refused = command("evaluate", folder, new)
    assert refused.code == 2 and "label_column=mood: must be a column of" in refused.err


def test_a_bundle_holds_the_vocabulary(command, folder, new):
    assert command("bundle", folder, "--out", "run.zip").code == 0
    run, copied = seqsweep.load_run(folder), seqsweep.load_run("run.zip")
    assert run.vocabulary is not None and copied.vocabulary == run.vocabulary
    assert np.array_equal(copied.predict_proba(NEW), run.predict_proba(NEW))
    assert command("predict", "run.zip", new).out == command("predict", folder, new).out


def test_indices_of_symbols_are_taken_too():
    vocabulary = Vocabulary(("<pad>", "<unknown>", "a", "b"))
    x = np.array([[2, 3, 1], [3, 9, 9]])
    values, lengths = encoded(vocabulary, x, [3, 1])
    assert values[:, :, 0].tolist() == [[2, 3, 1], [3, 0, 0]] and lengths.tolist() == [3, 1]
    for wrong in ([[4]], [[-1]], [[0.5]], [[[1, 2]]]):
        with pytest.raises(ValueError, match=r"indices \(B, T, 1\) of the 4 symbols"):
            encoded(vocabulary, np.array(wrong), None)
