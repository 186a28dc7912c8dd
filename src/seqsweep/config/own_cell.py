"""Checks which cell a network names, and the options of a user's cell."""

import functools
import typing
from typing import Any, Literal

from seqsweep.config.convert import convert
from seqsweep.config.signatures import REQUIRED, Parameter, signature_of
from seqsweep.importing import is_class_path
from seqsweep.suggest import did_you_mean, nearest_or_all

_KEY = "model.cell_options"


@functools.cache
def our_cells() -> tuple[str, ...]:
    """Returns the names of our cells."""
    network = signature_of("seqsweep.models.classifier.RNNClassifier")
    parts = typing.get_args(network.parameters["cell"].annotation)
    return next(typing.get_args(part) for part in parts if typing.get_origin(part) is Literal)


def with_cell_options(model: dict[str, Any]) -> dict[str, Any]:
    """Returns a section `model` with all options of its cell; ours have no such options.

    The options are the arguments of the class's constructor after the weights. Their defaults are
    written out like those of other constructors.

    Raises:
        ValueError: the cell is not known, or does not have an option, or a value has another type.
    """
    cell, given = model["cell"], model["cell_options"] or {}
    rest = {name: value for name, value in model.items() if name != "cell_options"}
    if cell in our_cells():
        for name in given:
            raise ValueError(f"{_KEY}.{name}: must be left out, because the cell is {cell}")
        return rest
    if not is_class_path(cell) or cell.startswith("seqsweep."):
        names, last = ", ".join(our_cells()), str(cell).rpartition(".")[2]
        raise ValueError(
            f"model.cell={cell!r}: must be one of {names}, or the path of a class of your own, such"
            f" as mine.Leaky{did_you_mean(last, our_cells())}"
        )
    try:
        signature = signature_of(cell)
    except ValueError as error:
        raise ValueError(f"model.cell{str(error).removeprefix('_target_')}") from error
    known = dict([*signature.parameters.items()][1:])
    has_nonlinearity = known.pop("nonlinearity", None) is not None
    for name in given:
        if name == "nonlinearity" and has_nonlinearity:
            raise ValueError(f"{_KEY}.nonlinearity: must be given as model.nonlinearity")
        if name not in known and not signature.open:
            hint = nearest_or_all(name, known) or "; it has none"
            raise ValueError(f"{_KEY}.{name}: no such option of the cell {cell}{hint}")
    for name, parameter in known.items():
        if parameter.required:
            raise ValueError(
                f"model.cell={cell}: the argument {name!r} of its constructor must have a default"
            )
    defaults = {name: p.default for name, p in known.items() if p.default is not REQUIRED}
    options = {name: _converted(name, v, known.get(name)) for name, v in (defaults | given).items()}
    return rest | ({"cell_options": options} if options else {})


def _converted(name: str, value: Any, parameter: Parameter | None) -> Any:
    """Converts a value to the type of an option, or of its default."""
    if parameter is None or (value is None and parameter.default is None):
        return value
    kinds: dict[type, Any] = {bool: bool, int: int | float, float: float, str: str}
    kind = parameter.annotation
    if kind is Any:
        kind = kinds.get(type(parameter.default), Any)
    return convert(value, kind, f"{_KEY}.{name}")
