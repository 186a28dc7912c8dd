"""Checks which cell a network names, and the options of a user's cell."""

import functools
import typing
from typing import Any, Literal

from seqsweep.config.convert import convert
from seqsweep.config.messages import has_several_values, quoted
from seqsweep.config.signatures import REQUIRED, Parameter, signature_of
from seqsweep.importing import is_class_path
from seqsweep.text import did_you_mean, nearest_or_all

_KEY = "model.cell_options"
_PATTERN = "data.source.pattern"


def as_open_key(word: str) -> str:
    """Returns an override as Hydra reads it."""
    # In Hydra's grammar, the braces of a pattern would begin a dict.
    if word.startswith(f"{_PATTERN}=") and word[len(_PATTERN) + 1 :][:1] not in ("'", '"'):
        return quoted(word) or word
    # The files of conf cannot list the options of a user's class, and Hydra refuses unknown keys.
    # It does not look at the keys of a sweep, whose values it leaves to the sweeper.
    return f"++{word}" if word.startswith(_KEY) and not has_several_values(word) else word


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
    names, known, is_open = our_cells(), dict[str, Parameter](), False
    if is_class_path(cell) and not cell.startswith("seqsweep."):
        try:
            signature = signature_of(cell)
        except ValueError as error:
            raise ValueError(f"model.cell{str(error).removeprefix('_target_')}") from error
        known, is_open = dict([*signature.parameters.items()][1:]), signature.open
        known.pop("nonlinearity", None)  # it has a key of its own
    elif cell not in names:
        raise ValueError(
            f"model.cell={cell!r}: must be one of {', '.join(names)}, or the path of a class of "
            f"your own, such as mine.Leaky{did_you_mean(str(cell).rpartition('.')[2], names)}"
        )
    options = {name: p.default for name, p in known.items() if p.default is not REQUIRED} | given
    for name, value in options.items():
        if name not in known and not is_open:
            hint = nearest_or_all(name, known) or "; it has none"
            raise ValueError(f"{_KEY}.{name}: no such option of the cell {cell}{hint}")
        if name in known and (value is not None or known[name].default is not None):
            options[name] = convert(value, _type_of(known[name]), f"{_KEY}.{name}")
    return rest | ({"cell_options": options} if options else {})


def _type_of(parameter: Parameter) -> Any:
    """Returns the type of an option, or else that of its default."""
    kinds: dict[type, Any] = {bool: bool, int: int | float, float: float, str: str}
    of_default = kinds.get(type(parameter.default), Any)
    return of_default if parameter.annotation is Any else parameter.annotation
