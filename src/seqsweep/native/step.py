"""Training and evaluation of networks by the native library, one network after another.

S sequences, T steps, F features, C classes, P parameters of a network.
"""

import ctypes
import functools
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from seqsweep.native.library import library, why_missing
from seqsweep.native.masks import mask_blocks
from seqsweep.native.structs import (
    OPTIMIZERS,
    DataStruct,
    LossStruct,
    Shape,
    TaskStruct,
    shape_struct,
)

__all__ = [
    "Data",
    "Network",
    "Result",
    "Shape",
    "Stop",
    "Stopped",
    "Sums",
    "Work",
    "evaluate",
    "run",
]

_MOMENTS = {
    "adam": ("exp_avg", "exp_avg_sq"),
    "adamw": ("exp_avg", "exp_avg_sq"),
    "sgd": ("momentum_buffer",),
    "rmsprop": ("square_avg", "momentum_buffer"),
}
_OPTIONS = {
    "adam": ("lr", "beta1", "beta2", "eps", "weight_decay"),
    "adamw": ("lr", "beta1", "beta2", "eps", "weight_decay"),
    "sgd": ("lr", "momentum", "weight_decay", "nesterov"),
    "rmsprop": ("lr", "alpha", "eps", "weight_decay", "momentum"),
}
_STOPPED, _OUT_OF_RANGE = 1, 2


class Data:
    """One split of a data set as the library reads it.

    Args:
        x: (S, T, F) float32.
        lengths: (S,), each in 1..T.
        labels: (S,), each in 0..C-1.
        num_classes: C.

    Raises:
        ValueError: an array of another shape, or a number outside its range.
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
    """One network with its optimizer's state.

    Args:
        shape: its architecture.
        optimizer: `adam`, `adamw`, `sgd` or `rmsprop`.
        weights: (P,) float32, in the order of `RNNClassifier.parameters()`. Training changes them
            in place.
        class_weights: (C,) of the training loss.
        label_smoothing: of the training loss, in [0, 1).
        max_norm: the norm that a gradient is clipped to; None where it is not clipped.

    Raises:
        ValueError: a value outside its range.
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
        self._shape = shape_struct(shape)
        self.count = _functions().parameters(ctypes.byref(self._shape))
        self._weights = _checked_weights(weights, self.count)
        self._state = {name: torch.zeros(self.count) for name in _MOMENTS[optimizer]}
        self._targets = _targets(shape.num_classes, class_weights, label_smoothing)
        moments = [moment.data_ptr() for moment in self._state.values()]
        on, off, label_weights = (
            None if part is None else part.ctypes.data for part in self._targets
        )
        self.task = TaskStruct(
            shape=self._shape,
            optimizer=OPTIMIZERS[optimizer],
            weights=self._weights.data_ptr(),
            moment1=moments[0],
            moment2=moments[-1],
            loss=LossStruct(on, off, label_weights),
            max_norm=math.inf if max_norm is None else max_norm,
        )
        self.address = ctypes.addressof(self.task)

    @property
    def has_dropout(self) -> bool:
        return self._shape.has_dropout != 0

    @property
    def weights(self) -> Tensor:
        """(P,) float32, in the order of `RNNClassifier.parameters()`."""
        return self._weights

    @property
    def state(self) -> dict[str, Tensor]:
        """The optimizer's moments by torch's names, (P,) each."""
        return self._state

    @property
    def steps(self) -> int:
        """The optimizer steps so far."""
        return self.task.steps

    @steps.setter
    def steps(self, value: int) -> None:
        self.task.steps = value


def _checked_weights(weights: Tensor, count: int) -> Tensor:
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
    """The target of a class where it is the label, where it is not, and the labels' weights."""
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


