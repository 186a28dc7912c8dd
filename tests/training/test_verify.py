"""`verify-stack` tells rounding, however far it has grown, from a fault."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from seqsweep.config.schema import Config
from seqsweep.stacked.network import StackedNetwork
from seqsweep.training.planning import plan
from seqsweep.training.verify import verify_stack

pytestmark = pytest.mark.slow
BASE = (
    "data=digits", "data.batch_size=32", "trainer.accelerator=cpu", "trainer.max_epochs=1",
    "trainer.progress_bar=false", "model.hidden_size=16",
)  # fmt: skip


@pytest.fixture
def verify(checked: Callable[..., Config]) -> Callable[..., tuple[int, str]]:
    """The exit code and what is printed, of two seeds."""

    def call(*overrides: str) -> tuple[int, str]:
        members = [plan(checked(*BASE, *overrides, f"seed={seed}")) for seed in (0, 1)]
        console = Console(file=io.StringIO(), width=200)
        code = verify_stack(members, 2, console)
        assert isinstance(console.file, io.StringIO)
        return code, console.file.getvalue()

    return call


def test_rounding_that_training_amplifies_is_no_fault(verify):
    """relu and a large lr: the losses of one epoch are a tenth apart in float32."""
    code, text = verify("model.num_layers=4", "model.nonlinearity=relu", "optimizer.lr=0.1")
    row = next(line for line in text.splitlines() if "2 runs: rnn" in line)
    single, exact = map(float, row.split()[-5:-3])
    assert single > 1e-4 > exact
    assert code == 0
    assert "is rounding" in text


def test_a_gradient_that_is_wrong_by_a_millionth_is_a_fault(verify, monkeypatch):
    """It changes the losses by less than float32 rounding may."""
    right = StackedNetwork.backward

    def wrong(self: StackedNetwork, *arguments: Any) -> None:
        right(self, *arguments)
        self.gradient.mul_(1 + 1e-6)

    monkeypatch.setattr(StackedNetwork, "backward", wrong)
    code, text = verify("optimizer=sgd")
    assert code == 1
    assert "the engines do not compute the same" in text


def test_a_run_that_diverges_at_once_has_nothing_to_compare(verify):
    with pytest.raises(ValueError, match="diverges in its first epoch"):
        verify("model.nonlinearity=relu", "optimizer.lr=1000", "trainer.gradient_clip_val=null")
