"""Which runs train together: equal in data and shape, free in all else."""

from collections.abc import Callable
from pathlib import Path

import pytest

from seqsweep.config.schema import Config
from seqsweep.training.engine import engine_of, why_not_stacked
from seqsweep.training.planning import plan
from seqsweep.training.stacks import forming
from seqsweep.training.stacks.forming import Plan, form

Checked = Callable[..., Config]
BASE = ("data=digits", "trainer=cpu", "trainer.max_epochs=1")


def on_cpu(accelerator: str) -> bool:
    return accelerator == "gpu"


@pytest.fixture
def formed(checked: Checked, tmp_path: Path) -> Callable[..., Plan]:
    def call(
        *members: tuple[str, ...], processes: int | None = 1, common: tuple[str, ...] = BASE
    ) -> Plan:
        planned = [plan(checked(*common, *own)) for own in members]
        return form(planned, tmp_path, on_cpu, processes)

    return call


def sizes(found: Plan) -> list[int]:
    return sorted(len(stack.members) for stack in found.stacks)


FREE = [
    "seed=1", "model.hidden_size=20", "optimizer.lr=0.1", "optimizer.weight_decay=0.1",
    "optimizer.betas=[0.5,0.9]", "trainer.gradient_clip_val=null", "loss.label_smoothing=0.1",
    "loss.class_weights=balanced", "scheduler=cosine", "callbacks=early_stopping",
    "monitor=val/loss", "model.dropout=0.2", "logger=csv", "data.num_workers=1",
    "trainer.progress_bar=false", "name=other",
]  # fmt: skip
BOUND = [
    "model.num_layers=2", "model.bidirectional=true", "model.cell=gru", "model.pooling=mean",
    "model.nonlinearity=relu", "data.batch_size=16", "trainer.max_epochs=2", "optimizer=adamw",
    "data.split_seed=1", "data.standardize=false", "data=japanese_vowels", "threads=2",
    "trainer.check_val_every_n_epoch=2",
]  # fmt: skip


@pytest.mark.parametrize("override", FREE)
def test_what_members_may_differ_in(formed: Callable[..., Plan], override: str) -> None:
    assert sizes(formed((), (override,))) == [2]


@pytest.mark.parametrize("override", BOUND)
def test_what_they_share(formed: Callable[..., Plan], override: str) -> None:
    common = BASE if "data=" not in override and "max_epochs" not in override else BASE[1:2]
    own = BASE[0] if "data=" in override else "trainer.max_epochs=1"
    first = (own,) if common != BASE else ()
    assert sizes(formed(first, (override,), common=common)) == [1, 1]


ALONE = [
    ("trainer.limit_train_batches=2",), ("trainer.overfit_batches=2",), ("trainer.devices=2",),
    ("trainer.detect_anomaly=true",), ("trainer.precision=bf16-mixed",), ("engine=autograd",),
    ("callbacks.checkpoint=null",), ("+callbacks.mine._target_=lightning.pytorch.callbacks.Timer",),
]  # fmt: skip


@pytest.mark.parametrize("own", ALONE, ids=" ".join)
def test_what_only_autograd_does(formed: Callable[..., Plan], own: tuple[str, ...]) -> None:
    found = formed((), ("seed=1",), own)
    assert sizes(found) == [2]
    assert len(found.alone) == 1


def test_lstms_are_stacked_where_that_is_quicker(formed: Callable[..., Plan]) -> None:
    lstm = ("model.cell=lstm",)
    many = [(*lstm, f"seed={seed}") for seed in range(4)]
    assert sizes(formed(*many)) == [4]
    assert len(formed(*many[:3]).alone) == 3
    assert len(formed(*((*own, "model.hidden_size=64") for own in many)).alone) == 4


def test_a_gpu_is_autograds_unless_asked(checked: Checked) -> None:
    assert engine_of(checked(*BASE, "trainer.accelerator=gpu"), 8, on_cpu) == "autograd"
    asked = checked(*BASE, "trainer.accelerator=gpu", "engine=stacked")
    assert engine_of(asked, 8, on_cpu) == "stacked"


def test_asking_for_what_cannot_be_is_refused(checked: Checked) -> None:
    config = checked(*BASE, "engine=stacked", "trainer.devices=2")
    assert why_not_stacked(config) == "trainer.devices=2"
    with pytest.raises(ValueError, match=r"engine=stacked cannot train trainer\.devices=2; give"):
        engine_of(config, 1, on_cpu)


def test_two_processes_share_a_long_sweep(formed: Callable[..., Plan]) -> None:
    members = [("data=digits", f"seed={seed}", "trainer.max_epochs=200") for seed in range(16)]
    found = formed(*members, processes=2, common=("trainer=cpu",))
    assert (sizes(found), found.processes) == ([8, 8], 2)
    assert formed(*members, common=("trainer=cpu",)).processes == 1


def test_a_process_for_each_core_where_that_pays(
    formed: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forming, "cores", lambda: 4)
    members = [("data=digits", "model.hidden_size=128", f"seed={seed}") for seed in range(8)]
    short, long = ((f"trainer.max_epochs={epochs}", "trainer=cpu") for epochs in (1, 500))
    assert formed(*members, processes=None, common=short).processes == 1
    assert formed(*members, processes=None, common=long).processes == 4


def test_stacks_tell_what_they_are(formed: Callable[..., Plan]) -> None:
    found = formed((), ("seed=1", "model.hidden_size=10"), common=(*BASE, "model.num_layers=2"))
    assert found.stacks[0].text() == "2 runs: rnn, 2 layers, hidden 10, 32 padded to 32"
