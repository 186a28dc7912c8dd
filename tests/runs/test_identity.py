"""The id of a run changes with what decides its result, and with nothing else."""

import re
from typing import Any

import numpy as np
import pytest

from seqsweep.runs.identity import run_id
from seqsweep.training.planned_run import plan

SMALL = ("data.source.num_train=8", "data.source.num_val=8", "data.source.num_test=8",
         "data.source.length=10", "data.batch_size=4")  # fmt: skip


@pytest.fixture
def id_of(checked):
    return lambda *overrides: plan(checked(*SMALL, *overrides)).run_id


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["seed=1", "model.hidden_size=8"], ["model.hidden_size=8", "seed=1"]),
        ([], ["data=temporal_order", "model=rnn", "model.pooling=last", "optimizer.lr=0.003"]),
        ([], ["~model.pooling", "~optimizer.betas", "~model.layer_norm", "~model.recurrent_init"]),
        ([], ["output_dir=/elsewhere", "name=mine", "sweep.name=theirs"]),
        (["logger=csv"], ["logger=none"]),
        ([], ["threads=2", "rerun=true", "data.num_workers=2"]),
        ([], ["trainer.progress_bar=false", "trainer.profiler=simple"]),
        ([], ["model.layer_norm=false", "model.recurrent_init=uniform", "model.forget_bias=null"]),
        (
            ["data.transform.frame=2", "data.transform.jitter=1"],
            ["data.transform={jitter:1.0,frame:2}"],
        ),
        (["optimizer.lr=1"], ["optimizer.lr=1.0"]),
        (["model.hidden_size=8"], ["model.hidden_size=8.0"]),
    ],
    ids=lambda overrides: " ".join(overrides) or "default",
)
def test_configs_with_the_same_result_have_the_same_run_id(one, other, id_of):
    assert id_of(*one) == id_of(*other)


def test_what_decides_the_result_makes_another_run(id_of):
    changes = [
        [], ["seed=1"], ["monitor=val/loss"], ["model.hidden_size=8"], ["model.cell=gru"],
        ["model=simple"], ["optimizer.lr=0.004"], ["optimizer=sgd"], ["scheduler=cosine"],
        ["data.batch_size=2"], ["data.shuffle=false"], ["data.source.seed=1"],
        ["data.transform.frame=2"], ["data.transform.jitter=0.1"], ["data.transform.crop=[0,5]"],
        ["data.source.num_test=9"], ["trainer.max_epochs=2"], ["trainer.gradient_clip_val=null"],
        ["model.layer_norm=true"], ["model.recurrent_init=orthogonal"], ["model.pooling=attention"],
        ["loss.label_smoothing=0.1"], ["loss.class_weights=balanced"], ["callbacks=early_stopping"],
    ]  # fmt: skip
    ids = {id_of(*overrides): overrides for overrides in changes}
    assert len(ids) == len(changes)
    assert all(re.fullmatch("[0-9a-f]{16}", name) for name in ids)


def test_the_content_of_a_file_counts_and_not_its_path_padding_or_layout(checked, tmp_path):
    def id_of(name: str, layout: str = "batch_first", **arrays: Any) -> str:
        np.savez(tmp_path / name, y=np.arange(12) % 2, **arrays)
        where = (f"data.source.path={tmp_path / name}", f"data.source.layout={layout}")
        return plan(checked("data=npz", *where, "data.batch_size=2")).run_id

    x = np.arange(96.0).reshape(12, 4, 2)
    lengths = np.full(12, 4)
    padded = np.pad(x, ((0, 0), (0, 3), (0, 0)), constant_values=7)
    ids = {
        id_of("a.npz", X=x),
        id_of("b.npz", X=x, lengths=lengths),
        id_of("c.npz", X=padded, lengths=lengths),
        id_of("d.npz", X=x.reshape(48, 2), lengths=lengths),
        id_of("e.npz", "time_first", X=x.swapaxes(0, 1)),
        id_of("f.npz", "channels_first", X=x.swapaxes(1, 2)),
    }
    assert len(ids) == 1
    assert id_of("g.npz", X=padded) not in ids


def test_the_path_without_a_fingerprint_and_the_order_of_a_list_count():
    """Data that cannot be read beforehand are known by nothing else; keys have no order."""
    configs = [{"data": {"source": {"path": path}}, "seed": 0} for path in ("a", "b")]
    assert len({run_id(config, None) for config in configs}) == 2
    assert len({run_id(config, "f") for config in configs}) == 1
    one, other = {"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}
    assert run_id(one, None) == run_id(other, None)
    assert run_id({"a": [1, 2]}, None) != run_id({"a": [2, 1]}, None)
