"""`verify-stack` distinguishes amplified rounding errors from a fault of an engine."""

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from seqsweep.config.schema import Config
from seqsweep.native.library import library
from seqsweep.sweeping.verify import verify_stack
from seqsweep.training.engines.joint.schedule import Schedule
from seqsweep.training.planned_run import plan

pytestmark = pytest.mark.slow
BASE = (
    "data=digits", "data.batch_size=32", "trainer.accelerator=cpu", "trainer.max_epochs=1",
    "trainer.progress_bar=false", "model.hidden_size=16",
)  # fmt: skip


@pytest.fixture(params=["native", "stacked"])
def engine(request: pytest.FixtureRequest) -> str:
    if request.param == "native" and library() is None:
        pytest.skip("no native library")
    return request.param


@pytest.fixture
def verify(checked: Callable[..., Config]) -> Callable[..., tuple[int, str]]:
    """Verifies two seeds and returns the exit code and the printed text."""

    def call(*overrides: str) -> tuple[int, str]:
        members = [plan(checked(*BASE, *overrides, f"seed={seed}")) for seed in (0, 1)]
        console = Console(file=io.StringIO(), width=200)
        code = verify_stack(members, 2, console)
        assert isinstance(console.file, io.StringIO)
        return code, console.file.getvalue()

    return call


def test_rounding_that_training_amplifies_is_not_a_fault(verify, engine):
    """With relu and a large lr, the losses of one epoch differ by a tenth in float32."""
    own = (
        "model.num_layers=4", "model.hidden_size=32", "model.nonlinearity=relu",
        "optimizer.lr=0.1",
    )  # fmt: skip
    code, text = verify(f"engine={engine}", *own)
    row = next(line for line in text.splitlines() if "2 runs: rnn" in line)
    exact, first = map(float, row.split()[-5:-3])
    assert first > 1e-3 > exact
    assert code == 0
    assert "is rounding" in text


def test_an_engine_step_that_is_wrong_by_a_thousandth_is_a_fault(verify, engine, monkeypatch):
    right = Schedule.options

    def wrong(self: Schedule, epoch: int) -> dict[str, float]:
        options = right(self, epoch)
        return options | {"lr": options["lr"] * 1.001}

    monkeypatch.setattr(Schedule, "options", wrong)
    code, text = verify(f"engine={engine}", "optimizer=sgd")
    assert code == 1
    assert "the engines do not compute the same" in text


def test_verify_refuses_a_run_that_diverges_in_its_first_epoch(verify):
    wild = ("model.nonlinearity=relu", "optimizer.lr=1000", "trainer.gradient_clip_val=null")
    with pytest.raises(ValueError, match="diverges in its first epoch"):
        verify(*wild)


def test_verify_refuses_a_sweep_that_autograd_trains(verify):
    with pytest.raises(ValueError, match="expected members of the engines native and stacked"):
        verify("engine=autograd")
