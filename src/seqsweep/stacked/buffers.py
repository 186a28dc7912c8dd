"""Scratch memory by name, which every training step writes anew."""

import math

import torch
from torch import Tensor


class Buffers:
    """Tensors that are allocated once and reused; each name stands for one use.

    The shape of a name may change from step to step, because the last batch of an epoch is short
    and because mixed lengths end at different steps. A smaller shape gets the beginning of the
    name's memory, as a contiguous tensor.
    """

    def __init__(self, dtype: torch.dtype, device: torch.device) -> None:
        self.dtype = dtype
        self.device = device
        self._memory: dict[str, Tensor] = {}
        self._views: dict[tuple[str, tuple[int, ...]], Tensor] = {}

    def __call__(self, name: str, *shape: int) -> Tensor:
        """Returns contiguous memory of this shape; its content is left over from earlier uses."""
        key = (name, shape)
        view = self._views.get(key)
        if view is None:
            size = math.prod(shape)
            memory = self._memory.get(name)
            if memory is None or memory.numel() < size:
                memory = torch.zeros(size, dtype=self.dtype, device=self.device)
                self._memory[name] = memory
                # Views of the old memory must not be handed out any more.
                self._views = {k: v for k, v in self._views.items() if k[0] != name}
            view = memory[:size].view(shape)
            self._views[key] = view
        return view
