"""A run is used by its checkpoint alone, and does there what it did in its test."""

import copy
import inspect
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from own_network import Mean

import seqsweep
from seqsweep.native.library import runnable_variants
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.checkpoint_files import load_sealed, save_sealed
from seqsweep.using.bundle_file import encode, write_bundle
from seqsweep.using.load import Inputs

OPTIONS = ["trainer.max_epochs=3", "logger=csv", "diagnostics=false", "trainer.accelerator=cpu",
           "model.hidden_size=6"]  # fmt: skip


@pytest.fixture(scope="module")
def data(trained):
    return trained.folder / "train.npz"


def config_of(data, outputs, *overrides):
    source = f"data.source.path={data}"
    own = ["data=npz", source, "data.missing=mean", "data.batch_size=8"]
    return seqsweep.compose([*own, *OPTIONS, f"output_dir={outputs}", *overrides])


@pytest.fixture
def folder(trained, tmp_path):
    return shutil.copytree(trained.run, tmp_path / "run")


@pytest.fixture(scope="module")
def own_folder(data, tmp_path_factory):
    config = config_of(data, tmp_path_factory.mktemp("own"))
    return Path(seqsweep.train(config | {"model": {"_target_": "own_network.Mean"}})["folder"])


@pytest.mark.parametrize("engine", ["native", "autograd"])
def test_a_checkpoint_alone_gives_the_accuracy_of_the_test(trained, data, tmp_path, engine):
    record = seqsweep.train(config_of(data, tmp_path, f"engine={engine}"))
    shutil.copy(f"{record['folder']}/checkpoints/best.ckpt", tmp_path / "mine.ckpt")
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    loaded = seqsweep.load_run(tmp_path / "mine.ckpt")
    seqsweep.SequenceClassifier.load_from_checkpoint(tmp_path / "mine.ckpt")
    assert torch.equal(torch.rand(3), expected)  # the program's random numbers are left alone
    x, y, lengths = trained.test_data()
    with torch.inference_mode():
        logits = loaded.network(*loaded.prepare(x, lengths))
    names = [loaded.class_names[index] for index in logits.argmax(dim=1)]
    accuracy = np.mean(np.array(names) == y)
    assert accuracy == pytest.approx(record["metrics"]["test/acc"])
    assert loaded.config == RunFolder(Path(record["folder"])).config()
    assert loaded.epoch == record["best_epoch"]
    assert (loaded.class_names, loaded.channel_names) == (trained.classes, trained.channels)
    assert not loaded.network.training
    assert repr(loaded) == f"LoadedRun({tmp_path}/mine.ckpt: RNNClassifier, 2 channels, 3 classes)"
    assert f"<br>channels: {', '.join(trained.channels)}" in loaded._repr_html_()


def predicted(data: str, folder: str) -> str:
    """Returns probabilities and scores as text; another process runs this source text."""
    import numpy as np

    import seqsweep

    run = seqsweep.load_run(folder)
    with np.load(data) as stored:
        x, y, lengths = (stored[f"{key}_test"] for key in ("X", "y", "lengths"))
    scores = run.evaluate(x, y, lengths, resamples=20).as_json()
    return f"{run.predict_proba(x, lengths).tobytes().hex()} {scores}"


