"""A pool has runs with equal data; autograd trains the other runs alone."""

from collections.abc import Callable

import pytest

from seqsweep.config.schema import Config
from seqsweep.native.library import library
from seqsweep.sweeping.estimates import (
    engine_notes,
    epoch_seconds,
    pools_and_singles,
    seconds_of,
)
from seqsweep.training.planned_run import PlannedRun, plan

pytestmark = pytest.mark.skipif(library() is None, reason="no native library")

BASE = ("data=digits", "trainer=cpu", "trainer.max_epochs=1")

Formed = tuple[list[list[PlannedRun]], list[PlannedRun]]


@pytest.fixture
def formed(checked: Callable[..., Config]) -> Callable[..., Formed]:
    """Returns the pools and the single runs of members."""

    def call(*members: tuple[str, ...], common: tuple[str, ...] = BASE) -> Formed:
        chosen = [{text.partition("=")[0]: text for text in (*common, *own)} for own in members]
        planned = [plan(checked(*texts.values())) for texts in chosen]
        return pools_and_singles(planned)

    return call


def sizes(found: Formed) -> list[int]:
    return sorted(map(len, found[0]))


TIMER = "lightning.pytorch.callbacks.Timer"
FREE = (
    "seed=1", "optimizer=adamw", "optimizer.lr=0.1", "trainer.gradient_clip_val=null",
    "loss.class_weights=balanced", "scheduler=cosine", "callbacks=early_stopping", "logger=csv",
    "data.num_workers=1", "model.num_layers=2", "model.bidirectional=true", "model.cell=gru",
    "model.pooling=mean", "data.batch_size=16", "trainer.max_epochs=2",
)  # fmt: skip
OF_THE_DATA = (
    "data.split_seed=1", "data.standardize=false", "data=japanese_vowels",
    "data.eval_batch_size=16", "data.folds=5", "data.transform.frame=2",
)  # fmt: skip


def test_members_of_one_pool_may_differ_in_all_that_does_not_prepare_the_data(formed):
    augmented = ("data.transform.jitter=0.1", "data.transform.time_mask=2")
    found = formed((), augmented, *((override, "seed=9") for override in FREE))
    assert sizes(found) == [len(FREE) + 2]


def test_a_pool_has_one_prepared_data_set(formed):
    assert sizes(formed((), *((override,) for override in OF_THE_DATA))) == [1] * 7


def test_a_pool_begins_with_its_most_expensive_member(formed):
    widths = ("model.hidden_size=8", "model.hidden_size=64", "model.hidden_size=16")
    (pool,), _ = formed(*((width,) for width in widths))
    assert [m.config["model"]["hidden_size"] for m in pool] == [64, 16, 8]
    (pool,), _ = formed(("trainer.max_epochs=9",), ("trainer.max_epochs=1", "model.hidden_size=33"))
    assert [m.config["trainer"]["max_epochs"] for m in pool] == [9, 1]


@pytest.mark.parametrize(
    ("own", "line"),
    [
        (("model.pooling=attention",), "model.pooling=attention: autograd trains 2 runs"),
        (("optimizer._target_=torch.optim.NAdam",), "optimizer=torch.optim.NAdam, which is you"),
        ((f"+callbacks.t._target_={TIMER}",), f"the callback {TIMER}: autograd trains 2 runs"),
        (("engine=autograd", "trainer.devices=2"), None),
        ((), None),
    ],
)
def test_a_line_says_why_autograd_trains_runs_and_what_it_costs(checked, own, line):
    """An engine that was asked for needs no line."""
    runs = [plan(checked(*BASE, *own, f"seed={seed}")) for seed in range(2)]
    lines = engine_notes(runs)
    assert [each[: len(line or "")] for each in lines] == ([] if line is None else [line])
    assert all("times the time that native takes" in each for each in lines)


@pytest.mark.parametrize("engine", ["native", "autograd"])
@pytest.mark.parametrize("more", ["model.hidden_size=33", "model.cell=gru"])
def test_a_larger_network_has_a_longer_estimate(checked, engine, more):
    small, large = (plan(checked(*BASE, *own)) for own in ((), (more,)))
    assert 0 < epoch_seconds(small, engine) < epoch_seconds(large, engine)
    longer = plan(checked(*BASE, "trainer.max_epochs=3"))
    assert seconds_of(longer, engine) == pytest.approx(3 * epoch_seconds(small, engine))