class Work(NamedTuple):
    """One epoch of one network.

    Attributes:
        order: (S,) int64, the order of the training sequences in this epoch.
        options: the hyperparameters, as `seqsweep.stacked.optimizers.hyperparameters` names them.
        dropout_seed: the masks of step n come from a generator with the seed `dropout_seed + n`.
        validates: whether the network is evaluated afterwards.
    """

    network: Network
    order: Tensor
    batch_size: int
    options: Mapping[str, float]
    dropout_seed: int
    validates: bool


class Sums(NamedTuple):
    """What was measured over a split.

    Attributes:
        loss: in training the mean of the batches' losses by the batches' weights; in evaluation
            the plain mean cross-entropy.
        confusion: (C, C), rows the true class.
        grad_norm: the mean over the steps, before clipping; NaN in evaluation.
    """

    loss: float
    confusion: npt.NDArray[np.int64]
    grad_norm: float


class Result(NamedTuple):
    """What one `Work` measured, and how long it took."""

    train: Sums
    val: Sums | None
    seconds: float


class Stopped(Exception):
    """The flag was set: networks are in the middle of an epoch."""


class Stop:
    """A flag that ends `run` after its current step. Any thread may set it."""

    def __init__(self) -> None:
        self.flag = ctypes.c_int32(0)
        self.address = ctypes.addressof(self.flag)

    def set(self) -> None:
        self.flag.value = 1

    def is_set(self) -> bool:
        return self.flag.value != 0


def run(
    works: Sequence[Work], train: Data, val: Data | None, stop: Stop | None = None
) -> list[Result]:
    """Trains each network for one epoch. Any thread may call it; other threads run meanwhile.

    Raises:
        ValueError: a work that does not fit its data; no network has been changed.
        Stopped: `stop` was set.
    """
    if len({id(work.network) for work in works}) < len(works):
        raise ValueError("works: a network must not stand in two of them")
    confusions = [_prepare(work, train, val) for work in works]
    _call([w.network.address for w in works if not w.network.has_dropout], train, val, stop)
    for work in works:
        if work.network.has_dropout:
            _run_with_dropout(work, train, val, stop)
    return [_result(work, counts) for work, counts in zip(works, confusions, strict=True)]


def evaluate(network: Network, data: Data, weights: Tensor | None = None) -> Sums:
    """Evaluates a network, also with other weights than its own.

    Raises:
        ValueError: weights of another size, or data that do not fit the network.
    """
    _check_fit(network, data, "data")
    task = TaskStruct.from_buffer_copy(network.task)
    if weights is not None:
        task.weights = _checked_weights(weights, network.count).data_ptr()
    classes = network.shape.num_classes
    confusion = np.zeros((classes, classes), dtype=np.int64)
    task.trains, task.validates, task.count = 0, 1, 0
    task.val_confusion = confusion.ctypes.data
    _call([ctypes.addressof(task)], data, data, None)
    return Sums(task.val_loss, confusion, math.nan)


def _check_fit(network: Network, data: Data, name: str) -> None:
    shape = network.shape
    if (data.features, data.num_classes) != (shape.input_size, shape.num_classes):
        raise ValueError(
            f"{name}: must have {shape.input_size} features and {shape.num_classes} classes as the "
            f"network has, got {data.features} and {data.num_classes}"
        )


