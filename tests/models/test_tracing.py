"""A traced program computes what the class of its cell computes, and what cannot be is refused."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import example_cells
import odd_cells
import pytest
import torch
from program_runs import Run, autograd, random_case
from torch import Tensor, nn
from torch.nn import functional

from seqsweep.models.cell import Cell
from seqsweep.models.cells import CELLS
from seqsweep.models.tracing import Untraceable, trace
from seqsweep.native.program import OPERATIONS, packaged_program

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(Path(__file__).parents[2] / "scripts")
    programs: Any = importlib.import_module("programs")


class Rated(Cell):
    """A cell of the tests, which replace its step."""

    rate: Tensor

    @staticmethod
    def shapes(inputs: int, hidden: int) -> dict[str, tuple[int, ...]]:
        return {"weight_ih": (hidden, inputs), "bias_ih": (hidden,), "rate": (hidden,)}


def assert_equals_autograd(
    cell: type[Cell], options: dict[str, Any], weights: Any, x: Tensor, dy: Tensor
) -> None:
    inputs, hidden = x.shape[-1], dy.shape[-1]
    run = Run(trace(cell, inputs, hidden, options), weights, x, dy)
    outputs, gradients = autograd(cell, options, weights, x, dy)
    torch.testing.assert_close(run.outputs, outputs, rtol=1e-12, atol=1e-12, equal_nan=True)
    for name, gradient in gradients.items():
        close = 1e-12 * max(gradient.nan_to_num(0).abs().max().item(), 1)
        torch.testing.assert_close(
            run.gradients[name], gradient, rtol=1e-12, atol=close, equal_nan=True
        )


def write_into(a: Tensor, b: Tensor) -> Tensor:
    both = torch.zeros(len(a), 8).to(a.dtype)
    both[:, :4] = a
    both[:, 4:] = b
    both[:, :4] *= 2
    return both[:, :4] * (a * 1.5).add_(b).tanh_()


SMOOTH: list[Callable[[Tensor, Tensor], Tensor]] = [
    lambda a, b: -a.sin() * b.cos() - a.exp() + (a * a + 1).log() / (b * b + 1).sqrt(),
    lambda a, b: a.sigmoid() * b.tanh() + functional.softplus(a) * functional.silu(b),
    lambda a, b: (a * a + 1).rsqrt() + 1 / (b * b + 2) - a.square() + (b * b + 1).reciprocal(),
    lambda a, b: a**3 + (a * a + 1) ** -2 + b**0 + (b * b + 1) ** 0.5 - (a * a + 1) ** -0.5,
    lambda a, b: torch.lerp(a, b, 0.3) + torch.lerp(a, b, a.sigmoid()) + torch.rsub(a, b, alpha=3),
    lambda a, b: torch.addcmul(a, a, b, value=0.5) + torch.addcdiv(a, a, b * b + 1, value=-2),
    lambda a, b: functional.gelu(a, approximate="tanh") * functional.mish(b) - torch.tensor(2.0),
    lambda a, b: functional.logsigmoid(a) * torch.log1p(b * b) + torch.expm1(a * 0.3 - b.abs()),
    lambda a, b: torch.add(a, b, alpha=2) - torch.full_like(a, 0.5) * a + torch.ones(4) * b,
]  # fmt: skip
KINKED: list[Callable[[Tensor, Tensor], Tensor]] = [
    lambda a, b: a.relu() + a.abs() * b + torch.maximum(a, b) - torch.min(a, b) * 2,
    lambda a, b: torch.where(a > b, a, b * 2) + torch.where(a <= 0.5, a * b, 0.0) + (a >= b) * a,
    lambda a, b: (a == b).float() * b + (a != 0).to(a.dtype) * b + a.masked_fill(b < 0, 0.5),
    lambda a, b: torch.where(((a > 0) & (b > 0)) | ~(a > b), a, b) + ((a > 0) ^ (b > 0)) * a,
    lambda a, b: torch.where(torch.logical_and(a, b > 0) | torch.logical_not(b), a, 3 * b),
    lambda a, b: torch.where(torch.logical_or(a > 2, b), a, torch.logical_xor(a, b) * b) + a.sign(),
]  # fmt: skip
CLAMPED: list[Callable[[Tensor, Tensor], Tensor]] = [
    lambda a, b: a.clamp(-1, 1) + a.clamp(min=0) * b + a.clamp_max(0.5) + functional.hardtanh(a),
    lambda a, b: functional.relu6(a * 6) * b + functional.hardswish(a * 3),
    lambda a, b: functional.leaky_relu(a, 0.1) + functional.elu(a * 300) - functional.selu(a) * b,
    lambda a, b: functional.threshold(a, 0.5, -2.0) * b + functional.celu(a, 2.0),
]
MOVED: list[Callable[[Tensor, Tensor], Tensor]] = [
    lambda a, b: torch.stack((a, b), 1).reshape(-1, 8)[:, 4:] * a + torch.stack((a, b), 1)[:, 0],
    lambda a, b: a.repeat(1, 2)[:, 4:] + b.expand(1, -1, -1)[0] * a.unsqueeze(1).squeeze(1),
    lambda a, b: torch.cat((a, b), 1).view(-1, 2, 4).transpose(0, 1)[1] * a.clone(),
    lambda a, b: torch.cat((a, b, a * b), 1).split([4, 8], 1)[1].chunk(2, 1)[1],
    lambda a, b: torch.cat((a, b), 1).unflatten(1, (2, 4)).unbind(1)[0] * b,
    write_into,
]


def times_rate(functions: list[Callable[[Tensor, Tensor], Tensor]]) -> type[Cell]:
    """Returns a cell that uses each function of its input and state."""

    class Every(Rated):
        def step(self, x: Tensor, state: Tensor) -> Tensor:
            parts = [function(x, state) for function in functions]
            return (self.rate + 1) * torch.stack(parts).unbind(0)[0] * 0.1 + sum(parts[1:]) * 0.1

    return Every


@pytest.mark.parametrize("functions", [SMOOTH, KINKED, CLAMPED, MOVED])
def test_each_operation_of_torch_has_the_value_and_gradient_of_torch(functions):
    assert_equals_autograd(times_rate(functions), {}, *random_case(Rated, 3, 4, 0.5))


@pytest.mark.parametrize("functions", [KINKED, CLAMPED])
def test_ties_and_kinks_have_the_gradients_of_torch(functions):
    weights, x, dy = random_case(Rated, 4, 4)
    weights |= {"weight_ih": torch.eye(4).double(), "bias_ih": torch.zeros(4).double()}
    weights["rate"] = torch.zeros(4).double()  # so that the first state, 0, ties often
    x = (x * 2).round() / 2
    x[0] = 0
    assert_equals_autograd(times_rate(functions), {}, weights, x, dy)


def test_nan_passes_as_in_torch():
    weights, x, dy = random_case(Rated, 4, 4)
    weights["weight_ih"] = torch.eye(4).double()
    x[1, 1] = torch.nan
    assert_equals_autograd(times_rate(KINKED[:4]), {}, weights, x, dy)
    run = Run(trace(times_rate(CLAMPED), 4, 4), weights, x, dy)
    assert run.outputs[:, 1].isnan().sum() == 16 and run.outputs[:, [0, 2]].isfinite().all()


@pytest.mark.slow
def test_the_cells_above_use_every_operation_of_programs():
    cells = [times_rate(functions) for functions in (SMOOTH, KINKED, CLAMPED, MOVED)]
    used = {
        instruction.operation
        for cell in [*cells, *example_cells.CELLS]
        for part in trace(cell, 3, 4).parts.values()
        for instruction in part
    }
    assert set(OPERATIONS) - used <= {"copy"}


def test_the_packaged_programs_are_those_of_the_classes():
    """The packaged programs are made by `python scripts/programs.py`."""
    traced = dict(programs.trace_cells(7, 7))
    assert {path.stem for path in programs.PROGRAMS.iterdir()} == traced.keys() > CELLS.keys()
    for name, program in traced.items():
        assert packaged_program(name) == program


class ReadTwice(odd_cells.with_weights(states=2, matrices=[(1, 1)])):
    """A cell whose product is a block of the next state, and is read besides."""

    def step(self, x: Tensor, state: Tensor) -> Tensor:
        h, before = state.chunk(2, dim=1)
        product = functional.linear(h, self.matrix0)  # pyright: ignore[reportAttributeAccessIssue]
        return torch.cat((torch.tanh(product + x - before), product), dim=1)

    def output(self, states: Tensor, x: Tensor) -> Tensor:
        return states.chunk(2, dim=1)[0]


def test_a_product_that_is_read_twice_keeps_its_name():
    assert_equals_autograd(ReadTwice, {}, *random_case(ReadTwice, 3, 4))


LINEAR = nn.Linear(4, 4)


def keep(self: Any, x: Tensor, state: Tensor) -> Tensor:
    self.count = 1
    return x + self.rate * state


REFUSED: list[tuple[str, Callable[[Any, Tensor, Tensor], Any]]] = [
    ("torch.roll is not an operation", lambda self, x, state: x.roll(1, 1)),
    ("torch.bernoulli_ draws random numbers", lambda self, x, state: functional.dropout(x, 0.5)),
    ("must not read a number", lambda self, x, state: x if x[0, 0] else state),
    ("self.count: a step must not keep", keep),
    ("must not be changed in place", lambda self, x, state: state.add_(x)),
    ("must be a weight in `shapes`", lambda self, x, state: LINEAR(x)),
    ("torch.view: tensors must be cut", lambda self, x, state: x.view(-1, 2, 2).flatten(1)),
    ("step: the sequences of a batch must", lambda self, x, state: torch.cat((x[1:], x[:1]))),
    ("of programs, which compute each unit by itself", lambda self, x, state: x - x.mean()),
    ("for any number of sequences", lambda self, x, state: self.rate * state + x / len(x)),
    ("must return a tensor of shape (2, 4), got tuple", lambda self, x, state: (x, state)),
    ("exponent must be a whole number", lambda self, x, state: x**1.5),
    ("torch.detach: programs do not stop", lambda self, x, state: x.detach()),
    ("approximate must be 'tanh'", lambda self, x, state: functional.gelu(x)),
    ("with these arguments", lambda self, x, state: torch.div(x, 2, rounding_mode="floor")),
    ("must be of float32, got torch.float64", lambda self, x, state: x.double()),
    ("the weight rate is never used", lambda self, x, state: x + state),
    ("write functional.linear(v, square)", lambda self, x, state: x + state @ self.square),
    ("may only be a factor", lambda self, x, state: functional.linear(x, self.square.exp())),
    ("one factor must be a weight", lambda self, x, state: x @ torch.ones(4, 4)),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "step"), REFUSED)
def test_what_a_program_cannot_say_is_refused_by_name_and_line(reason: str, step: Any):
    class Refused(Rated):
        shapes = staticmethod(
            lambda inputs, hidden: Rated.shapes(inputs, hidden) | {"square": (hidden, hidden)}
        )

    Refused.step = step
    with pytest.raises(Untraceable) as caught:
        trace(Refused, 3, 4)
    message = str(caught.value)
    assert reason in message
    if "torch." in message or "number: " in message:
        assert message.startswith(f"test_tracing.py:{step.__code__.co_firstlineno}: ")


@pytest.mark.parametrize("shape", [(), (4, 2), (6,)])
def test_a_weight_must_consist_of_blocks(shape: tuple[int, ...]):
    class Odd(Rated):
        shapes = staticmethod(lambda inputs, hidden: Rated.shapes(inputs, hidden) | {"rate": shape})

    with pytest.raises(Untraceable, match="rate: the shape must be"):
        trace(Odd, 3, 4)
