"""A run is used by its checkpoint alone, and does there what it did in its test."""

import shutil
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch
from own_network import Mean

import seqsweep
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.build_run import DESCRIPTION
from seqsweep.training.checkpoints import load_sealed, save_sealed
from seqsweep.using.bundle_file import encode, write_bundle
from seqsweep.using.find_run import find_run

OPTIONS = ["trainer.max_epochs=3", "logger=csv", "diagnostics=false", "trainer.accelerator=cpu"]
ENGINES = ["native", "autograd"]


def raw_data(path):
    """Sequences of mixed lengths far from zero, 30 to train on and 12 to test, with holes."""
    rng = np.random.default_rng(0)
    contents = {}
    for suffix, count in (("_train", 30), ("_test", 12)):
        y = np.arange(count) % 3
        x = 1.7e9 + 50 * rng.normal(size=(count, 7, 2)) + 60 * y[:, None, None]
        x[rng.random(x.shape) < 0.1] = np.nan
        lengths = rng.integers(2, 8, count)
        contents |= {f"X{suffix}": x, f"y{suffix}": y, f"lengths{suffix}": lengths}
    np.savez(path, **contents)
    return contents


def config_of(tmp_path, *overrides):
    source = f"data.source.path={tmp_path}/mine.npz"
    own = ["data=npz", source, "data.missing=mean", "data.batch_size=8"]
    return seqsweep.compose([*own, *OPTIONS, f"output_dir={tmp_path}/outputs", *overrides])


def trained(tmp_path, *overrides):
    """The folder of a run, and the raw data that it was trained on."""
    data = raw_data(tmp_path / "mine.npz")
    record = seqsweep.train(config_of(tmp_path, "model.hidden_size=6", *overrides))
    return Path(record["folder"]), data


@pytest.fixture(params=ENGINES)
def run(request, tmp_path):
    return trained(tmp_path, f"engine={request.param}")


def accuracy_on_raw_sequences(run, data):
    x, y, lengths = (data[f"{key}_test"] for key in ("X", "y", "lengths"))
    with torch.inference_mode():
        logits = run.network(*run.prepare(x, lengths))
    names = [run.class_names[index] for index in logits.argmax(dim=1)]
    return np.mean([name == str(label) for name, label in zip(names, y, strict=True)])


def test_a_checkpoint_alone_gives_the_accuracy_of_the_test(run, tmp_path):
    folder, data = run
    record = RunFolder(folder).record()
    config = RunFolder(folder).config()
    assert record is not None
    shutil.copy(folder / "checkpoints" / "best.ckpt", tmp_path / "mine.ckpt")
    shutil.rmtree(tmp_path / "outputs")
    (tmp_path / "mine.npz").unlink()
    loaded = seqsweep.load_run(tmp_path / "mine.ckpt")
    assert accuracy_on_raw_sequences(loaded, data) == pytest.approx(record["metrics"]["test/acc"])
    assert loaded.config == config
    assert loaded.epoch == record["best_epoch"]
    assert (loaded.class_names, len(loaded.channel_names)) == (("0", "1", "2"), 2)
    assert not loaded.network.training
    assert repr(loaded) == f"LoadedRun({tmp_path}/mine.ckpt: RNNClassifier, 2 channels, 3 classes)"


def test_loading_leaves_the_random_numbers_of_the_program(tmp_path):
    folder, _ = trained(tmp_path)
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    seqsweep.load_run(folder)
    seqsweep.SequenceClassifier.load_from_checkpoint(folder / "checkpoints" / "last.ckpt")
    assert torch.equal(torch.rand(3), expected)


def test_lists_of_sequences_are_padded(tmp_path):
    folder, _ = trained(tmp_path)
    loaded = seqsweep.load_run(folder, checkpoint="last")
    assert loaded.checkpoint.name == "last.ckpt"
    long, short = np.full((5, 2), 1.7e9), np.full((3, 2), 1.7e9 + 20)
    x, lengths = loaded.prepare([long, short])
    assert x.shape == (2, 5, 2) and lengths.tolist() == [5, 3]
    assert torch.equal(x[1, :3], loaded.prepare(short[None]).x[0])
    assert not x[1, 3:].any()


@pytest.mark.parametrize(
    ("x", "lengths", "message"),
    [
        (np.zeros((2, 3, 4)), None, r"x: expected 2 channels, got 4"),
        (
            [np.zeros((3, 2)), np.zeros((3, 1))],
            None,
            "sequence 1 has 1 channels, but sequence 0 has 2",
        ),
        ([], None, "at least one sequence"),
        (np.zeros((1, 3, 2)), [4], "sequence 0 has length 4; must be between 1 and 3"),
        (np.zeros((1, 2, 3, 2)), None, r"must be \(N, T, F\) or \(N, T\)"),
    ],
)
def test_sequences_of_another_shape_are_refused(tmp_path, x, lengths, message):
    loaded = seqsweep.load_run(trained(tmp_path)[0])
    with pytest.raises(ValueError, match=message):
        loaded.prepare(x, lengths)


def forget_description(path):
    """Makes a checkpoint one of a version that wrote none."""
    content = load_sealed(path)
    save_sealed({key: value for key, value in content.items() if key not in DESCRIPTION}, path)


def test_a_checkpoint_of_another_version_says_what_is_missing(tmp_path):
    folder, _ = trained(tmp_path)
    path = shutil.copy(folder / "checkpoints" / "best.ckpt", tmp_path / "mine.ckpt")
    forget_description(path)
    with pytest.raises(
        ValueError, match=r"mine.ckpt: holds no config, class_names, .*scaling; another version"
    ):
        seqsweep.load_run(path)
    with pytest.raises(ValueError, match=r"mine.ckpt: holds weights, but not config"):
        seqsweep.SequenceClassifier.load_from_checkpoint(path)


