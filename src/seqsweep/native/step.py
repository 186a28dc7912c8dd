"""Trains, evaluates, applies and traces networks with the native library, one after another.

S sequences, T steps, C classes, D directions, H hidden, R rows: the steps of all sequences as
`PackedSequence` holds them.
"""

import ctypes
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from seqsweep.native.library import OUT_OF_RANGE, STOPPED, functions, workspace
from seqsweep.native.networks import Data, Network, checked_weights
from seqsweep.native.structs import Shape, TaskStruct

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
    "predict",
    "run",
    "trace",
]

_NUMBERS_AT_ONCE = 2**22
"""The most numbers of dropout masks that are drawn at once."""

_OPTIONS = {
    "adam": ("lr", "beta1", "beta2", "eps", "weight_decay"),
    "adamw": ("lr", "beta1", "beta2", "eps", "weight_decay"),
    "sgd": ("lr", "momentum", "weight_decay", "nesterov"),
    "rmsprop": ("lr", "alpha", "eps", "weight_decay", "momentum"),
}


class Work(NamedTuple):
    """The work of one epoch of one network.

    Attributes:
        order: (S,) int64, the order of the training sequences in this epoch.
        options: the hyperparameters by the names of torch, but `beta1` and `beta2` for `betas`.
        dropout_seed: the seed of the masks; the seed of step n is `dropout_seed + n`.
        validates: whether the network is evaluated after the epoch.
    """

    network: Network
    order: Tensor
    batch_size: int
    options: Mapping[str, float]
    dropout_seed: int
    validates: bool


class Sums(NamedTuple):
    """The measurements over a split.

    Attributes:
        loss: in training the mean of the batch losses, weighted by batch size or summed class
            weights; in evaluation the mean cross-entropy without class weights or smoothing.
        confusion: (C, C), with a row for each true class.
        grad_norm: the mean gradient norm of the steps, before clipping; NaN in evaluation.
    """

    loss: float
    confusion: npt.NDArray[np.int64]
    grad_norm: float


class Result(NamedTuple):
    """The measurements of one `Work`, and its duration in seconds."""

    train: Sums
    val: Sums | None
    seconds: float


class Stopped(Exception):
    """`run` was stopped; its networks may be in the middle of an epoch."""


class Stop:
    """A flag that ends `run` after its current step; any thread may set it."""

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
    """Trains the network of each work for one epoch; returns the measurements.

    Any thread may call this function. Other threads run meanwhile, because ctypes releases the GIL.

    Raises:
        ValueError: a work does not fit the data; no network has been changed.
        Stopped: `stop` was set.
    """
    if len({id(work.network) for work in works}) < len(works):
        raise ValueError("works: must not contain a network twice")
    for work in works:
        _prepare(work, train, val)
    _call([w.network.address for w in works if not w.network.has_dropout], train, val, stop)
    for work in works:
        if work.network.has_dropout:
            _run_with_dropout(work, train, val, stop)
    return [_result(work) for work in works]


def evaluate(network: Network, data: Data, weights: Tensor | None = None) -> Sums:
    """Evaluates a network with the given weights, by default with its own.

    Raises:
        ValueError: the weights have another size, or the data do not fit the network.
    """
    task, confusion = _task_for(network, data, weights)
    task.trains, task.validates, task.count = 0, 1, 0
    _call([ctypes.addressof(task)], data, data, None)
    return Sums(task.val_loss, confusion, math.nan)


def predict(network: Network, data: Data, weights: Tensor | None = None) -> npt.NDArray[np.float32]:
    """Returns the logits (S, C) of a network with the given weights, by default with its own.

    The labels of the data have no effect.

    Raises:
        ValueError: the weights have another size, or the data do not fit the network.
    """
    task, _ = _task_for(network, data, weights)
    task.trains = 0
    logits = np.empty((data.count, data.num_classes), dtype=np.float32)
    library = functions()
    address = ctypes.addressof(task)
    memory = workspace.at_least(library.workspace(address, None, data.address))
    library.predict(address, data.address, memory, logits.ctypes.data)
    return logits


def trace(network: Network, data: Data, weights: Tensor | None = None) -> npt.NDArray[np.float64]:
    """Returns the gradients through time (layers, D, T) of a network on one batch.

    Each is the mean norm of the gradient of a sequence's loss with respect to its hidden state,
    which is complex for the cell lru. Index 0 is the last step of a sequence, index 1 the step
    before it. A mean is over the sequences that are long enough to have the step.

    Args:
        weights: the weights of the network, by default its own.

    Raises:
        ValueError: the weights have another size, or the data do not fit the network.
    """
    task, _ = _task_for(network, data, weights)
    shape = network.shape
    # The library adds to the norms.
    norms = np.zeros((shape.num_layers, shape.directions, data.longest))
    library = functions()
    address = ctypes.addressof(task)
    memory = workspace.at_least(library.trace_workspace(address, data.address))
    library.trace(address, data.address, memory, norms.ctypes.data)
    steps = np.arange(data.longest)
    long_enough = (data.lengths[:, None] > steps).sum(0)
    # The loss of a batch is a mean, so the norms are multiplied by the number of sequences.
    return norms * data.count / long_enough


