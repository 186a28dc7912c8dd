"""The engine of a run: a function of its config and of the machine."""

import pytest

from seqsweep.training.build_run import build_run
from seqsweep.training.engine import engine_of, missing_library, why_not_native

BASE = ("data=digits", "trainer=cpu")
ONLY_AUTOGRAD = [
    ("trainer.limit_train_batches=2",), ("trainer.devices=2",), ("trainer.precision=bf16-mixed",),
    ("callbacks.checkpoint=null",), ("+callbacks.mine._target_=lightning.pytorch.callbacks.Timer",),
    ("model.layer_norm=true", "model.num_layers=2"), ("model.pooling=attention",),
    ("model.embedding_dim=4", "model.num_embeddings=9"),
]  # fmt: skip


@pytest.fixture(params=[True, False], ids=["library", "no library"])
def has_library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """A machine with the native library, and one without."""
    monkeypatch.setenv("SEQSWEEP_NATIVE", "" if request.param else "off")
    return request.param


@pytest.mark.parametrize(
    "own",
    [
        ("model=simple",), ("model=bidirectional",), ("model=multilayer",), ("model.cell=gru",),
        ("model.recurrent_init=orthogonal",), ("model.cell=lstm", "model.forget_bias=1"),
        ("model.layer_norm=true",),  # without effect, as there is one layer
    ],
    ids=" ".join,
)  # fmt: skip
def test_networks_of_ours_are_native_on_a_cpu(checked, has_library, own):
    config = checked(*BASE, *own)
    assert engine_of(config) == ("native" if has_library else "autograd")


@pytest.mark.parametrize("own", ONLY_AUTOGRAD, ids=" ".join)
def test_a_config_that_only_autograd_trains_goes_to_autograd(checked, has_library, own):
    config = checked(*BASE, *own)
    assert engine_of(config) == "autograd"
    assert why_not_native(config) is not None
    with pytest.raises(ValueError, match=r"^engine=native: cannot train .*engine=auto"):
        engine_of(config | {"engine": "native"})


def test_a_gpu_trains_what_only_autograd_can_train_or_what_is_asked_for(
    checked, fake_gpu, has_library, tmp_path
):
    """The engine is the same on each machine, so a sweep of several has one engine."""

    def place(*overrides: str) -> tuple[str, str]:
        config = checked("data=digits", *overrides)
        engine = engine_of(config)
        if engine == "native":
            return engine, "cpu"
        return engine, build_run(config, tmp_path).trainer.strategy.root_device.type

    assert place() == (("native", "cpu") if has_library else ("autograd", "cuda"))
    assert place("trainer=gpu") == place("engine=autograd") == ("autograd", "cuda")
    assert place("trainer=cpu", "engine=autograd") == ("autograd", "cpu")
    with pytest.raises(ValueError, match=r"^engine=native: cannot train trainer\.accelerator=gpu"):
        engine_of(checked("data=digits", "trainer=gpu", "engine=native"))


def test_native_without_the_library_says_what_is_missing(checked, monkeypatch):
    monkeypatch.setenv("SEQSWEEP_NATIVE", "off")
    with pytest.raises(ValueError, match=r"^engine=native: must be auto .*; no native engine: "):
        engine_of(checked(*BASE, "engine=native"))
    assert missing_library([checked(*BASE)]) == []  # it was switched off on purpose
