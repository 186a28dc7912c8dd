"""The estimator trains the run of the equal command, and behaves as scikit-learn asks."""

import gc
import pickle
import random
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import base
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator

import seqsweep
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.runs.run_folder import RunFolder
from seqsweep.sklearn import RecurrentClassifier, RecurrentClassifierCV

clone: Any = base.clone
SHORT: dict[str, Any] = {"hidden_size": 5, "max_epochs": 4, "lr": 0.02}


def waves(count=60, channels=1, seed=0):
    """Sine waves of 20 to 39 steps; the class is their speed."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % 3
    angles = [(0.2 + 0.2 * label) * np.arange(rng.integers(20, 40))[:, None] for label in y]
    return [np.sin(angle + rng.uniform(0, 6, channels)) for angle in angles], y


def of_equal_length(count=60, steps=12, channels=2, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(count) % 3
    return rng.normal(size=(count, steps, channels)) + y[:, None, None], y


def weights_of(estimator):
    return {name: w.numpy().tobytes() for name, w in estimator.run_.network.state_dict().items()}


@pytest.mark.parametrize(
    ("engine", "cell", "options"),
    [
        ("native", "gru", {}),
        pytest.param("autograd", "gru", {}, marks=pytest.mark.slow),
        ("native", "example_cells.CoRNN", {"model.cell_options.dt": 0.2}),
    ],
)
def test_fit_is_the_run_of_the_command_to_the_bit(tmp_path, engine, cell, options):
    x, y = waves(channels=2)
    x[3][2, 1] = np.nan
    lengths = [len(row) for row in x]
    np.savez(tmp_path / "mine.npz", X=np.concatenate(x), y=y, lengths=lengths)
    record = seqsweep.train(
        seqsweep.compose(
            [
                "data=npz", f"data.source.path={tmp_path}/mine.npz", f"output_dir={tmp_path}",
                "data.test_fraction=0", "model.hidden_size=5",
                "trainer.max_epochs=4", "optimizer.lr=0.02", "seed=3", f"engine={engine}",
                "loss.label_smoothing=0.1", "trainer.accelerator=cpu", "data.missing=forward",
                "data.transform.frame=2", "loss.class_weights=[0.5,3,1]",
                f"model.cell={cell}", *(f"{key}={value}" for key, value in options.items()),
            ]
        )
    )  # fmt: skip
    estimator = RecurrentClassifier(
        **SHORT, cell=cell, random_state=3, engine=engine, folder=tmp_path / "fits",
        missing="forward", class_weight={1: 3.0, 0: 0.5},
        overrides={"loss.label_smoothing": 0.1, "trainer.accelerator": "cpu",
                   "data.transform.frame": 2, **options},
    ).fit(x, y)  # fmt: skip
    assert estimator.n_features_in_ == 2
    estimator.save(tmp_path / "mine.ckpt")
    saved = seqsweep.load_run(tmp_path / "mine.ckpt", allow=[cell])
    probabilities = estimator.predict_proba(x)
    assert probabilities == pytest.approx(saved.predict_proba(x), abs=1e-6)
    predicted = estimator.predict(x)
    assert predicted.tolist() == estimator.classes_[probabilities.argmax(axis=1)].tolist()
    assert estimator.score(x, y) == np.mean(predicted == y)
    by_command = seqsweep.load_run(record["folder"], allow=[cell])
    ours = Path(estimator.run_.checkpoint).parents[1]
    assert ours.name == Path(record["folder"]).name
    assert weights_of(estimator) == {
        name: w.numpy().tobytes() for name, w in by_command.network.state_dict().items()
    }
    found = RunFolder(ours).record()
    assert found is not None and found.metrics == record["metrics"]
    assert max(estimator.history_["val/acc"]) == record["metrics"]["val/acc"]
    assert len(estimator.history_["train/loss"]) == 4


def test_every_form_of_the_same_sequences_is_the_same_fit(tmp_path):
    x, y = of_equal_length()
    options = SHORT | {"folder": tmp_path}
    forms: dict[Any, list[Any]] = {
        "batch_first": [x, x.astype(object).tolist(), list(x), tuple(x)],
        "channels_first": [x.swapaxes(1, 2), [row.T for row in x]],
    }
    probabilities = []
    for layout, each in forms.items():
        for form in each:
            estimator = RecurrentClassifier(layout=layout, **options).fit(form, y)
            probabilities.append(estimator.predict_proba(form))
            assert estimator.n_features_in_ == 2
    assert len(list(tmp_path.glob("*/record.json"))) == 1
    assert all(np.array_equal(probabilities[0], each) for each in probabilities[1:])


def test_a_2d_array_a_frame_and_a_column_of_arrays_are_one_channel(tmp_path):
    x, y = of_equal_length(channels=1)
    flat = x[:, :, 0]
    column = np.empty(len(x), dtype=object)
    column[:] = list(flat)
    for form in (flat, pd.DataFrame(flat), column, list(flat), flat.tolist()):
        estimator = RecurrentClassifier(**SHORT, folder=tmp_path).fit(form, y)
        assert estimator.n_features_in_ == 1
        assert np.array_equal(estimator.predict(form), estimator.predict(x))
    assert len(list(tmp_path.glob("*/record.json"))) == 1


def test_classes_are_sorted_as_numpy_sorts_them(tmp_path):
    x, y = of_equal_length()
    numbers = np.array(["10", "9", "11"])  # a run sorts numbers as numbers
    estimator = RecurrentClassifier(**SHORT).fit(x, numbers[y])
    assert estimator.run_.class_names == ("9", "10", "11")
    assert estimator.classes_.tolist() == ["10", "11", "9"]
    order = np.array([1, 0, 2])  # of these labels as numbers
    same = RecurrentClassifier(**SHORT).fit(x, order[y])
    assert weights_of(estimator) == weights_of(same)
    assert estimator.score(x, numbers[y]) == same.score(x, order[y])


def test_predict_returns_labels_of_the_kind_that_fit_was_given():
    x, y = of_equal_length()
    kinds = ([False, True], [-1.0, 1.0], ["a", "b"], pd.Series(["x", "y"], dtype="category"))
    for labels in kinds:
        given = np.asarray(labels)[y % 2]
        estimator = RecurrentClassifier(**SHORT, val_fraction=0).fit(x, given)
        assert set(estimator.predict(x).tolist()) <= set(given.tolist())
        assert estimator.n_classes_ == 2


def test_equal_random_states_give_equal_bits():
    x, y = waves()
    first = RecurrentClassifier(**SHORT, random_state=5).fit(x, y)
    assert weights_of(first) == weights_of(clone(first).fit(x, y))
    state = np.random.RandomState(7)
    drawn = [RecurrentClassifier(**SHORT, random_state=state).fit(x, y) for _ in range(2)]
    assert weights_of(drawn[0]) != weights_of(drawn[1])
    np.random.seed(1)
    one = weights_of(RecurrentClassifier(**SHORT, random_state=None).fit(x, y))
    two = weights_of(RecurrentClassifier(**SHORT, random_state=None).fit(x, y))
    np.random.seed(1)
    again = weights_of(RecurrentClassifier(**SHORT, random_state=None).fit(x, y))
    assert one == again != two


def test_fits_in_several_threads_are_those_of_one_and_leave_the_programs_random_numbers():
    x, y = waves()
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    before = torch.get_num_threads(), str(np.random.get_state()), random.getstate()
    alone = [weights_of(RecurrentClassifier(**SHORT, random_state=s).fit(x, y)) for s in range(4)]
    estimators = [RecurrentClassifier(**SHORT, random_state=seed) for seed in range(4)]
    threads = [threading.Thread(target=each.fit, args=(x, y)) for each in estimators]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [weights_of(each) for each in estimators] == alone
    assert before == (torch.get_num_threads(), str(np.random.get_state()), random.getstate())
    assert torch.equal(torch.rand(3), expected)


def test_a_pickle_predicts_the_same_and_holds_tensors_and_plain_values_alone():
    """Another version of torch, or of this package, can read the file."""
    x, y = waves()
    estimator = RecurrentClassifier(**SHORT).fit(x, y)
    content = pickle.dumps(estimator)
    copied = pickle.loads(content)
    assert np.array_equal(copied.predict_proba(x), estimator.predict_proba(x))
    assert copied.history_ == estimator.history_
    assert copied.run_.class_names == estimator.run_.class_names
    assert b"RNNClassifier\x94" not in content.replace(b"classifier.RNNClassifier", b"")
    assert b"torch.nn" not in content and b"LoadedRun" not in content
    assert len(content) < 20_000


def test_a_folder_keeps_the_runs_and_a_longer_fit_continues_a_shorter_one(tmp_path):
    x, y = waves()
    short = RecurrentClassifier(**SHORT, folder=tmp_path).fit(x, y)
    run = seqsweep.load_run(Path(short.run_.checkpoint).parents[1])
    assert np.array_equal(run.channel_names, short.run_.channel_names)
    (record,) = tmp_path.glob("*/record.json")
    written = record.stat().st_mtime_ns
    again = RecurrentClassifier(**SHORT, folder=tmp_path).fit(x, y)
    assert weights_of(again) == weights_of(short)
    assert record.stat().st_mtime_ns == written
    longer = clone(short).set_params(max_epochs=8).fit(x, y)
    logs = [path.read_text() for path in tmp_path.glob("*/train.log")]
    assert any("resuming after the 4 epochs" in log for log in logs)
    alone = clone(longer).set_params(folder=None).fit(x, y)
    assert weights_of(longer) == weights_of(alone)


def test_fits_on_other_labels_in_the_same_folder_are_other_runs(tmp_path):
    x, y = waves()
    own = SHORT | {"folder": tmp_path}
    fits = [RecurrentClassifier(**own).fit(x, labels) for labels in (y, y[::-1])]
    assert len({fit.run_.checkpoint for fit in fits}) == 2
    alone = RecurrentClassifier(**SHORT).fit(x, y[::-1])
    assert weights_of(fits[1]) == weights_of(alone) != weights_of(fits[0])


def test_fit_and_predict_print_nothing_unless_asked(capfd):
    x, y = waves()
    x = [*x, x[0]]  # a copy of a sequence is worth a note
    y = np.append(y, y[0])
    RecurrentClassifier(**SHORT, random_state=1).fit(x, y).predict(x)
    assert capfd.readouterr() == ("", "")
    # With this seed one of the two copies is in train, and the other in validation.
    RecurrentClassifier(**SHORT, verbose=True, overrides={"data.split_seed": 6}).fit(x, y)
    assert "also in train" in capfd.readouterr().out


def test_prediction_works_in_batches_of_the_config_and_after_a_fit(tmp_path):
    x, y = waves()
    with pytest.raises(NotFittedError):
        RecurrentClassifier().predict(x)
    with pytest.raises(NotFittedError):
        RecurrentClassifier().save(tmp_path / "mine.ckpt")
    # The native library forms its own batches; torch computes this network.
    whole = RecurrentClassifier(**SHORT, pooling="attention").fit(x, y)
    of_seven = {"data.eval_batch_size": 7}
    estimator = RecurrentClassifier(**SHORT, pooling="attention", overrides=of_seven).fit(x, y)
    sizes = []
    estimator.run_.network.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    assert estimator.predict_proba(x) == pytest.approx(whole.predict_proba(x), abs=1e-6)
    assert sizes == [7] * 8 + [4]


def test_it_works_in_a_pipeline_and_in_cross_validation():
    x, y = waves()
    halves = FunctionTransformer(lambda rows: [row[::2] for row in rows])
    pipeline = make_pipeline(halves, RecurrentClassifier(**SHORT))
    scores = cross_val_score(pipeline, x, y, cv=3)
    by_hand = cross_val_score(RecurrentClassifier(**SHORT), [row[::2] for row in x], y, cv=3)
    assert scores.tolist() == by_hand.tolist()


STEPS = "the columns of a 2-D array are steps of one channel, and any number of steps is right"
EXPECTED = {
    "check_n_features_in": "n_features_in_ is the number of channels, 1 for a 2-D array",
    "check_n_features_in_after_fitting": STEPS,
    "check_classifiers_train": STEPS,
}
"""The checks of scikit-learn that hold for tables, but not for sequences."""

CHECKED = RecurrentClassifier(hidden_size=8, max_epochs=15, lr=0.03)
SEARCH = RecurrentClassifierCV(CHECKED, {"lr": [0.03, 0.01]}, cv=2, error_score="raise")


@pytest.mark.slow  # scikit-learn's checks fit more than fifty times
@pytest.mark.parametrize(
    "estimator",
    [CHECKED, pytest.param(SEARCH, marks=pytest.mark.durability)],
    ids=lambda e: type(e).__name__,
)
def test_it_passes_the_checks_of_scikit_learn(estimator):
    results = check_estimator(
        estimator, expected_failed_checks=EXPECTED, on_fail="raise", on_skip=None
    )
    assert isinstance(results, list)
    failed = {result["check_name"] for result in results if result["status"] == "xfail"}
    skipped = {result["check_name"] for result in results if result["status"] == "skipped"}
    assert failed == set(EXPECTED)
    assert skipped <= {"check_array_api_input"}
    assert len(results) > 50


@pytest.mark.slow
def test_the_data_of_a_fit_are_freed():
    def count():
        gc.collect()
        return sum(type(each) in (Splits, Sequences) for each in gc.get_objects())

    RecurrentClassifier(**SHORT).fit(*waves())
    before = count()
    for seed in range(2):
        fitted = RecurrentClassifier(**SHORT).fit(*waves(seed=seed))
        RecurrentClassifierCV(fitted, {"hidden_size": [3, 4]}, cv=2).fit(*waves(seed=seed))
    assert count() == before
