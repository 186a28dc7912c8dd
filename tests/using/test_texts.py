"""A run on texts is used like any other: predict, evaluate and bundle take files of texts."""

import csv
from pathlib import Path

import numpy as np
import pytest

import seqsweep
from seqsweep.cli import main
from seqsweep.data.symbols import encoded
from seqsweep.data.vocabulary import Vocabulary
from seqsweep.runs.run_folder import RunFolder

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


def code_of(arguments: list[str]) -> int:
    """Runs a command; returns its exit code."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_predict_reads_the_columns_of_the_training_file(folder, new, tmp_path):
    out = tmp_path / "out.csv"
    assert code_of(["predict", str(folder), str(new), "--out", str(out)]) == 0
    rows = rows_of(out)
    assert [row["prediction"] for row in rows] == ["good", "bad", "good"]
    expected = seqsweep.load_run(folder).predict_proba(NEW)
    found = [[float(row["p_bad"]), float(row["p_good"])] for row in rows]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_predict_takes_other_columns_and_lines_of_text(folder, tmp_path, capsys):
    (tmp_path / "other.csv").write_text("words,id\n" + "".join(f"{text},1\n" for text in NEW))
    arguments = [str(tmp_path / "other.csv"), "text_column=words"]
    assert code_of(["predict", str(folder), *arguments]) == 0
    of_a_table = capsys.readouterr().out
    (tmp_path / "lines.txt").write_text("\n".join(NEW))
    assert code_of(["predict", str(folder), str(tmp_path / "lines.txt")]) == 0
    assert capsys.readouterr().out == of_a_table


def test_a_bundle_holds_the_vocabulary(folder, new, tmp_path, capsys):
    bundle = tmp_path / "run.zip"
    assert code_of(["bundle", str(folder), str(bundle)]) == 0
    run, copied = seqsweep.load_run(folder), seqsweep.load_run(bundle)
    assert run.vocabulary is not None and copied.vocabulary == run.vocabulary
    assert np.array_equal(copied.predict_proba(NEW), run.predict_proba(NEW))
    capsys.readouterr()
    assert code_of(["predict", str(bundle), str(new)]) == 0
    assert capsys.readouterr().out.count("good") == 3  # the head of the table, and two texts


def test_evaluate_needs_labels_and_counts_right_ones(folder, new, tmp_path, capsys):
    path = tmp_path / "labelled.tsv"
    path.write_text("good\tit was good\nbad\ta one good\n")
    assert code_of(["evaluate", str(folder), str(path)]) == 0
    assert "0.5000" in capsys.readouterr().out
    assert code_of(["evaluate", str(folder), str(new)]) == 2
    assert "label_column=mood: must be a column of" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words", "message"),
    [
        ("text\ngood\n", [], "text_column=review: must be a column of"),
        ("review\n\n ,\n", [], ":3: expected 1 columns, got 2"),
        ('review\n""\n', [], ":2: '' has no words"),
        ("review\ngood\n", ["label_column=mod"], "label_column=mod: must be a column of"),
        ("review\ngood\n", ["layout=time_first"], "layout: no such option to read"),
        ("review\ngood\n", ["text_colum=a"], "text_colum: no such option to read"),
    ],
)
def test_wrong_texts_are_refused(folder, tmp_path, capsys, content, words, message):
    (tmp_path / "new.csv").write_text(content)
    assert code_of(["predict", str(folder), str(tmp_path / "new.csv"), *words]) == 2
    assert message in capsys.readouterr().err


def test_indices_of_symbols_are_taken_too():
    vocabulary = Vocabulary(("<pad>", "<unknown>", "a", "b"))
    x = np.array([[2, 3, 1], [3, 9, 9]])
    values, lengths = encoded(vocabulary, x, [3, 1])
    assert values[:, :, 0].tolist() == [[2, 3, 1], [3, 0, 0]] and lengths.tolist() == [3, 1]
    for wrong in ([[4]], [[-1]], [[0.5]], [[[1, 2]]]):
        with pytest.raises(ValueError, match=r"indices \(B, T, 1\) of the 4 symbols"):
            encoded(vocabulary, np.array(wrong), None)


def test_the_record_names_the_run(folder):
    assert (RunFolder(folder).record() or {})["config"]["model.embedding_dim"] == 6
