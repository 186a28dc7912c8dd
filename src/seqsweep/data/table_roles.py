"""Decides the role of each column by given names, else by usual ones."""

import fnmatch
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from seqsweep.suggest import did_you_mean, listed, printable

NONE = "none"
"""The value of an argument that stands for: the table has no such column, do not guess one."""

ROLES: dict[str, tuple[tuple[str, ...], ...]] = {
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


class Roles(NamedTuple):
    """The columns of a table that have a purpose.

    Attributes:
        columns: by role; without those that the table lacks.
        features: in the order of the channels.
        guessed: whether the user left any of them open.
    """

    columns: dict[str, str]
    features: tuple[str, ...]
    guessed: bool

    def words(self) -> str:
        """Returns how the columns were understood."""
        words = [f"{role}={printable(name)}" for role, name in self.columns.items()]
        features = [*map(printable, self.features)]
        if len(features) > 6:
            features = [*features[:2], "...", f"{features[-1]} ({len(features)} columns)"]
        return ", ".join([*words, f"features={','.join(features)}"])


def choose_roles(where: str, names: Sequence[str], wanted: Mapping[str, Any]) -> Roles:
    """Returns the role of each column.

    Args:
        wanted: the names that the user gave, by role, and `features`; see `tables.table`.

    Raises:
        ValueError: a given column does not exist, or a guess is ambiguous.
    """
    # pandas writes its index without a name, or with one of these.
    real = [name for name in names if name and not name.startswith(("Unnamed: ", "__index_level_"))]
    _refuse_repeated(where, real, "has two columns {}; give them different names")
    given = {role: wanted[role] for role in ROLES if wanted.get(role) not in (None, NONE)}
    for role, name in given.items():
        _check_column(where, real, role, name)
    features = _given_features(where, real, wanted.get("features"))
    used = [*given.values(), *(features or ())]
    _refuse_repeated(where, used, "column {} is given for two purposes; give each once")
    taken, columns = set(used), dict[str, str]()
    for role in ROLES:
        name = given.get(role)
        if wanted.get(role) is None:
            name = _guess(where, [one for one in real if one not in taken], role)
        if name is not None:
            columns[role] = name
            taken.add(name)
    guessed = features is None or columns != given
    features = features or tuple(name for name in real if name not in taken)
    if not features:
        raise ValueError(
            f"{where}: has no feature column beside {listed(sorted(taken))};"
            " data.source.features=[...] names them"
        )
    return Roles(columns, features, guessed)


def _refuse_repeated(where: str, names: Sequence[str], problem: str) -> None:
    for name, number in Counter(names).items():
        if number > 1:
            raise ValueError(f"{where}: {problem.format(repr(name))}")


def _check_column(where: str, names: Sequence[str], argument: str, name: str) -> None:
    """Refuses a given name without a column; the error has those that exist."""
    if name in names:
        return
    if "," in name and set(name.split(",")) <= set(names):
        raise ValueError(f"{where}: data.source.{argument}={name}: write several as [{name}]")
    raise ValueError(
        f"{where}: data.source.{argument}={name}: has no such column; columns:"
        f" {listed(names)}{did_you_mean(name, names)}"
    )


def _given_features(where: str, names: Sequence[str], given: Any) -> tuple[str, ...] | None:
    """Returns the feature columns by their names or patterns, such as `x*`."""
    if given is None:
        return None
    known, features = set(names), list[str]()
    for pattern in [given] if isinstance(given, str) else given:
        matching = fnmatch.filter(names, pattern) if "*" in pattern and pattern not in known else ()
        if not matching:
            _check_column(where, names, "features", pattern)
        features += matching or [pattern]
    if not features:
        raise ValueError(f"{where}: data.source.features=[]: must name at least one column")
    return tuple(dict.fromkeys(features))


def _guess(where: str, names: Sequence[str], role: str) -> str | None:
    for known in ROLES[role]:
        matching = [name for name in names if name.strip().lower() in known]
        if len(matching) > 1:
            raise ValueError(
                f"{where}: {' and '.join(map(repr, matching))} may each be the {role} column;"
                f" data.source.{role}={matching[0]} chooses one, {role}={NONE} neither"
            )
        if matching:
            return matching[0]
    return None