@pytest.mark.parametrize("is_old", [False, pytest.param(True, marks=pytest.mark.durability)])
def test_probabilities_and_scores_have_the_same_bits_on_every_processor(
    trained, monkeypatch, is_old
):
    """A process computes as on an old processor, in torch, numpy and the library."""
    paths = str(trained.folder / "train.npz"), str(trained.run)
    variants = runnable_variants()
    printed: set[str] = set()
    for variant in variants:
        monkeypatch.setenv("SEQSWEEP_NATIVE", variant)
        printed.add(predicted(*paths))
    assert variants[-1:] == ("portable",) and len(printed) == 1
    if not is_old:
        return
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    older = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR AVX2 FMA3"
    monkeypatch.setenv("NPY_DISABLE_CPU_FEATURES", older)
    code = f"import sys\n{inspect.getsource(predicted)}\nprint(predicted(*sys.argv[1:]))"
    command = [sys.executable, "-Wignore", "-c", code, *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    printed.add(done.stdout.rstrip("\n"))
    assert len(printed) == 1
    assert len(printed.pop()) > 2 * 8 * 3 * 45


def test_probabilities_do_not_depend_on_the_batch_the_order_or_the_company(trained):
    loaded = seqsweep.load_run(trained.run)
    x, _, lengths = trained.test_data()
    inputs = loaded.prepare(x, lengths)
    whole = loaded.apply(inputs)
    with torch.inference_mode():
        logits = loaded.network(*inputs)
    np.testing.assert_allclose(whole, logits.double().softmax(dim=1).numpy(), atol=1e-6)
    assert np.array_equal(loaded.apply(inputs, batch_size=7), whole)
    assert np.array_equal(loaded.predict_proba(x[::-1], lengths[::-1]), whole[::-1])
    pairs = zip(x, lengths, strict=True)
    alone = [loaded.predict_proba(each[None, :steps]) for each, steps in pairs]
    assert np.array_equal(np.concatenate(alone), whole)


def test_a_network_that_was_changed_predicts_as_it_is_now(folder, trained):
    loaded = seqsweep.load_run(folder)
    x, _, lengths = trained.test_data()
    before = loaded.predict_proba(x, lengths)
    with torch.no_grad():
        for parameter in loaded.network.parameters():
            parameter.mul_(2)
    changed = loaded.predict_proba(x, lengths)
    assert np.abs(changed - before).max() > 0.01
    # In training mode torch computes, because the library has no dropout for predictions.
    calls: list[int] = []
    loaded.network.register_forward_pre_hook(lambda *_: calls.append(1))
    for is_training in (False, True):
        loaded.network.train(is_training)
        loaded.predict_proba(x, lengths)
        assert bool(calls) == is_training
    loaded.network.eval()
    # The library computes float32 on the CPU alone; torch computes what else a network may be.
    doubled = replace(loaded, network=copy.deepcopy(loaded.network).double())
    inputs = loaded.prepare(x, lengths)
    exact = doubled.apply(Inputs(inputs.x.double(), inputs.lengths))
    np.testing.assert_allclose(changed, exact, atol=1e-5)


def test_lists_of_sequences_are_padded_and_other_shapes_are_refused(folder):
    loaded = seqsweep.load_run(folder, checkpoint="last")
    assert loaded.checkpoint.name == "last.ckpt"
    long, short = np.full((5, 2), 1.7e9), np.full((3, 2), 1.7e9 + 20)
    x, lengths = loaded.prepare([long, short])
    assert x.shape == (2, 5, 2) and lengths.tolist() == [5, 3]
    assert torch.equal(x[1, :3], loaded.prepare(short[None]).x[0])
    assert not x[1, 3:].any()
    cases = [
        (np.zeros((2, 3, 4)), None, r"x: expected 2 channels, got 4"),
        ([long, short[:, :1]], None, "sequence 1 has 1 channels, but sequence 0 has 2"),
        (long[None], [6], "sequence 0 has length 6; must be between 1 and 5"),
    ]
    for x, lengths, message in cases:
        with pytest.raises(ValueError, match=message):
            loaded.prepare(x, lengths)


def test_the_config_of_the_folder_wins(folder, tmp_path):
    """The best epoch of a run may be of a shorter one that it has taken over, with its config."""
    path = folder / "checkpoints" / "best.ckpt"
    content = load_sealed(path)
    save_sealed(content | {"config": content["config"] | {"name": "shorter"}}, path)
    assert seqsweep.load_run(folder).config["name"] == "default"
    assert seqsweep.load_run(shutil.copy(path, tmp_path)).config["name"] == "shorter"


def test_a_network_of_the_users_own_is_built_only_if_allowed(own_folder, command, new_data):
    target = "own_network.Mean"
    with pytest.raises(ValueError, match=f"model._target_={target} is not a target"):
        seqsweep.load_run(own_folder)
    loaded = seqsweep.load_run(own_folder, allow=[target])
    assert isinstance(loaded.network, Mean)
    assert command("bundle", own_folder, "--out", "own.zip").code == 2
    assert command("bundle", own_folder, "--out", "own.zip", "--allow", target).code == 0
    assert command("predict", "own.zip", new_data).code == 2
    done = command("predict", "own.zip", new_data, "--allow", target)
    assert done.code == 0
    assert done.out == command("predict", own_folder, new_data, "--allow", target).out
    with pytest.raises(ValueError, match="must be given as network"):
        seqsweep.SequenceClassifier.load_from_checkpoint(loaded.checkpoint)
    module = seqsweep.SequenceClassifier.load_from_checkpoint(loaded.checkpoint, network=Mean(2, 3))
    ours = module.network.state_dict()
    assert all(torch.equal(ours[name], w) for name, w in loaded.network.state_dict().items())


def test_other_code_of_a_network_is_named_wherever_its_weights_lie(own_folder, tmp_path, capsys):
    content = load_sealed(own_folder / "checkpoints" / "best.ckpt")
    assert list(content["code"]) == ["own_network.py"]
    content["code"] = {"own_network.py": "0" * 64, "callbacks.py": "1" * 64}
    checkpoint, bundle = tmp_path / "other.ckpt", tmp_path / "other.zip"
    save_sealed(content, checkpoint)
    write_bundle(bundle, encode(content))
    for path in (checkpoint, bundle):
        seqsweep.load_run(path, allow=["own_network.Mean"])
        changed = "the code has changed since the run was trained: own_network.py"
        assert capsys.readouterr().err == f"seqsweep: {path}: {changed}\n"


def test_a_network_that_returns_nan_is_reported(folder, trained):
    loaded = seqsweep.load_run(folder)
    with torch.no_grad():
        next(loaded.network.parameters()).fill_(torch.nan)
    x, _, lengths = trained.test_data()
    with pytest.raises(ValueError, match=r"best\.ckpt: the network returns NaN for sequence 0"):
        loaded.predict(x, lengths)


def assert_rebuilt(record, x, lengths) -> None:
    """Checks that both ways to load give the weights of the checkpoint, and the same logits."""
    run = seqsweep.load_run(record["folder"])
    weights = load_sealed(run.checkpoint)["state_dict"]
    ours = run.network.state_dict()
    assert [f"network.{name}" for name in ours] == list(weights)
    assert all(torch.equal(ours[name], weights[f"network.{name}"]) for name in ours)
    assert sum(w.numel() for w in weights.values()) == record["params"]
    module = seqsweep.SequenceClassifier.load_from_checkpoint(run.checkpoint)
    with torch.inference_mode():
        assert torch.equal(module.eval()(x, lengths), run.network(x, lengths))


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ("model.layer_norm=true", "model.num_layers=2", "model.recurrent_init=orthogonal"),
        ("model.pooling=attention", "model.cell=gru", "model.bidirectional=true"),
        ("model.cell=indrnn", "model.hidden_size=64"),  # fewer than 64 * 64 weights
        ("model.cell=lru", "model.layer_norm=true", "model.num_layers=2"),
    ],
)
def test_a_network_with_options_is_rebuilt_from_its_checkpoint(data, tmp_path, options):
    record = seqsweep.train(config_of(data, tmp_path, *options))
    assert_rebuilt(record, torch.randn(3, 9, 2), torch.tensor([9, 4, 1]))


def test_symbols_of_the_users_own_need_no_vocabulary(tmp_path):
    """Whole numbers in any file are symbols, if the config says how many there are."""

    def trained(*overrides):
        return seqsweep.train(config_of(tmp_path / "mine.npz", tmp_path, *overrides))

    x = np.random.default_rng(0).integers(0, 5, (40, 6))
    np.savez(tmp_path / "mine.npz", X=x, y=(x == 3).any(axis=1))
    own = ("model.embedding_dim=3", "model.num_embeddings=5")
    record = trained(*own, "data.standardize=false")
    assert_rebuilt(record, torch.from_numpy(x[:, :, None]).float(), torch.full((40,), 6))
    wrong = {
        own: r"num_embeddings=5: must be above every .*; set data\.standardize=false",
        (*own, "data.standardize=false", "model.num_embeddings=4"): "num_embeddings=4: .* has 4$",
        ("model.embedding_dim=3",): "embedding_dim=3: the data have no vocabulary; give",
    }
    for overrides, message in wrong.items():
        with pytest.raises(ValueError, match=rf"^model\.{message}"):
            trained(*overrides)
