"""A checkpoint alone rebuilds a network with any option, and a vocabulary for new texts."""

import numpy as np
import pytest
import torch

import seqsweep
from seqsweep.training.checkpoints import load_sealed

OPTIONS = ["trainer.max_epochs=2", "logger=none", "diagnostics=true", "trainer.accelerator=cpu",
           "model.hidden_size=6"]  # fmt: skip
NETWORKS = {
    "layer norm": ("model.layer_norm=true", "model.num_layers=2", "model.bidirectional=true"),
    "attention": ("model.pooling=attention", "model.cell=gru"),
    "orthogonal": ("model.recurrent_init=orthogonal",),
    "forget bias": ("model.cell=lstm", "model.forget_bias=1"),
}


def trained(tmp_path, *overrides):
    config = seqsweep.compose([*overrides, *OPTIONS, f"output_dir={tmp_path}/outputs"])
    return seqsweep.train(config)


def assert_rebuilt(record, x, lengths) -> None:
    """Both ways to load give the weights of the checkpoint, and the same logits."""
    run = seqsweep.load_run(record["folder"])
    weights = load_sealed(run.checkpoint)["state_dict"]
    ours = run.network.state_dict()
    assert [f"network.{name}" for name in ours] == list(weights)
    assert all(torch.equal(ours[name], weights[f"network.{name}"]) for name in ours)
    assert sum(w.numel() for w in weights.values()) == record["params"]
    module = seqsweep.SequenceClassifier.load_from_checkpoint(run.checkpoint)
    with torch.inference_mode():
        assert torch.equal(module.eval()(x, lengths), run.network(x, lengths))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_with_options_is_rebuilt_from_its_checkpoint(tmp_path, name):
    record = trained(tmp_path, "data=japanese_vowels", *NETWORKS[name])
    assert_rebuilt(record, torch.randn(3, 9, 12), torch.tensor([9, 4, 1]))


def test_symbols_of_the_users_own_need_no_vocabulary(tmp_path):
    """Whole numbers in any file are symbols, if the config says how many there are."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 5, (40, 6))
    np.savez(tmp_path / "mine.npz", X=x, y=(x == 3).any(axis=1))
    source = ("data=npz", f"data.source.path={tmp_path}/mine.npz", "data.batch_size=8")
    own = (*source, "model.embedding_dim=3", "model.num_embeddings=5")
    record = trained(tmp_path, *own, "data.standardize=false")
    assert_rebuilt(record, torch.from_numpy(x[:, :, None]).float(), torch.full((40,), 6))
    wrong = {
        own: r"num_embeddings=5: must be above every .*; set data\.standardize=false",
        (*own, "data.standardize=false", "model.num_embeddings=4"): "num_embeddings=4: .* has 4$",
        (*source, "model.embedding_dim=3"): "embedding_dim=3: the data have no vocabulary; give",
    }
    for overrides, message in wrong.items():
        with pytest.raises(ValueError, match=rf"^model\.{message}"):
            trained(tmp_path, *overrides)


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (("model=simple",), "model._target_=.*SimpleRNN: cannot read symbols; give model=rnn"),
        (("model.embedding_dim=2", "model.num_embeddings=4"), "model.num_embeddings=4, but the da"),
    ],
)
def test_texts_need_an_embedding_of_their_size(tmp_path, own, message):
    path = tmp_path / "a.tsv"
    path.write_text("good\tthe good film\nbad\ta bad story\n" * 40)
    with pytest.raises(ValueError, match=f"^{message}"):
        trained(tmp_path, "data=text", f"data.source.path={path}", *own)
    assert not (tmp_path / "outputs").exists()


def test_an_embedding_of_several_channels_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"^model\.embedding_dim=2: expected .*got 12 channels"):
        trained(tmp_path, "data=japanese_vowels", "model.embedding_dim=2")
