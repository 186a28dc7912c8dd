"""Chooses the columns of a table that are read: channels, and columns with a role.

The role of a column is its purpose, such as `label` or `id`. What the paths of a folder say is a
column, too, whose name is the role in braces: `{label}`.
"""

import fnmatch
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from seqsweep.text import did_you_mean, listed, printable

Form = Literal["long", "wide"]
Totals = Literal["error", "drop", "keep"]

CSV_OPTIONS = {
    "delimiter": None, "decimal": ".", "encoding": "utf-8", "header": True, "skip_rows": None,
    "totals": "error",
}  # fmt: skip
"""The options of csv files, and their defaults."""

NONE = "none"
"""The value of a role's argument if no column has the role; then none is guessed."""

ROLES: dict[str, tuple[tuple[str, ...], ...]] = {
    "id": (
        ("id", "case", "case_id", "sequence", "sequence_id", "seq", "seq_id", "series"),
        ("series_id", "sample_id", "recording", "recording_id", "trial", "trial_id"),
    ),
    "step": (("step", "time", "timestep", "time_step", "timestamp", "date", "datetime"), ("t",)),
    "label": (
        ("label", "labels", "class", "class_label", "target", "category"),
        ("activity", "gesture", "emotion", "surface", "state", "event"),
        ("y",),
    ),
    "split": (("split", "subset"),),
    "group": (
        ("group", "group_id", "subject", "subject_id", "patient", "patient_id"),
        ("user", "user_id", "participant", "participant_id", "person", "person_id"),
    ),
    "length": (("lengths", "seq_len"),),
}
"""The usual column names for each role; a tuple is for tables without any of those before it."""

SPLITS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "dev": "val", "test": "test", "testing": "test",
}  # fmt: skip
"""The names of splits, in columns and of folders."""


FEW_ROWS = 10
"""The fewest rows in which a column that counts them is not one by chance."""


class Roles(NamedTuple):
    """The columns of a table that are read: features, and columns with a role."""

    columns: dict[str, list[str]]  # by role, without absent roles; only an id may have several
    features: tuple[str, ...]  # in the order of the channels
    guessed: bool  # whether the features or a role were found without an argument
    unused: dict[str, list[str]]  # by role, usual columns that are not read, as the path says it
    targets: tuple[str, ...] = ()  # numbers to predict, in place of a label

    def name(self, role: str) -> str:
        """Returns the column of a role as text: `case`, or `[machine,run]`."""
        names = self.columns[role]
        return f"[{','.join(names)}]" if names[1:] else names[0]

    def words(self) -> str:
        """Returns the roles and features as text: `id=case, label=y, features=a,b`."""
        words = [f"{role}={printable(self.name(role))}" for role in ROLES if role in self.columns]
        if self.targets:
            words.append(f"target={','.join(map(printable, self.targets))}")
        features = [*map(printable, self.features)]
        if len(features) > 6:
            features = [*features[:2], "...", f"{features[-1]} ({len(features)} columns)"]
        return ", ".join([*words, f"features={','.join(features)}"])