def _task_for(
    network: Network, data: Data, weights: Tensor | None
) -> tuple[TaskStruct, npt.NDArray[np.int64]]:
    """Returns a copy of the network's task, and the confusion matrix that it fills."""
    _check_fit(network, data, "data")
    task = TaskStruct.from_buffer_copy(network.task)
    if weights is not None:
        task.weights = checked_weights(weights, network.count).data_ptr()
    classes = network.shape.num_classes
    confusion = np.zeros((classes, classes), dtype=np.int64)
    task.confusion = task.val_confusion = confusion.ctypes.data
    return task, confusion


def _check_fit(network: Network, data: Data, name: str) -> None:
    """Refuses data whose features or classes differ from the network's."""
    shape = network.shape
    if (data.features, data.num_classes) != (shape.input_size, shape.num_classes):
        raise ValueError(
            f"{name}: must have {shape.input_size} features and {shape.num_classes} classes as the "
            f"network has, got {data.features} and {data.num_classes}"
        )


def _prepare(work: Work, train: Data, val: Data | None) -> None:
    """Checks a work and fills in its task."""
    network, order = work.network, work.order
    _check_fit(network, train, "train")
    if order.dtype != torch.int64 or order.ndim != 1:
        raise ValueError("order: must be int64 of shape (S,)")
    if not order.is_contiguous() or not order.is_cpu:
        raise ValueError("order: must be contiguous and on the CPU")
    count = order.shape[0]
    if not 1 <= work.batch_size <= count:
        raise ValueError(f"batch_size={work.batch_size}: must be between 1 and {count}")
    # `_run_with_dropout` indexes an array by the order. Without dropout the library checks it.
    if network.has_dropout:
        _check_order(order.numpy(), train.count)
    task = network.task
    options = task.options
    for name in _OPTIONS[network.optimizer]:
        setattr(options, name, work.options[name])
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
    # The library adds to these sums, because one epoch may take several calls.
    task.loss_sum = task.weight_sum = task.norm_sum = task.seconds = 0.0
    network.confusions.fill(0)


def _run_with_dropout(work: Work, train: Data, val: Data | None, stop: Stop | None) -> None:
    """Trains one network for an epoch, with one call for each block of masks."""
    network, order, size = work.network, work.order.numpy(), work.batch_size
    lengths = train.lengths[order]
    rows = [int(lengths[first : first + size].sum()) for first in range(0, len(order), size)]
    for begin, end, masks in _mask_blocks(network.shape, rows, network.steps, work.dropout_seed):
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


def _result(work: Work) -> Result:
    task, confusions = work.network.task, work.network.confusions.copy()
    loss = task.loss_sum / task.weight_sum if task.weight_sum else math.nan
    train = Sums(loss, confusions[0], task.norm_sum / -(-task.count // task.batch_size))
    val = Sums(task.val_loss, confusions[1], math.nan) if work.validates else None
    return Result(train, val, task.seconds)


def _call(addresses: Sequence[int], train: Data, val: Data | None, stop: Stop | None) -> None:
    """Runs the tasks at these addresses one after another."""
    if not addresses:
        return
    library = functions()
    val_address = None if val is None else val.address
    # All tasks compute in the same memory, one after another.
    size = max(library.workspace(address, train.address, val_address) for address in addresses)
    tasks = (ctypes.c_void_p * len(addresses))(*addresses)
    status = library.run(
        tasks,
        len(addresses),
        train.address,
        val_address,
        workspace.at_least(size),
        None if stop is None else stop.address,
    )
    if status == STOPPED:
        raise Stopped
    if status == OUT_OF_RANGE:
        raise ValueError(f"order: must be between 0 and {train.count - 1}")


def _mask_blocks(
    shape: Shape, rows: list[int], first_step: int, dropout_seed: int
) -> Iterator[tuple[int, int, Tensor]]:
    """Yields the dropout masks of successive training steps, in blocks of bounded memory.

    Each step has its own generator. As in `torch.nn.RNN`, it draws the masks of all layers but the
    last in turn. A mask covers the outputs (R, D*H) of a layer, in packed order: it holds 0 where
    an output is dropped, and 1 / (1 - p) where it is kept.

    Args:
        rows: for each training step, R: the number of time steps in its batch, without padding.
        first_step: the number of the first training step; it is added to the seed.

    Yields:
        The first step of a block, the step after its last step, and the masks of the block in one
        vector.
    """
    width = shape.directions * shape.hidden_size
    sizes = [(shape.num_layers - 1) * count * width for count in rows]
    begin = 0
    while begin < len(rows):
        # A block takes as many steps as fit into the memory, but at least one.
        end, total = begin, 0
        while end < len(rows) and (end == begin or total + sizes[end] <= _NUMBERS_AT_ONCE):
            total += sizes[end]
            end += 1
        masks = torch.empty(total)
        generator = torch.Generator()
        start = 0
        for step in range(begin, end):
            generator.manual_seed((dropout_seed + first_step + step) % 2**63)
            for _ in range(shape.num_layers - 1):
                mask = masks[start : start + rows[step] * width]
                mask.bernoulli_(1 - shape.dropout, generator=generator).div_(1 - shape.dropout)
                start += rows[step] * width
        yield begin, end, masks
        begin = end
