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
from seqsweep.data.raw import make_sequences
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.data.vocabulary import Vocabulary
from seqsweep.runs.ledger import Entry, read_run
from seqsweep.sweeping.baselines import (
    majority_shares,
    measure,
    write_baselines,
)
from seqsweep.training.planned_run import PlannedRun, plan
from seqsweep.training.run_data import data_of
from seqsweep.training.train import train

BASE = ("data=random", "data.source.num_sequences=60", "data.source.length=4", "data.batch_size=8",
        "trainer.max_epochs=1")  # fmt: skip


@pytest.fixture
def planned(checked: Callable[..., Config]) -> Callable[..., PlannedRun]:
    return lambda *overrides: plan(checked(*BASE, *overrides))


def trained(folder: Path, *runs: PlannedRun) -> list[Entry]:
    return [read_run(train(run, folder).folder) for run in runs]


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


def test_baselines_of_longer_test_sequences_count_symbols():
    """The more frequent of two symbols is found in sequences longer than any of train."""
    rng, parts = np.random.default_rng(0), list[Sequences]()
    for length in (9, 41):
        x = np.eye(2)[rng.integers(2, size=(300, length))]
        parts.append(make_sequences(x, x.sum(axis=1).argmax(axis=1)))
    found, _ = measure(Splits(parts[0], test=parts[1]))
    assert found[1]["metrics"]["test/acc"] > 0.98


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


def test_windows_have_an_accuracy_by_recording():
    """Two of three windows are like those of a class, so that all recordings are right."""
    values = np.repeat([0.0, 0.0, 1.0] * 10 + [1.0, 1.0, 0.0] * 10, 4).reshape(20, 12)
    splits = prepared(
        Splits(make_sequences(values, np.repeat([0, 1], 10))),
        val_fraction=0,
        test_fraction=0.4,
        transform={"window": 4},
    )
    of_model = {row["name"]: row["metrics"] for row in measure(splits)[0]}["logistic regression"]
    assert of_model["test/acc"] == pytest.approx(2 / 3)
    assert of_model["test/recording_acc"] == 1.0


def test_each_data_set_is_measured_once_and_named(planned, tmp_path):
    members = [
        planned(f"data.source.seed={data}", f"seed={seed}", f"data.batch_size={size}")
        for data in (0, 1)
        for seed in (0, 1)
        for size in (4, 8)
    ]
    entries = trained(tmp_path, *members)
    write_baselines(tmp_path, entries)
    found = rows(tmp_path)
    assert [row["data"]["data.source.seed"] for row in found] == [0, 0, 0, 1, 1, 1]
    fingerprints = {member.data_fingerprint for member in members}
    assert {row["data_fingerprint"] for row in found} == fingerprints
    before = (tmp_path / "baselines.json").stat().st_mtime_ns
    write_baselines(tmp_path, entries[::-1])
    assert (tmp_path / "baselines.json").stat().st_mtime_ns == before
    write_baselines(tmp_path, entries[:4])  # the others are still in the folder
    assert len(rows(tmp_path)) == 6
    other = planned("data.source.seed=0", "data.test_fraction=0.5")
    write_baselines(tmp_path, trained(tmp_path, other))
    assert len(rows(tmp_path)) == 9
    assert len({row["of"] for row in rows(tmp_path)}) == 3


def test_baselines_are_measured_on_transformed_data_once_for_all_augmentations(planned, tmp_path):
    frame = "data.transform.frame=4"
    members = [planned(), planned(frame), planned(frame, "data.transform.jitter=0.5")]
    write_baselines(tmp_path, trained(tmp_path, *members))
    found = rows(tmp_path)
    assert [row["data"]["data.transform.frame"] for row in found] == [None] * 3 + [4] * 3
    measured, _ = measure(data_of(members[1].config["data"]).prepared)
    metrics = [row["metrics"] for row in measured]
    assert [row["metrics"] for row in found if row["data"]["data.transform.frame"]] == metrics


def test_without_scikit_learn_only_the_majority_class_is_measured(monkeypatch, planned, tmp_path):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    entries = trained(tmp_path, planned())
    write_baselines(tmp_path, entries)
    content = json.loads((tmp_path / "baselines.json").read_text())
    assert [row["name"] for row in content["baselines"]] == ["majority class"]
    assert "pip install 'seqsweep[baselines]'" in content["notes"][0]
    monkeypatch.undo()
    write_baselines(tmp_path, entries)  # it has been installed since
    assert len(rows(tmp_path)) == 3


def test_changed_data_are_refused(planned, tmp_path):
    folder, runs = train(planned(), tmp_path).folder, tmp_path
    config = folder.path / "config.yaml"
    config.write_text(config.read_text().replace("num_sequences: 60", "num_sequences: 61"))
    with pytest.raises(ValueError, match="have changed since the run was trained"):
        write_baselines(runs, [read_run(folder)])
    assert not (runs / "baselines.json").exists()
    for content in ("seed: 0\n", "data: digits\n"):
        config.write_text(content)
        with pytest.raises(ValueError, match=r"config\.yaml: the section data is missing, or is"):
            write_baselines(runs, [read_run(folder)])
