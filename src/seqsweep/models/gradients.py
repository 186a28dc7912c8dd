"""All gradients of a network as views of one buffer: zeroed, measured, clipped in one call."""

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor, nn


class FlatGradients:
    """Gives each parameter a `grad` that is a view of one flat buffer.

    `torch.nn.utils.clip_grad_norm_` groups, stacks and scales tensor by tensor; for a small network
    that is a fifth of an optimiser step. Autograd adds into a `grad` that is there, so the views
    stay until somebody sets them to None, as Lightning does now and then; `zero` puts them back.

    A parameter that the loss never reaches has a zero gradient here, not None: weight decay
    moves it.

    Raises:
        ValueError: parameters of more than one dtype or device, or none at all.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        kinds = {(parameter.dtype, parameter.device) for parameter in trained}
        if len(kinds) != 1:
            raise ValueError(
                f"the network's parameters must be of one dtype and device, not {kinds}"
            )
        dtype, device = kinds.pop()
        sizes = [parameter.numel() for parameter in trained]
        self.buffer = torch.zeros(sum(sizes), dtype=dtype, device=device)
        parts = self.buffer.split(sizes)
        self.views = [(p, part.view_as(p)) for p, part in zip(trained, parts, strict=True)]

    def zero(self) -> None:
        """Before the backward pass of a step."""
        for parameter, view in self.views:
            if parameter.grad is not view:
                parameter.grad = view
        self.buffer.zero_()

    def norm(self, scale: float = 1.0) -> Tensor:
        """The norm of the whole gradient, which has been multiplied by `scale`."""
        norm = torch.linalg.vector_norm(self.buffer)
        return norm if scale == 1.0 else norm / scale

    def clip(
        self,
        norm: Tensor,
        limit: float,
        algorithm: Literal["norm", "value"] = "norm",
        scale: float = 1.0,
    ) -> None:
        """Scales the gradient down to the norm `limit`, or cuts each of its numbers to +-`limit`.

        Args:
            norm: what `norm` returned.
            scale: what the gradient has been multiplied by.
        """
        if algorithm == "value":
            self.buffer.clamp_(-limit * scale, limit * scale)
        else:
            self.buffer.mul_(torch.clamp(limit / (norm + 1e-6), max=1.0))
