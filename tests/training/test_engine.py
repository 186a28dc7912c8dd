"""The engine of a run: a function of its config and of the machine."""

import pytest

from seqsweep.training.engine import engine_of, missing_library, why_not_native

BASE = ("data=digits", "trainer=cpu")
OWN_CALLBACK = "+callbacks.mine._target_=lightning.pytorch.callbacks.Timer"
ONLY_AUTOGRAD = [
    ("trainer.limit_train_batches=2",), ("trainer.overfit_batches=2",), ("trainer.devices=2",),
    ("trainer.detect_anomaly=true",), ("trainer.precision=bf16-mixed",),
    ("callbacks.checkpoint=null",), (OWN_CALLBACK,),
    ("model.layer_norm=true", "model.num_layers=2"), ("model.pooling=attention",),
    ("model.embedding_dim=4", "model.num_embeddings=9"),
]  # fmt: skip


def on_cpu(accelerator: str) -> bool:
    return accelerator == "gpu"


def has_gpu(_: str) -> bool:
    return True


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
    assert engine_of(config, on_cpu) == ("native" if has_library else "autograd")


@pytest.mark.parametrize("own", ONLY_AUTOGRAD, ids=" ".join)
def test_a_config_that_only_autograd_trains_goes_to_autograd(checked, has_library, own):
    config = checked(*BASE, *own)
    assert engine_of(config, on_cpu) == "autograd"
    assert why_not_native(config, on_cpu) is not None
    with pytest.raises(ValueError, match=r"^engine=native: cannot train .*engine=auto"):
        engine_of(config | {"engine": "native"}, on_cpu)


def test_a_gpu_is_autograds(checked):
    config = checked("data=digits")
    assert engine_of(config, has_gpu) == "autograd"
    with pytest.raises(ValueError, match=r"^engine=native: cannot train trainer\.accel.*a GPU"):
        engine_of(config | {"engine": "native"}, has_gpu)


def test_native_without_the_library_says_what_is_missing(checked, monkeypatch):
    monkeypatch.setenv("SEQSWEEP_NATIVE", "off")
    with pytest.raises(ValueError, match=r"^engine=native: must be auto .*; no native engine: "):
        engine_of(checked(*BASE, "engine=native"), on_cpu)
    assert missing_library([checked(*BASE)], on_cpu) == []  # it was switched off on purpose


def test_a_missing_library_is_named_where_it_would_train(checked):
    ours, asked, wide = (
        checked(*BASE, *own) for own in ((), ("engine=autograd",), ("trainer.devices=2",))
    )
    assert missing_library([wide, ours], on_cpu, lambda: "no compiler") == ["no compiler"]
    assert missing_library([asked, wide], on_cpu, lambda: "no compiler") == []
    assert missing_library([ours], on_cpu) == []


def test_a_gpu_is_not_looked_for_where_the_config_decides(checked):
    """The check imports torch, which `seqsweep plan` does without."""

    def never(_: str) -> bool:
        raise AssertionError("a GPU was looked for")

    for own in ("engine=autograd", "trainer.devices=2"):
        assert engine_of(checked("data=digits", own), never) == "autograd"