def choose_roles(
    where: str,
    names: Sequence[str],
    wanted: Mapping[str, Any],
    of_path: Collection[str] = (),
    further: Sequence[str] = (),
) -> Roles:
    """Returns the roles that `wanted` gives to columns; guesses the others by usual names.

    Args:
        of_path: for a folder, the columns that its paths are, such as `{label}`.
        further: columns of a second table, which are never features.
    """
    # pandas writes its index without a name, or with one of these prefixes.
    real = [name for name in names if name and not name.startswith(("Unnamed: ", "__index_level_"))]
    _refuse_repeated(where, real, "has two columns {}; give them different names")
    given = {role: wanted.get(role) for role in ROLES}
    if wanted.get("target") is not None:
        if given["label"] not in (None, NONE):
            raise ValueError(f"{where}: data.source.target and label: give only one")
        given["label"] = NONE
    known = [*real, *of_path, *further]
    columns = {
        role: _given_columns(where, known, role, of)
        for role, of in given.items()
        if of not in (None, NONE)
    }
    features, targets = (
        _given_columns(where, real, key, wanted[key]) if wanted.get(key) is not None else []
        for key in ("features", "target")
    )
    ids, taken = columns.get("id", []), [*features, *targets]
    for role, of in columns.items():
        # A column of the id may say more: the group of a sequence, or its label and other things.
        may_be_id = role == "group" or (role != "id" and ids[1:])
        taken += [name for name in of if not (may_be_id and name in ids)]
    _refuse_repeated(where, taken, "column {} is given for two purposes; give each once")
    guessed, unused = not features, dict[str, list[str]]()
    for role, of in given.items():
        path = f"{{{role}}}"
        # A file of a folder is one sequence, which always has a name.
        if path in of_path and (of is None or (role, of) == ("id", NONE)):
            columns[role] = [path]
            usual = usual_columns(real, role)
            unused |= {role: usual} if usual and not features else {}
        elif of is None and not (of_path and role == "length"):
            in_id = role == "group" or (role == "label" and ids[1:])
            others = [columns[other] for other in columns if not (other == "id" and in_id)]
            used = {*features, *targets}.union(*others)
            free = [name for name in (*real, *further) if name not in used]
            is_long = bool(of_path or {"id", "step"} & {*columns})
            found = _guess(where, free, role, bool(of_path), is_long)
            columns |= {role: [found]} if found else {}
            guessed = guessed or found is not None
    used = {name for group in (*columns.values(), *unused.values(), targets) for name in group}
    features = features or [name for name in real if name not in used]
    if not features:
        raise ValueError(
            f"{where}: has no feature column beside {listed(sorted(used))};"
            " data.source.features=[...] names them"
        )
    return Roles(columns, tuple(features), guessed, unused, tuple(targets))


def as_list(given: str | Sequence[str]) -> list[str]:
    """Returns the names of one or of several columns."""
    return [given] if isinstance(given, str) else [*given]


def usual_columns(names: Sequence[str], role: str) -> list[str]:
    """Returns the columns with a usual name for a part of a path."""
    # Beside a path, an `activity` may be a channel; only a name such as `class` is surely a label.
    known = ROLES[role][0] if role == "label" else sum(ROLES[role], ())
    return [name for name in names if name.strip().lower() in known]


def _usual_names(role: str, is_folder: bool, is_long: bool) -> tuple[tuple[str, ...], ...]:
    if role != "label":
        return ROLES[role]
    # Without an id or a step, rows with an `activity` may be steps or sequences. And acceleration
    # has a channel y, which is the label of other tables.
    first, second, y = ROLES["label"]
    return (first, *[second] * is_long, *[y] * (not is_folder))


def _refuse_repeated(where: str, names: Sequence[str], problem: str) -> None:
    for name, number in Counter(names).items():
        if number > 1:
            raise ValueError(f"{where}: {problem.format(repr(name))}")


def _given_columns(
    where: str, names: Sequence[str], argument: str, given: str | Sequence[str]
) -> list[str]:
    """Returns the columns of names or patterns, such as `x*`."""
    known, columns = set(names), dict[str, None]()
    for pattern in as_list(given):
        is_pattern = "*" in pattern and pattern not in known
        matching = fnmatch.filter(names, pattern) if is_pattern else [pattern]
        if not known.issuperset(matching or [pattern]):
            raise ValueError(
                f"{where}: data.source.{argument}={pattern}: has no such column; columns:"
                f" {listed(names)}{did_you_mean(pattern, names)}"
            )
        columns |= dict.fromkeys(matching)
    if not columns:
        raise ValueError(f"{where}: data.source.{argument}=[]: must name at least one column")
    return [*columns]


def _guess(
    where: str, names: Sequence[str], role: str, is_folder: bool, is_long: bool
) -> str | None:
    """Returns the only column with a usual name for a role, or None."""
    for known in _usual_names(role, is_folder, is_long):
        matching = [name for name in names if name.strip().lower() in known]
        if len(matching) > 1:
            raise ValueError(
                f"{where}: {' and '.join(map(repr, matching))} may each be the {role} column;"
                f" data.source.{role}={matching[0]} chooses one, {role}={NONE} neither"
            )
        if matching:
            return matching[0]
    return None
