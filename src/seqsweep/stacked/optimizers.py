"""Optimizers of a stack: a few operations on flat buffers, hyperparameters of each member apart.

K members, N lanes, P numbers of a lane. Each is the optimizer of the same name in `torch.optim`;
its hyperparameters are columns (K, 1), so members may differ in all of them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

Hyperparameters = Mapping[str, float]


class FlatOptimizer:
    """The base: parameters and gradients as rows (K, D*P), the state as more such buffers.

    Args:
        parameters, gradients: (K, D*P), changed and read in place.
        hyperparameters: of each member, by the names of `torch.optim`.
    """

    moments: tuple[str, ...] = ()
    """The names of the state's buffers, torch's own."""

    def __init__(
        self, parameters: Tensor, gradients: Tensor, hyperparameters: Sequence[Hyperparameters]
    ) -> None:
        self.parameters = parameters
        self.gradients = gradients
        self.state = {name: torch.zeros_like(parameters) for name in self.moments}
        self.steps = 0
        self._decay: Tensor | float = 0.0
        self._scratch = torch.empty_like(parameters)
        self.set(hyperparameters)

    def set(self, hyperparameters: Sequence[Hyperparameters]) -> None:
        """New values, such as a scheduler's lr; they hold from the next step on."""
        names = hyperparameters[0].keys()
        self.values = {name: [float(each[name]) for each in hyperparameters] for name in names}
        self._lr = self._column(self.values["lr"])
        self._prepare()

    def step(self) -> None:
        """Changes the parameters by their gradients."""
        self.steps += 1
        self._update()

    def _prepare(self) -> None:
        """Called when hyperparameters have changed."""

    def _update(self) -> None:
        raise AssertionError("a subclass updates")

    def _move(self, update: Tensor) -> None:
        """Against `update` by lr."""
        if isinstance(self._lr, Tensor):
            self.parameters.addcmul_(update, self._lr, value=-1)
        else:
            self.parameters.add_(update, alpha=-self._lr)

    def _column(self, values: Sequence[float]) -> Tensor | float:
        """(K, 1), or a plain number where all members have the same."""
        if len(set(values)) == 1:
            return values[0]
        return torch.tensor(
            values, dtype=self.parameters.dtype, device=self.parameters.device
        ).unsqueeze(1)

    def _decayed(self) -> Tensor:
        """The gradients with weight_decay * parameters added, as all but AdamW have it."""
        decay = self._decay
        if isinstance(decay, Tensor):
            return torch.addcmul(self.gradients, self.parameters, decay, out=self._scratch)
        if not decay:
            return self.gradients
        return torch.add(self.gradients, self.parameters, alpha=decay, out=self._scratch)


class Adam(FlatOptimizer):
    """`torch.optim.Adam`; Kingma & Ba 2015."""

    moments = ("exp_avg", "exp_avg_sq")

    def _prepare(self) -> None:
        self._beta1 = self._column([1 - value for value in self.values["beta1"]])
        self._beta2 = self._column(self.values["beta2"])
        self._beta2_rest = self._column([1 - value for value in self.values["beta2"]])
        self._eps = self._column(self.values["eps"])
        self._decay = self._column(self.values["weight_decay"])
        self._denominator = torch.empty_like(self.parameters)

    def _update(self) -> None:
        self._apply(self._decayed())

    def _apply(self, gradients: Tensor) -> None:
        average, square = self.state["exp_avg"], self.state["exp_avg_sq"]
        average.lerp_(gradients, self._beta1)
        square.mul_(self._beta2)
        if isinstance(self._beta2_rest, Tensor):
            square.addcmul_(gradients * self._beta2_rest, gradients)
        else:
            square.addcmul_(gradients, gradients, value=self._beta2_rest)
        first, second = self._corrections()
        # p -= lr / first * m / (sqrt(v) / sqrt(second) + eps), as torch does it
        denominator = torch.sqrt(square, out=self._denominator).div_(second).add_(self._eps)
        if isinstance(first, Tensor):
            self.parameters.addcdiv_(average * -first, denominator)
        else:
            self.parameters.addcdiv_(average, denominator, value=-first)

    def _corrections(self) -> tuple[Tensor | float, Tensor | float]:
        """lr / (1 - beta1^t), sqrt(1 - beta2^t)."""
        pairs = zip(self.values["lr"], self.values["beta1"], strict=True)
        first = [lr / (1 - beta**self.steps) for lr, beta in pairs]
        second = [(1 - beta**self.steps) ** 0.5 for beta in self.values["beta2"]]
        return self._column(first), self._column(second)


