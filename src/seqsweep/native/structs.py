"""The structures of the C interface (`source/seqsweep.cpp`), and the cost of a network."""

import ctypes
from typing import NamedTuple

from seqsweep.native.assembly import Assembled, assemble
from seqsweep.native.program import KERNELS, Program, packaged_program, program_names

POOLINGS = {"last": 0, "mean": 1, "max": 2}
_MOST = 2**31 - 1
"""The largest size that the library's integers hold; ctypes silently truncates larger numbers."""

OPTIMIZERS = {"adam": 0, "adamw": 1, "sgd": 2, "rmsprop": 3}


class Shape(NamedTuple):
    """The architecture of a network; the fields are arguments of `RNNClassifier`.

    In a config, whose data are not known, `input_size` and `num_classes` are 0.

    Attributes:
        program: the program of a cell of the user's; None for a cell of this package.
    """

    input_size: int
    hidden_size: int
    num_classes: int
    cell: str = "rnn"
    nonlinearity: str = "tanh"
    num_layers: int = 1
    bidirectional: bool = False
    pooling: str = "last"
    dropout: float = 0.0
    program: Program | None = None

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def program_name(self) -> str:
        """The name of the program in this package."""
        return self.cell if self.nonlinearity == "tanh" else f"{self.cell}-{self.nonlinearity}"

    @property
    def kernel(self) -> int | None:
        """The number of the cell's kernel in the library; None if its program runs."""
        is_kernel = self.program is None and self.program_name in KERNELS
        return KERNELS.index(self.program_name) if is_kernel else None

    @property
    def cell_program(self) -> Program | None:
        """The program of the cell; None if it has none."""
        if self.program is None and self.program_name in program_names():
            return packaged_program(self.program_name)
        return self.program


class ShapeStruct(ctypes.Structure):
    """The struct `Shape` of workspace.h."""

    _fields_ = [
        (name, ctypes.c_int32)
        for name in (
            "features",
            "hidden",
            "classes",
            "layers",
            "directions",
            "cell",
            "pooling",
            "has_dropout",
        )
    ] + [("program", ctypes.c_void_p)]  # fmt: skip


class DataStruct(ctypes.Structure):
    """The struct `Data` of batches.h."""

    _fields_ = [
        ("x", ctypes.c_void_p),
        ("lengths", ctypes.c_void_p),
        ("labels", ctypes.c_void_p),
        ("by_length", ctypes.c_void_p),
        ("count", ctypes.c_int64),
        ("longest", ctypes.c_int64),
        ("features", ctypes.c_int64),
        ("equal", ctypes.c_int32),
    ]


class LossStruct(ctypes.Structure):
    """The struct `Loss` of loss.h."""

    _fields_ = [
        ("on", ctypes.c_void_p),
        ("off", ctypes.c_void_p),
        ("label_weights", ctypes.c_void_p),
    ]


class OptionsStruct(ctypes.Structure):
    """The struct `Options` of optimizers.h."""

    _fields_ = [
        (name, ctypes.c_double)
        for name in (
            "lr",
            "beta1",
            "beta2",
            "eps",
            "weight_decay",
            "momentum",
            "nesterov",
            "alpha",
        )
    ]


class TaskStruct(ctypes.Structure):
    """The struct `Task` of seqsweep.cpp."""

    _fields_ = [
        ("shape", ShapeStruct),
        ("optimizer", ctypes.c_int32),
        ("trains", ctypes.c_int32),
        ("validates", ctypes.c_int32),
        ("batch_size", ctypes.c_int64),
        ("first_batch", ctypes.c_int64),
        ("last_batch", ctypes.c_int64),
        ("steps", ctypes.c_int64),
        ("weights", ctypes.c_void_p),
        ("moment1", ctypes.c_void_p),
        ("moment2", ctypes.c_void_p),
        ("order", ctypes.c_void_p),
        ("count", ctypes.c_int64),
        ("masks", ctypes.c_void_p),
        ("loss", LossStruct),
        ("max_norm", ctypes.c_float),
        ("options", OptionsStruct),
        ("loss_sum", ctypes.c_double),
        ("weight_sum", ctypes.c_double),
        ("norm_sum", ctypes.c_double),
        ("confusion", ctypes.c_void_p),
        ("val_loss", ctypes.c_double),
        ("val_confusion", ctypes.c_void_p),
        ("seconds", ctypes.c_double),
    ]


def kept_numbers(program: Program) -> int:
    """Returns how many numbers a unit keeps of each time step."""
    return 1 + assemble(program).struct.slots


def shape_struct(shape: Shape) -> tuple[ShapeStruct, Assembled | None]:
    """Checks a shape and returns it as a struct of the library.

    The struct holds the address of the assembled program, which the caller keeps alive.

    Raises:
        ValueError: a value is outside its range.
    """
    for name, least in (
        ("input_size", 1),
        ("hidden_size", 1),
        ("num_layers", 1),
        ("num_classes", 2),
    ):
        value: int = getattr(shape, name)
        if not least <= value <= _MOST:
            raise ValueError(f"{name}={value}: must be between {least} and {_MOST}")
    program, kernel = shape.cell_program, shape.kernel
    if program is None:
        raise ValueError(
            f"cell={shape.cell!r}, nonlinearity={shape.nonlinearity!r}: the program must be one of "
            + ", ".join(program_names())
        )
    if shape.pooling not in POOLINGS:
        raise ValueError(f"pooling={shape.pooling!r}: must be one of {', '.join(POOLINGS)}")
    if not 0 <= shape.dropout < 1:
        raise ValueError(f"dropout={shape.dropout}: must be at least 0 and below 1")
    assembled = assemble(program) if kernel is None else None
    struct = ShapeStruct(
        features=shape.input_size,
        hidden=shape.hidden_size,
        classes=shape.num_classes,
        layers=shape.num_layers,
        directions=shape.directions,
        cell=len(KERNELS) if kernel is None else kernel,
        pooling=POOLINGS[shape.pooling],
        has_dropout=shape.dropout > 0 and shape.num_layers > 1,
        program=None if assembled is None else ctypes.addressof(assembled.struct),
    )
    return struct, assembled


def flops(shape: Shape, steps_of_sequences: int) -> float:
    """Returns the floating-point operations of one training epoch.

    A multiply-add counts as two operations. Each weight takes part in three products: the forward
    pass, the gradient of the weight and the gradient of the layer's input. The first layer needs no
    gradient of its input. The head and elementwise operations are not counted.

    Args:
        steps_of_sequences: the sum of the lengths of the training sequences.
    """
    program, hidden = shape.cell_program, shape.hidden_size
    assert program is not None, "networks without a program have no known cost"
    outputs, squares = program.gates * hidden, program.squares * hidden**2
    first = 2 * outputs * shape.input_size + 3 * squares
    later = 3 * (outputs * shape.directions * hidden + squares)
    layers = first + (shape.num_layers - 1) * later
    return 2.0 * shape.directions * layers * steps_of_sequences
