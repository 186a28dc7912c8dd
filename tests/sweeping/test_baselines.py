"""Baselines match published accuracies, and each data set is measured once."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prepared import prepared

from seqsweep.config.schema import Config
from seqsweep.data.bundled import japanese_vowels
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.data.text import text
from seqsweep.data.vocabulary import Vocabulary
from seqsweep.runs.ledger import read_folder, read_run
from seqsweep.sweeping import baselines
from seqsweep.sweeping.baselines import (
    majority_shares,
    measure,
    write_baselines,
    write_baselines_of,
)
from seqsweep.training.planned_run import PlannedRun, plan
from seqsweep.training.run_data import data_of
from seqsweep.training.train import train

BASE = ("data=random", "data.source.num_sequences=60", "data.source.length=4", "data.batch_size=8")


@pytest.fixture
def planned(checked: Callable[..., Config]) -> Callable[..., PlannedRun]:
    return lambda *overrides: plan(checked(*BASE, *overrides))


def rows(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "baselines.json").read_text())["baselines"]


def test_baselines_of_japanese_vowels_match_the_published_accuracies():
    """Expects .981 (logistic regression), .941 (1-NN) and .084 (majority), official split."""
    splits = prepared(japanese_vowels(), val_fraction=0, test_fraction=0, standardize=True)
    found, notes = measure(splits)
    assert notes == []
    reached = {row["name"]: round(row["metrics"]["test/acc"], 3) for row in found}
    assert reached == {
        "majority class": 0.084, "logistic regression": 0.981, "1-nearest neighbour": 0.941,
    }  # fmt: skip
    assert majority_shares(splits) == {"test/acc": found[0]["metrics"]["test/acc"]}


def test_baselines_of_texts_count_symbols_and_know_no_order(tmp_path):
    """A class by a word is found wherever the word stands, and a class by the order is not."""
    rng = np.random.default_rng(0)
    texts = {"word": [], "order": []}
    for label in ("good", "bad") * 60:
        others = list(rng.choice(["it", "was", "so", "then"], 9))
        others.insert(rng.integers(9), label)
        texts["word"].append(f"{label}\t{' '.join(others)}\n")
        pair = ["good", "bad"] if label == "good" else ["bad", "good"]
        texts["order"].append(f"{label}\t{pair[0]} then {pair[1]}\n")
    reached = {}
    for name, lines in texts.items():
        (tmp_path / f"{name}.tsv").write_text("".join(lines))
        found, _ = measure(prepared(text(str(tmp_path / f"{name}.tsv"), tokens="words")))
        reached[name] = {row["name"]: row["metrics"]["test/acc"] for row in found}
    assert reached["word"]["logistic regression"] == 1
    assert reached["order"]["logistic regression"] == 0.5


def test_a_text_has_the_same_baselines_alone_and_beside_a_longer_one():
    """The nearest neighbour of a text is its copy, unless the counts include the padding."""
    texts = ["a", "ab", "abb", "abbc"]
    vocabulary = Vocabulary().of(texts)

    def sequences(longer: Sequence[str]) -> Sequences:
        x, lengths = vocabulary.encode([*texts, *longer], str)
        return Sequences(x, lengths, np.arange(len(x)) % 2, ("even", "odd"), ("symbol",))

    splits = Splits(sequences([]), None, sequences(["abbcccccc", "ab"]), vocabulary=vocabulary)
    scores = {row["name"]: row["metrics"]["test/acc"] for row in measure(splits)[0]}
    assert scores["1-nearest neighbour"] == 5 / 6


def test_the_nearest_neighbour_is_right_on_its_training_data_and_longer_tests_are_cut():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(12, 5, 2)).astype("float32")
    labels = np.arange(12) % 3
    names = ("a", "b", "c"), ("u", "v")
    train = Sequences(x, np.full(12, 5), labels, *names)
    longer = np.concatenate([x, np.ones((12, 3, 2), "float32")], 1)
    test = Sequences(longer, np.full(12, 8), labels, *names)
    found, _ = measure(Splits(train, None, test))
    metrics = {row["name"]: row["metrics"] for row in found}["1-nearest neighbour"]
    assert metrics == {"test/acc": 1.0, "test/f1": 1.0}


def test_each_data_set_is_measured_once_and_named(planned, tmp_path):
    members = [
        planned(f"data.source.seed={data}", f"seed={seed}", f"data.batch_size={size}")
        for data in (0, 1)
        for seed in (0, 1)
        for size in (4, 8)
    ]
    write_baselines(members, tmp_path)
    found = rows(tmp_path)
    assert [row["data"]["data.source.seed"] for row in found] == [0, 0, 0, 1, 1, 1]
    fingerprints = {member.data_fingerprint for member in members}
    assert {row["data_fingerprint"] for row in found} == fingerprints
    before = (tmp_path / "baselines.json").stat().st_mtime_ns
    write_baselines(members[::-1], tmp_path)
    assert (tmp_path / "baselines.json").stat().st_mtime_ns == before
    write_baselines(members[:4], tmp_path)  # the others are still in the folder
    assert len(rows(tmp_path)) == 6
    write_baselines([planned("data.source.seed=0", "data.test_fraction=0.5")], tmp_path)
    assert len(rows(tmp_path)) == 9
    assert len({row["of"] for row in rows(tmp_path)}) == 3


def test_baselines_are_measured_on_transformed_data_once_for_all_augmentations(planned, tmp_path):
    frame = "data.transform.frame=4"
    members = [planned(), planned(frame), planned(frame, "data.transform.jitter=0.5")]
    write_baselines(members, tmp_path)
    found = rows(tmp_path)
    assert [row["data"]["data.transform.frame"] for row in found] == [None] * 3 + [4] * 3
    measured, _ = measure(data_of(members[1].config["data"]).prepared)
    metrics = [row["metrics"] for row in measured]
    assert [row["metrics"] for row in found if row["data"]["data.transform.frame"]] == metrics


def test_without_scikit_learn_only_the_majority_class_is_measured(monkeypatch, planned, tmp_path):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    write_baselines([planned()], tmp_path)
    content = json.loads((tmp_path / "baselines.json").read_text())
    assert [row["name"] for row in content["baselines"]] == ["majority class"]
    assert "pip install 'seqsweep[baselines]'" in content["notes"][0]
    run = train(planned("trainer.max_epochs=1"), tmp_path).folder
    monkeypatch.undo()
    write_baselines_of(tmp_path, [read_run(run)])  # it has been installed since
    assert len(rows(tmp_path)) == 3


def test_a_note_says_that_a_data_set_is_too_large_for_scikit_learn(monkeypatch, planned, tmp_path):
    monkeypatch.setattr(baselines, "LARGEST", 10)
    write_baselines([planned()], tmp_path)
    assert "more than 10" in json.loads((tmp_path / "baselines.json").read_text())["notes"][0]


def test_baselines_of_runs_equal_those_of_a_sweep_and_changed_data_are_refused(planned, tmp_path):
    member, runs = planned("trainer.max_epochs=1"), tmp_path / "runs"
    write_baselines([member], tmp_path)
    folder = train(member, runs).folder
    write_baselines_of(runs, read_folder(runs))
    assert [row["metrics"] for row in rows(runs)] == [row["metrics"] for row in rows(tmp_path)]
    (runs / "baselines.json").unlink()
    config = folder.path / "config.yaml"
    config.write_text(config.read_text().replace("num_sequences: 60", "num_sequences: 61"))
    with pytest.raises(ValueError, match="have changed since the run was trained"):
        write_baselines_of(runs, [read_run(folder)])
    assert not (runs / "baselines.json").exists()
    for content in ("seed: 0\n", "data: digits\n"):
        config.write_text(content)
        with pytest.raises(ValueError, match=r"config\.yaml: the section data is missing, or is"):
            write_baselines_of(runs, [read_run(folder)])