class AdamW(Adam):
    """`torch.optim.AdamW`; Loshchilov & Hutter 2019: weight decay apart from the gradient."""

    def _prepare(self) -> None:
        super()._prepare()
        pairs = zip(self.values["lr"], self.values["weight_decay"], strict=True)
        self._keep = self._column([1 - lr * decay for lr, decay in pairs])

    def _update(self) -> None:
        self.parameters.mul_(self._keep)
        self._apply(self.gradients)


class SGD(FlatOptimizer):
    """`torch.optim.SGD` with momentum, plain or Nesterov's; dampening 0."""

    moments = ("momentum_buffer",)

    def _prepare(self) -> None:
        self._decay = self._column(self.values["weight_decay"])
        self._momentum = self._column(self.values["momentum"])
        self._looks_ahead = self._column(self.values["nesterov"])

    def _update(self) -> None:
        gradients = self._decayed()
        momentum = self.state["momentum_buffer"]
        if isinstance(self._momentum, Tensor) or self._momentum != 0:
            momentum.mul_(self._momentum).add_(gradients)
            ahead = momentum * self._momentum + gradients
            gradients = _choose(self._looks_ahead, ahead, momentum)
        self._move(gradients)


class RMSprop(FlatOptimizer):
    """`torch.optim.RMSprop`, not centred; Tieleman & Hinton 2012."""

    moments = ("square_avg", "momentum_buffer")

    def _prepare(self) -> None:
        self._decay = self._column(self.values["weight_decay"])
        self._momentum = self._column(self.values["momentum"])
        self._alpha = self._column(self.values["alpha"])
        self._alpha_rest = self._column([1 - value for value in self.values["alpha"]])
        self._eps = self._column(self.values["eps"])

    def _update(self) -> None:
        gradients = self._decayed()
        square = self.state["square_avg"]
        square.mul_(self._alpha)
        square.addcmul_(gradients, gradients * self._alpha_rest)
        update = gradients / square.sqrt().add_(self._eps)
        if isinstance(self._momentum, Tensor) or self._momentum != 0:
            momentum = self.state["momentum_buffer"]
            update = momentum.mul_(self._momentum).add_(update)
        self._move(update)


def _choose(which: Tensor | float, ahead: Tensor, momentum: Tensor) -> Tensor:
    if isinstance(which, Tensor):
        return torch.where(which.bool(), ahead, momentum)
    return ahead if which else momentum


_OPTIMIZERS: dict[type, type[FlatOptimizer]] = {
    torch.optim.Adam: Adam,
    torch.optim.AdamW: AdamW,
    torch.optim.SGD: SGD,
    torch.optim.RMSprop: RMSprop,
}
_UNUSED = ("amsgrad", "maximize", "centered", "dampening", "decoupled_weight_decay")
_NAMES = ("lr", "eps", "weight_decay", "momentum", "nesterov", "alpha")


def flat_optimizer_for(optimizer: torch.optim.Optimizer) -> type[FlatOptimizer] | None:
    """The flat optimizer that does what this one does; None where there is none."""
    kind = _OPTIMIZERS.get(type(optimizer))
    groups: list[dict[str, Any]] = optimizer.param_groups
    if kind is None or len(groups) != 1:
        return None
    options = groups[0]
    off = [name for name in _UNUSED if options.get(name) and not _is_adamw(kind, name)]
    return None if off else kind


def _is_adamw(kind: type[FlatOptimizer], name: str) -> bool:
    return kind is AdamW and name == "decoupled_weight_decay"


def hyperparameters(optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """What of an optimizer's options its flat one reads, as they are now."""
    options = optimizer.param_groups[0]
    found = {name: float(options[name]) for name in _NAMES if name in options}
    if "betas" in options:
        found["beta1"], found["beta2"] = options["betas"]
    return found
