"""Stores all gradients of a network in one buffer."""

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor, nn


class FlatGradients:
    """The gradients of a network in one flat buffer.

    The `grad` of each parameter is a view of the buffer.

    `torch.nn.utils.clip_grad_norm_` treats gradients tensor by tensor, which takes a fifth of an
    optimizer step for a small network. Autograd adds to an existing `grad`, so the views stay until
    something sets them to None, as Lightning does at times. `zero` restores them.

    A parameter that the loss does not reach has a zero gradient here, not None, so weight decay
    changes it.

    Raises:
        ValueError: the parameters have several dtypes or devices, or there are none.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        kinds = {(parameter.dtype, parameter.device) for parameter in trained}
        if len(kinds) != 1:
            raise ValueError(
                f"the network's parameters must have one dtype and device, got {kinds}"
            )
        dtype, device = kinds.pop()
        sizes = [parameter.numel() for parameter in trained]
        self.buffer = torch.zeros(sum(sizes), dtype=dtype, device=device)
        parts = self.buffer.split(sizes)
        self.views = [(p, part.view_as(p)) for p, part in zip(trained, parts, strict=True)]

    def zero(self) -> None:
        """Sets all gradients to zero, before the backward pass of a step."""
        for parameter, view in self.views:
            if parameter.grad is not view:
                parameter.grad = view
        self.buffer.zero_()

    def norm(self, scale: float = 1.0) -> Tensor:
        """Returns the norm of the whole gradient, divided by `scale`."""
        norm = torch.linalg.vector_norm(self.buffer)
        return norm if scale == 1.0 else norm / scale

    def clip(
        self,
        norm: Tensor,
        limit: float,
        algorithm: Literal["norm", "value"] = "norm",
        scale: float = 1.0,
    ) -> None:
        """Clips the gradient in place.

        Args:
            norm: the result of `norm`.
            limit: the largest norm, or the largest absolute value.
            algorithm: `norm` scales the whole gradient down, `value` clamps each of its values.
            scale: the factor by which the loss was multiplied.
        """
        if algorithm == "value":
            self.buffer.clamp_(-limit * scale, limit * scale)
        else:
            self.buffer.mul_(torch.clamp(limit / (norm + 1e-6), max=1.0))
