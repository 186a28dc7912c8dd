"""The estimated time grows with the number of operations."""

from collections.abc import Callable

import pytest

from seqsweep.config.schema import Config
from seqsweep.sweeping.forming import epoch_seconds, seconds_of
from seqsweep.training.planned_run import plan

BASE = ("data=digits", "trainer=cpu", "trainer.max_epochs=3")


@pytest.mark.parametrize("engine", ["native", "autograd"])
@pytest.mark.parametrize(
    "more",
    ["model.hidden_size=33", "model.num_layers=2", "model.cell=gru", "model.bidirectional=true"],
)
def test_a_larger_network_has_a_longer_estimate(
    checked: Callable[..., Config], engine: str, more: str
) -> None:
    small, large = (plan(checked(*BASE, *own)) for own in ((), (more,)))
    assert 0 < epoch_seconds(small, engine) < epoch_seconds(large, engine)
    assert seconds_of(small, engine) == pytest.approx(3 * epoch_seconds(small, engine))


def test_a_users_network_has_no_estimate(checked: Callable[..., Config]) -> None:
    member = plan(checked(*BASE))
    member.config["model"] = {"_target_": "mine.Net"}
    assert seconds_of(member, "autograd") == 0