def test_the_config_of_the_folder_wins(tmp_path):
    """The best epoch of a run may be of a shorter one that it has taken over, with its config."""
    folder, _ = trained(tmp_path)
    path = folder / "checkpoints" / "best.ckpt"
    content = load_sealed(path)
    save_sealed(content | {"config": content["config"] | {"name": "shorter"}}, path)
    assert seqsweep.load_run(folder).config["name"] == "default"
    assert seqsweep.load_run(shutil.copy(path, tmp_path)).config["name"] == "shorter"


def test_a_network_of_the_users_own_is_built_only_if_allowed(tmp_path):
    target = "own_network.Mean"
    raw_data(tmp_path / "mine.npz")
    config = config_of(tmp_path) | {"model": {"_target_": target}}
    folder = seqsweep.train(config)["folder"]
    with pytest.raises(ValueError, match=f"model._target_={target} is not a target"):
        seqsweep.load_run(folder)
    loaded = seqsweep.load_run(folder, allow=[target])
    assert isinstance(loaded.network, Mean)
    path = loaded.checkpoint
    with pytest.raises(ValueError, match="must be given as network"):
        seqsweep.SequenceClassifier.load_from_checkpoint(path)
    module = seqsweep.SequenceClassifier.load_from_checkpoint(path, network=Mean(2, 3))
    ours = module.network.state_dict()
    assert all(torch.equal(ours[name], w) for name, w in loaded.network.state_dict().items())


def test_other_code_of_a_network_is_named_wherever_its_weights_lie(tmp_path, capsys):
    raw_data(tmp_path / "mine.npz")
    config = config_of(tmp_path) | {"model": {"_target_": "own_network.Mean"}}
    folder = Path(seqsweep.train(config)["folder"])
    again = seqsweep.train(seqsweep.load_run(folder, allow=["own_network.Mean"]).config)
    assert Path(again["folder"]) == folder
    capsys.readouterr()
    content = load_sealed(folder / "checkpoints" / "best.ckpt")
    assert list(content["code"]) == ["own_network.py"]
    content["code"] = {"own_network.py": "0" * 64, "callbacks.py": "1" * 64}
    checkpoint, bundle = tmp_path / "other.ckpt", tmp_path / "other.zip"
    save_sealed(content, checkpoint)
    write_bundle(bundle, encode(content))
    for path in (checkpoint, bundle):
        loaded = seqsweep.load_run(path, allow=["own_network.Mean"])
        assert isinstance(loaded.network, Mean)
        changed = "the code has changed since the run was trained: own_network.py"
        assert capsys.readouterr().err == f"seqsweep: {path}: {changed}\n"


def test_a_network_that_returns_nan_is_reported(tmp_path):
    folder, data = trained(tmp_path)
    loaded = seqsweep.load_run(folder)
    with torch.no_grad():
        next(loaded.network.parameters()).fill_(torch.nan)
    with pytest.raises(ValueError, match=r"best\.ckpt: the network returns NaN for sequence 0"):
        loaded.predict(data["X_test"], data["lengths_test"])


def test_weights_of_another_network_are_refused(tmp_path):
    folder, _ = trained(tmp_path)
    path = folder / "checkpoints" / "best.ckpt"
    content = load_sealed(path)
    model = content["config"]["model"] | {"hidden_size": 7}
    copy = tmp_path / "mine.ckpt"
    save_sealed(content | {"config": content["config"] | {"model": model}}, copy)
    with pytest.raises(ValueError, match=r"mine\.ckpt: state_dict\.rnn\.weight_ih_l0: must be"):
        seqsweep.load_run(copy)


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_a_folder_without_a_checkpoint_is_named(tmp_path, name):
    with pytest.raises((FileNotFoundError, ValueError), match=r"no such folder|no runs in it"):
        seqsweep.load_run(tmp_path / name)


def test_the_best_run_of_a_sweep_is_loaded(tmp_path):
    raw_data(tmp_path / "mine.npz")
    best: dict[str, float] = {}
    for size in (2, 6):
        record = seqsweep.train(config_of(tmp_path, f"model.hidden_size={size}"))
        best[record["folder"]] = record["metrics"]["val/acc"]
    folders = tmp_path / "outputs/runs/default"
    chosen = seqsweep.load_run(folders).folder
    assert chosen == find_run(folders)[0]
    assert best[str(chosen)] == max(best.values())


def test_lightning_tests_a_loaded_module(tmp_path):
    folder, data = trained(tmp_path)
    loaded = seqsweep.load_run(folder)
    module = seqsweep.SequenceClassifier.load_from_checkpoint(loaded.checkpoint)
    assert loaded.scaling is not None
    x, lengths = loaded.prepare(data["X_test"], data["lengths_test"])
    test = seqsweep.make_sequences(x.numpy(), data["y_test"], lengths.numpy())
    splits = seqsweep.Splits(test, test=test)
    module_data = seqsweep.SequenceDataModule(
        splits, batch_size=4, standardize=False, val_fraction=0
    )
    trainer = L.Trainer(
        accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False
    )
    (metrics,) = trainer.test(module, datamodule=module_data, verbose=False)
    logits = trainer.predict(module, datamodule=module_data)
    assert logits is not None
    probabilities = torch.cat([*map(torch.as_tensor, logits)]).softmax(dim=1).numpy()
    expected = loaded.predict_proba(data["X_test"], data["lengths_test"])
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)
    record = RunFolder(folder).record()
    assert record is not None
    with pytest.raises(ValueError, match="optimizer=None: must be given to train"):
        module.configure_optimizers()
    assert metrics["test/acc"] == pytest.approx(record["metrics"]["test/acc"])
