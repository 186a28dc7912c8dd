"""The networks and the data that the native library reads.

S sequences, T steps, F features, C classes, P parameters of a network.
"""

import ctypes
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from seqsweep.native.library import functions
from seqsweep.native.structs import (
    OPTIMIZERS,
    DataStruct,
    LossStruct,
    Shape,
    TaskStruct,
    shape_struct,
)

_MOMENTS = {
    "adam": ("exp_avg", "exp_avg_sq"),
    "adamw": ("exp_avg", "exp_avg_sq"),
    "sgd": ("momentum_buffer",),
    "rmsprop": ("square_avg", "momentum_buffer"),
}


class Data:
    """One split of a data set, in the memory layout of the library.

    Args:
        x: (S, T, F) float32.
        lengths: (S,), each in 1..T.
        labels: (S,), each in 0..C-1.

    Raises:
        ValueError: an array has the wrong shape, or a number is outside its range.
    """

    def __init__(
        self,
        x: npt.NDArray[np.float32],
        lengths: npt.NDArray[np.int64],
        labels: npt.NDArray[np.int64],
        num_classes: int,
    ) -> None:
        if x.ndim != 3 or x.dtype != np.float32 or 0 in x.shape:
            raise ValueError(f"x: must be float32 of shape (S, T, F), got {x.dtype} {x.shape}")
        self.count, self.longest, self.features = x.shape
        self.num_classes = num_classes
        self.x = np.ascontiguousarray(x)
        self.lengths = _indices("lengths", lengths, self.count, 1, self.longest)
        self.labels = _indices("labels", labels, self.count, 0, num_classes - 1)
        self._by_length = np.argsort(-self.lengths, kind="stable")
        self.equal = bool((self.lengths == self.longest).all())
        # The struct holds addresses; the attributes above keep the arrays alive.
        self.struct = DataStruct(
            x=self.x.ctypes.data,
            lengths=self.lengths.ctypes.data,
            labels=self.labels.ctypes.data,
            by_length=self._by_length.ctypes.data,
            count=self.count,
            longest=self.longest,
            features=self.features,
            equal=self.equal,
        )
        self.address = ctypes.addressof(self.struct)


def _indices(
    name: str, values: npt.NDArray[Any], count: int, least: int, most: int
) -> npt.NDArray[np.int64]:
    """Checks one integer per sequence; returns the integers as contiguous int64."""
    if values.shape != (count,) or not np.issubdtype(values.dtype, np.integer):
        raise ValueError(
            f"{name}: must be {count} integers, one for each sequence, "
            f"got {values.dtype} of shape {values.shape}"
        )
    if values.min() < least or values.max() > most:
        raise ValueError(
            f"{name}: must be between {least} and {most}, got {values.min()} to {values.max()}"
        )
    return np.ascontiguousarray(values, dtype=np.int64)


class Network:
    """One network with the state of its optimizer.

    Args:
        optimizer: `adam`, `adamw`, `sgd` or `rmsprop`.
        weights: (P,) float32, in the order of `RNNClassifier.parameters()`; they are copied.
        class_weights: (C,) the class weights of the training loss; None for equal weights.
        label_smoothing: the label smoothing of the training loss, in [0, 1).
        max_norm: the norm to which gradients are clipped; None does not clip.

    Attributes:
        memory: (1 + M, P), the weights and the M moments; training changes them in place.
        confusions: (2, C, C), the confusion matrices of the last epoch, in training and validation.

    Raises:
        ValueError: a value is outside its range, or a tensor has the wrong shape.
        OSError: the library cannot be loaded.
    """

    def __init__(
        self,
        shape: Shape,
        optimizer: str,
        weights: Tensor,
        class_weights: Tensor | None = None,
        label_smoothing: float = 0.0,
        max_norm: float | None = None,
    ) -> None:
        if optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer={optimizer!r}: must be one of {', '.join(OPTIMIZERS)}")
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing={label_smoothing}: must be at least 0 and below 1")
        self.shape = shape
        self.optimizer = optimizer
        self._shape, self._program = shape_struct(shape)
        self.count = functions().parameters(ctypes.byref(self._shape))
        names = _MOMENTS[optimizer]
        self.memory = torch.zeros(1 + len(names), self.count)
        self.memory[0] = checked_weights(weights, self.count)
        self._weights, *moments = self.memory
        self._state = dict(zip(names, moments, strict=True))
        self.confusions = np.zeros((2, shape.num_classes, shape.num_classes), dtype=np.int64)
        self._targets = _targets(shape.num_classes, class_weights, label_smoothing)
        # An optimizer with only one moment passes its address twice.
        addresses = [moment.data_ptr() for moment in moments]
        on, off, label_weights = (
            None if part is None else part.ctypes.data for part in self._targets
        )
        # The task holds addresses; the attributes above keep the arrays alive.
        self.task = TaskStruct(
            shape=self._shape,
            optimizer=OPTIMIZERS[optimizer],
            weights=self._weights.data_ptr(),
            moment1=addresses[0],
            moment2=addresses[-1],
            loss=LossStruct(on, off, label_weights),
            max_norm=math.inf if max_norm is None else max_norm,
            confusion=self.confusions[0].ctypes.data,
            val_confusion=self.confusions[1].ctypes.data,
        )
        self.address = ctypes.addressof(self.task)

    @property
    def has_dropout(self) -> bool:
        return self._shape.has_dropout != 0

    @property
    def weights(self) -> Tensor:
        """The weights (P,) in float32, in the order of `RNNClassifier.parameters()`."""
        return self._weights

    @property
    def state(self) -> dict[str, Tensor]:
        """The moments of the optimizer by their names in torch, (P,) each."""
        return self._state

    @property
    def steps(self) -> int:
        """The number of optimizer steps so far."""
        return self.task.steps

    @steps.setter
    def steps(self, value: int) -> None:
        # With a negative number of steps, computing Adam's powers would never end.
        if not 0 <= value < 2**62:
            raise ValueError(f"steps={value}: must be at least 0 and below 2**62")
        self.task.steps = value


def checked_weights(weights: Tensor, count: int) -> Tensor:
    """Checks the weights of a network and returns them without their gradient.

    Raises:
        ValueError: the library cannot read the weights in place.
    """
    if weights.dtype != torch.float32 or weights.shape != (count,):
        raise ValueError(
            f"weights: must be {count} numbers in float32, "
            f"got {weights.dtype} of shape {tuple(weights.shape)}"
        )
    if not weights.is_cpu or not weights.is_contiguous():
        raise ValueError("weights: must be contiguous and on the CPU")
    return weights.detach()


def _targets(
    classes: int, class_weights: Tensor | None, label_smoothing: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32] | None]:
    """Returns weighted targets (C,) of the true and of the other classes, and class weights."""
    off = np.full(classes, label_smoothing / classes).astype(np.float32)
    on = np.full(classes, 1 - label_smoothing + label_smoothing / classes).astype(np.float32)
    if class_weights is None:
        return on, off, None
    if class_weights.shape != (classes,):
        raise ValueError(
            f"class_weights: must be {classes} numbers, got shape {tuple(class_weights.shape)}"
        )
    weights = class_weights.to(torch.float32).numpy(force=True).copy()
    return on * weights, off * weights, weights
