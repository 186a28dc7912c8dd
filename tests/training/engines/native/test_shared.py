"""Members of equal configs share a network, whose draws disturb no other thread."""

import random
from typing import Any

import numpy as np
import pytest
import torch
from run_files import SMALL
from torch.overrides import TorchFunctionMode

import seqsweep
from seqsweep.training.engines.native.shared import template_of
from seqsweep.training.planned_run import plan
from seqsweep.training.train import check_parts, train

MODELS = [
    ("model.cell=lstm", "model.forget_bias=1", "model.recurrent_init=orthogonal"),
    ("model.cell=gru", "model.bidirectional=true", "model.num_layers=2"),
    ("model=bidirectional",),
]


class Watch(TorchFunctionMode):
    """Compares torch's global generator at each operation with its state at the beginning."""

    def __init__(self) -> None:
        self.first = torch.get_rng_state()
        self.operations = 0
        super().__init__()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        assert torch.equal(torch.default_generator.get_state(), self.first), func
        self.operations += 1
        return result


@pytest.mark.parametrize("model", MODELS)
def test_first_weights_never_touch_the_global_generator(checked, model):
    """A thread that sets it, even for a moment, would change the numbers of another thread."""
    section = checked(*SMALL, *model, "model.hidden_size=37")["model"]
    with Watch() as watch:
        weights = template_of(section, 3, 4).first_weights(1)
    assert watch.operations > 10
    torch.manual_seed(3)
    assert torch.equal(template_of(section, 3, 4).first_weights(1), weights)
    assert not torch.equal(template_of(section, 3, 4).first_weights(2), weights)


@pytest.mark.slow
def test_a_run_leaves_the_programs_random_numbers(checked, tmp_path):
    """The first run of a shape builds the shared network, and leaves them too."""

    def state() -> list[Any]:
        return [torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()]

    before = state()
    for engine in ("native", "autograd"):
        run = plan(checked(*SMALL, f"engine={engine}", "model.hidden_size=41", "model.cell=gru"))
        check_parts(run, tmp_path)
        assert state() == before
        outcome = train(run, tmp_path / engine)
        assert outcome.trained and state() == before
        loaded = seqsweep.load_run(outcome.folder.path)
        loaded.predict_proba(np.zeros((2, 5, 3), np.float32))
        assert state() == before
