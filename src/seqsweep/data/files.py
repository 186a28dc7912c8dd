"""The content of a data file, in the same shape for every format."""

from typing import NamedTuple

from seqsweep.data.sequences import RawPart


class Stored(NamedTuple):
    """The content of a data file before it is checked.

    Attributes:
        parts: the splits by name; a file without splits has only `train`.
        class_names: the classes that the file declares; None where it declares none.
        channel_names: those of the file; None where it has none.
        notes: lines for the user of the data.
    """

    parts: dict[str, RawPart]
    class_names: tuple[str, ...] | None = None
    channel_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
