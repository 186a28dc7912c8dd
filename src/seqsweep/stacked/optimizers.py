"""The optimizers of a stack: a few operations on flat buffers for all members.

K members, D directions, P numbers of a lane. Each optimizer equals the one of the same name in
`torch.optim`. Its hyperparameters are columns (K, 1), so members may differ in all of them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

Hyperparameters = Mapping[str, float]


class FlatOptimizer:
    """The base class of the optimizers, whose state has a row for each member.

    Args:
        parameters: (K, D*P), changed in place.
        gradients: (K, D*P), read in place.
        hyperparameters: the hyperparameters of each member, by the names of `torch.optim`.
    """

    moments: tuple[str, ...] = ()
    """The names of the state's buffers, as in torch."""

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
        """Sets the hyperparameters of the next steps, such as the lr of a scheduler."""
        names = hyperparameters[0].keys()
        self.values = {name: [float(each[name]) for each in hyperparameters] for name in names}
        self._lr = self._column(self.values["lr"])
        self._prepare()

    def step(self) -> None:
        """Updates the parameters from the gradients."""
        self.steps += 1
        self._update()

    def _prepare(self) -> None:
        """Computes what depends on the hyperparameters alone; called when they change."""

    def _update(self) -> None:
        raise AssertionError("must be implemented by the subclass")

    def _move(self, update: Tensor) -> None:
        """Subtracts lr * update from the parameters."""
        if isinstance(self._lr, Tensor):
            self.parameters.addcmul_(update, self._lr, value=-1)
        else:
            self.parameters.add_(update, alpha=-self._lr)

    def _column(self, values: Sequence[float]) -> Tensor | float:
        """Returns values as a column (K, 1), or as one number if they are equal.

        Operations with a number are faster than those with a column.
        """
        if len(set(values)) == 1:
            return values[0]
        return torch.tensor(
            values, dtype=self.parameters.dtype, device=self.parameters.device
        ).unsqueeze(1)

    def _decayed(self) -> Tensor:
        """Returns the gradients plus weight_decay * parameters, which all but AdamW use."""
        decay = self._decay
        if isinstance(decay, Tensor):
            return torch.addcmul(self.gradients, self.parameters, decay, out=self._scratch)
        if not decay:
            return self.gradients
        return torch.add(self.gradients, self.parameters, alpha=decay, out=self._scratch)


class Adam(FlatOptimizer):
    """The optimizer of `torch.optim.Adam` (Kingma & Ba 2015)."""

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
        # p -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps), in torch's order.
        denominator = torch.sqrt(square, out=self._denominator).div_(second).add_(self._eps)
        if isinstance(first, Tensor):
            self.parameters.addcdiv_(average * -first, denominator)
        else:
            self.parameters.addcdiv_(average, denominator, value=-first)

    def _corrections(self) -> tuple[Tensor | float, Tensor | float]:
        """Returns the bias corrections: lr / (1 - beta1^t) and sqrt(1 - beta2^t)."""
        pairs = zip(self.values["lr"], self.values["beta1"], strict=True)
        first = [lr / (1 - beta**self.steps) for lr, beta in pairs]
        second = [(1 - beta**self.steps) ** 0.5 for beta in self.values["beta2"]]
        return self._column(first), self._column(second)


class AdamW(Adam):
    """The optimizer of `torch.optim.AdamW` (Loshchilov & Hutter 2019).

    Its weight decay shrinks the parameters directly instead of changing the gradients.
    """

    def _prepare(self) -> None:
        super()._prepare()
        pairs = zip(self.values["lr"], self.values["weight_decay"], strict=True)
        self._keep = self._column([1 - lr * decay for lr, decay in pairs])

    def _update(self) -> None:
        self.parameters.mul_(self._keep)
        self._apply(self.gradients)


class SGD(FlatOptimizer):
    """The optimizer of `torch.optim.SGD`, with plain or Nesterov momentum and no dampening."""

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
    """The optimizer of `torch.optim.RMSprop`, not centered (Tieleman & Hinton 2012)."""

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
    """Returns `ahead` for the members whose `which` is 1, else `momentum`."""
    if isinstance(which, Tensor):
        return torch.where(which.bool(), ahead, momentum)
    return ahead if which else momentum


_OPTIMIZERS: dict[type, type[FlatOptimizer]] = {
    torch.optim.Adam: Adam,
    torch.optim.AdamW: AdamW,
    torch.optim.SGD: SGD,
    torch.optim.RMSprop: RMSprop,
}
_UNSUPPORTED = ("amsgrad", "maximize", "centered", "dampening", "decoupled_weight_decay")
_NAMES = ("lr", "eps", "weight_decay", "momentum", "nesterov", "alpha")


def flat_optimizer_for(optimizer: torch.optim.Optimizer) -> type[FlatOptimizer] | None:
    """Returns the flat optimizer that equals this one; None if there is none."""
    kind = _OPTIMIZERS.get(type(optimizer))
    groups: list[dict[str, Any]] = optimizer.param_groups
    if kind is None or len(groups) != 1:
        return None
    options = groups[0]
    # torch's AdamW is an Adam with this option, which the flat AdamW implements.
    implemented = ("decoupled_weight_decay",) if kind is AdamW else ()
    unknown = [name for name in _UNSUPPORTED if options.get(name) and name not in implemented]
    return None if unknown else kind


def hyperparameters(optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """Returns the current options of an optimizer that its flat optimizer reads."""
    options = optimizer.param_groups[0]
    result = {name: float(options[name]) for name in _NAMES if name in options}
    if "betas" in options:
        result["beta1"], result["beta2"] = options["betas"]
    return result
