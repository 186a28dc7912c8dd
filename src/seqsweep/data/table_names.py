"""Decides the role of each column by given names, else by unambiguous ones."""

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from seqsweep.suggest import did_you_mean, listed, printable

NONE = "none"
"""The value of an argument that stands for: the table has no such column, do not guess one."""

_GUESSES: dict[str, tuple[tuple[str, ...], ...]] = {
    "id": (
        ("id", "case", "case_id", "sequence", "sequence_id", "seq", "seq_id", "series"),
        ("series_id", "sample_id", "recording", "recording_id", "trial", "trial_id"),
    ),
    "step": (("step", "time", "timestep", "time_step", "timestamp", "date", "datetime"), ("t",)),
    "label": (("label", "labels", "class", "class_label", "target", "category"), ("y",)),
    "split": (("split", "subset"),),
    "group": (("group", "group_id", "subject", "subject_id", "patient", "patient_id"),),
    "length": (("lengths", "seq_len"),),
}
"""Names by role; those of a later tuple count only where a table has none of an earlier one."""

ROLES = tuple(_GUESSES)


@dataclass(frozen=True)
class Wanted:
    """The names that the user gave: None is guessed, `none` means no such column."""

    id: str | None = None
    step: str | None = None
    label: str | None = None
    features: str | Sequence[str] | None = None
    split: str | None = None
    group: str | None = None
    length: str | None = None


class Roles(NamedTuple):
    """The column of each role; None where the table has none.

    Attributes:
        features: in the order of the channels.
        guessed: the roles that the user did not name.
        unnamed: the number of columns without a name, which are not used.
    """

    id: str | None
    step: str | None
    label: str | None
    split: str | None
    group: str | None
    length: str | None
    features: tuple[str, ...]
    guessed: frozenset[str]
    unnamed: int = 0

    @property
    def others(self) -> list[str]:
        """The columns that are not features."""
        named = (self.id, self.step, self.label, self.split, self.group, self.length)
        return [name for name in named if name is not None]

    def note(self, where: str, form: str | None) -> list[str]:
        """Returns a line that says how the columns were understood, where any was guessed."""
        lines: list[str] = []
        if self.guessed:
            roles = [(role, getattr(self, role)) for role in ROLES]
            said = [f"{role}={printable(name)}" for role, name in roles if name is not None]
            said += [f"features={shortened(self.features)}"] if self.features else []
            said = [f"{form} form", *said] if form else said
            lines.append(f"{where}: {', '.join(said)}")
        if self.unnamed:
            columns = "1 column" if self.unnamed == 1 else f"{self.unnamed} columns"
            lines.append(f"{where}: {columns} without a name not used (an index?)")
        return lines


def shortened(names: Sequence[str]) -> str:
    """Returns the names separated by commas; of many, the first two and the last.

    >>> shortened(["x0", "x1", "x2", "x3", "x4", "x5", "x6"])
    'x0,x1,...,x6 (7 columns)'
    """
    if len(names) <= 6:
        return ",".join(map(printable, names))
    first, second, last = map(printable, (names[0], names[1], names[-1]))
    return f"{first},{second},...,{last} ({len(names)} columns)"


def choose_roles(
    where: str, names: Sequence[str], wanted: Wanted, needs_features: bool = True
) -> Roles:
    """Returns the role of each column.

    Args:
        needs_features: False for a table that has labels alone.

    Raises:
        ValueError: a given column does not exist, or a guess is ambiguous.
    """
    _check_distinct(where, names)
    real = [name for name in names if not _is_unnamed(name)]
    given = {role: getattr(wanted, role) for role in ROLES}
    chosen: dict[str, str | None] = {}
    for role, name in given.items():
        if name is not None:
            chosen[role] = None if name == NONE else find_column(where, real, role, name)
    features = _given_features(where, real, wanted.features)
    taken = _distinct(where, [*chosen.values(), *(features or ())])
    guessed: set[str] = set()
    for role in ROLES:
        if role in chosen:
            continue
        name = _guess(where, [name for name in real if name not in taken], role)
        chosen[role] = name
        if name is not None:
            guessed.add(role)
            taken.add(name)
    if not needs_features:
        features = ()
    elif features is None:
        guessed.add("features")
        features = tuple(name for name in real if name not in taken)
        if not features:
            raise ValueError(
                f"{where}: has no feature column beside {listed(sorted(taken))};"
                " data.source.features=[...] names them"
            )
    unnamed = len(names) - len(real)
    return Roles(**chosen, features=features, guessed=frozenset(guessed), unnamed=unnamed)


def _distinct(where: str, names: Sequence[str | None]) -> set[str]:
    """Returns the given columns; refuses one that is given for two purposes."""
    taken: set[str] = set()
    for name in names:
        if name in taken:
            raise ValueError(f"{where}: column {name!r} is given for two purposes; give each once")
        taken |= set() if name is None else {name}
    return taken


def find_column(where: str, names: Sequence[str], argument: str, name: str) -> str:
    """Returns a given name; without such a column, the error has those that exist."""
    if name in names:
        return name
    if "," in name and set(name.split(",")) <= set(names):
        raise ValueError(f"{where}: data.source.{argument}={name}: write several as [{name}]")
    raise ValueError(
        f"{where}: data.source.{argument}={name}: has no such column; columns:"
        f" {listed(names)}{did_you_mean(name, names)}"
    )


def _check_distinct(where: str, names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen and not _is_unnamed(name):
            raise ValueError(f"{where}: has two columns {name!r}; give them different names")
        seen.add(name)


def _is_unnamed(name: str) -> bool:
    """Returns whether a column is pandas' index, or has an empty name."""
    return not name or name.startswith(("Unnamed: ", "__index_level_"))


def _given_features(
    where: str, names: Sequence[str], given: str | Sequence[str] | None
) -> tuple[str, ...] | None:
    """Returns the feature columns by their names or patterns, such as `x*`."""
    if given is None:
        return None
    features: list[str] = []
    known = set(names)
    for pattern in [given] if isinstance(given, str) else given:
        is_pattern = pattern not in known and "*" in pattern
        matching = [pattern] if pattern in known else []
        matching = fnmatch.filter(names, pattern) if is_pattern else matching
        features += matching or [find_column(where, names, "features", pattern)]
    if not features:
        raise ValueError(f"{where}: data.source.features=[]: must name at least one column")
    return tuple(dict.fromkeys(features))


def _guess(where: str, names: Sequence[str], role: str) -> str | None:
    for known in _GUESSES[role]:
        matching = [name for name in names if name.strip().lower() in known]
        if len(matching) > 1:
            raise ValueError(
                f"{where}: {' and '.join(map(repr, matching))} may each be the {role} column;"
                f" data.source.{role}={matching[0]} chooses one, {role}={NONE} neither"
            )
        if matching:
            return matching[0]
    return None
