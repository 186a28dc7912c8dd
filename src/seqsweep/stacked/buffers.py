"""Scratch memory by name: what a step writes is written into the same place at the next step."""

import math

import torch
from torch import Tensor


class Buffers:
    """Tensors that are allocated once and reused, each name for one use.

    A name may ask for other shapes from step to step (the last batch of an epoch is short, mixed
    lengths end at another step): it gets the beginning of its memory, as a contiguous tensor.
    """

    def __init__(self, dtype: torch.dtype, device: torch.device) -> None:
        self.dtype = dtype
        self.device = device
        self._memory: dict[str, Tensor] = {}
        self._views: dict[tuple[str, tuple[int, ...]], Tensor] = {}

    def __call__(self, name: str, *shape: int) -> Tensor:
        """Contiguous memory of this shape; what it holds is left over from an earlier use."""
        key = (name, shape)
        view = self._views.get(key)
        if view is None:
            size = math.prod(shape)
            memory = self._memory.get(name)
            if memory is None or memory.numel() < size:
                memory = torch.zeros(size, dtype=self.dtype, device=self.device)
                self._memory[name] = memory
                self._views = {k: v for k, v in self._views.items() if k[0] != name}
            view = memory[:size].view(shape)
            self._views[key] = view
        return view

    def nbytes(self) -> int:
        return sum(memory.numel() * memory.element_size() for memory in self._memory.values())