def _prepare(work: Work, train: Data, val: Data | None) -> npt.NDArray[np.int64]:
    """Checks a work and writes what changes from epoch to epoch; returns the two confusions."""
    network, order = work.network, work.order
    _check_fit(network, train, "train")
    if order.dtype != torch.int64 or order.ndim != 1 or not order.is_contiguous():
        raise ValueError("order: must be contiguous int64 of shape (S,)")
    count = order.shape[0]
    if not 1 <= work.batch_size <= count:
        raise ValueError(f"batch_size={work.batch_size}: must be between 1 and {count}")
    if network.has_dropout:  # its masks need the lengths; for others the library checks the order
        _check_order(order.numpy(), train.count)
    task = network.task
    options = task.options
    for name in _OPTIONS[network.optimizer]:
        setattr(options, name, work.options[name])
    classes = network.shape.num_classes
    confusions = np.zeros((2, classes, classes), dtype=np.int64)
    task.confusion = address = confusions.ctypes.data
    task.val_confusion = address + classes * classes * 8
    task.trains = 1
    task.validates = work.validates
    if work.validates:
        if val is None:
            raise ValueError("val=None: must be given where a work validates")
        _check_fit(network, val, "val")
    task.batch_size = work.batch_size
    task.first_batch, task.last_batch = 0, -(-count // work.batch_size)
    task.order = order.data_ptr()
    task.count = count
    task.masks = None
    task.loss_sum = task.weight_sum = task.norm_sum = task.seconds = 0.0
    return confusions


def _run_with_dropout(work: Work, train: Data, val: Data | None, stop: Stop | None) -> None:
    network, order, size = work.network, work.order.numpy(), work.batch_size
    lengths = train.lengths[order]
    rows = [int(lengths[first : first + size].sum()) for first in range(0, len(order), size)]
    for begin, end, masks in mask_blocks(network.shape, rows, network.steps, work.dropout_seed):
        task = network.task
        task.first_batch, task.last_batch = begin, end
        task.masks = masks.data_ptr()
        task.validates = work.validates and end == len(rows)
        _call([network.address], train, val, stop)


def _check_order(order: npt.NDArray[np.int64], count: int) -> None:
    if order.min() < 0 or order.max() >= count:
        raise ValueError(
            f"order: must be between 0 and {count - 1}, got {order.min()} to {order.max()}"
        )


def _result(work: Work, confusions: npt.NDArray[np.int64]) -> Result:
    task = work.network.task
    loss = task.loss_sum / task.weight_sum if task.weight_sum else math.nan
    train = Sums(loss, confusions[0], task.norm_sum / -(-task.count // task.batch_size))
    val = Sums(task.val_loss, confusions[1], math.nan) if work.validates else None
    return Result(train, val, task.seconds)


class _Functions(NamedTuple):
    """The library's functions."""

    run: Callable[..., int]
    workspace: Callable[..., int]
    parameters: Callable[..., int]


@functools.cache
def _functions() -> _Functions:
    loaded = library()
    if loaded is None:
        raise OSError(why_missing())
    run, workspace, parameters = (
        getattr(loaded.handle, f"seqsweep_{name}") for name in _Functions._fields
    )
    pointer = ctypes.c_void_p
    run.argtypes = [pointer, ctypes.c_int64, pointer, pointer, pointer, pointer]
    workspace.argtypes = [pointer, pointer, pointer]
    parameters.argtypes = [pointer]
    workspace.restype = parameters.restype = ctypes.c_uint64
    return _Functions(run, workspace, parameters)


class _Workspace(threading.local):
    """The memory of one thread's steps; it grows and is used again."""

    def __init__(self) -> None:
        self.memory = np.empty(0, dtype=np.uint8)
        self.address = 0

    def at_least(self, size: int) -> int:
        if size + 64 > self.memory.nbytes:
            self.memory = np.empty(size + 64, dtype=np.uint8)
            self.address = -(-self.memory.ctypes.data // 64) * 64
        return self.address


_workspace = _Workspace()


def _call(addresses: Sequence[int], train: Data, val: Data | None, stop: Stop | None) -> None:
    """Runs some tasks in turn."""
    if not addresses:
        return
    functions = _functions()
    val_address = None if val is None else val.address
    size = max(functions.workspace(address, train.address, val_address) for address in addresses)
    tasks = (ctypes.c_void_p * len(addresses))(*addresses)
    status = functions.run(
        tasks,
        len(addresses),
        train.address,
        val_address,
        _workspace.at_least(size),
        None if stop is None else stop.address,
    )
    if status == _STOPPED:
        raise Stopped
    if status == _OUT_OF_RANGE:
        raise ValueError(f"order: must be between 0 and {train.count - 1}")
