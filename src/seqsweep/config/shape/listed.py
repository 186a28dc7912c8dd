"""Reads the members of `sweep.list`, also from a YAML or csv file."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from seqsweep.config.messages import parsed
from seqsweep.config.shape.options import is_shape_key, override_text
from seqsweep.runs.documents import check_size
from seqsweep.runs.files import read_bytes
from seqsweep.runs.identity import flatten
from seqsweep.text import did_you_mean


class ListedMember(NamedTuple):
    """One member of a list."""

    overrides: dict[str, str]  # by key
    place: str  # the file and line, or the index: `members.csv:3` or `sweep.list[2]`


def read_list(given: Any) -> list[ListedMember]:
    """Returns the members that `sweep.list` names.

    Args:
        given: a list of mappings, or the path of a .csv, .yaml or .yml file.

    Raises:
        ValueError, OSError: the file cannot be read, there is no member, or a member is not a
            mapping of keys to single values. The message names the place of the member.
    """
    if isinstance(given, list):
        items: list[Any] = given
        members = [_member(item, f"sweep.list[{i}]") for i, item in enumerate(items)]
    elif isinstance(given, str):
        members = _read_file(given)
    else:
        raise ValueError(f"sweep.list={given}: must be a list of mappings, or the path of a file")
    if not members:
        raise ValueError(f"sweep.list={given}: has no members")
    return members


def _read_file(given: str) -> list[ListedMember]:
    path = Path(given).expanduser()
    if not path.is_file():
        beside = (str(other.name) for other in path.parent.glob("*"))
        hint = did_you_mean(path.name, beside) or f" (in {Path.cwd()})"
        raise FileNotFoundError(f"sweep.list={given}: no such file{hint}")
    if path.suffix not in (".csv", ".yaml", ".yml"):
        raise ValueError(f"sweep.list={given}: must end in .csv, .yaml or .yml")
    content = read_bytes(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}:{line}: must be saved as UTF-8") from None
    return list(_rows(text, path) if path.suffix == ".csv" else _items(text, path))


def _items(text: str, path: Path) -> Iterator[ListedMember]:
    """Yields the members of a YAML file, which holds one list."""
    try:
        check_size(text)
        node: yaml.Node | None = yaml.compose(text, yaml.SafeLoader)
        if not isinstance(node, yaml.SequenceNode):
            raise ValueError("must hold a list of mappings")
        # OmegaConf reads numbers such as 1e-3 as Hydra does; plain YAML reads 1e-3 as a text.
        items: Any = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
    except (yaml.YAMLError, OmegaConfBaseException, ValueError) as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}") from None
    for item, part in zip(items, node.value, strict=True):
        yield _member(item, f"{path}:{part.start_mark.line + 1}")


def _member(item: Any, place: str) -> ListedMember:
    """Returns the member that a mapping describes; the mapping may be nested."""
    if not isinstance(item, dict):
        raise ValueError(f"{place}: must be a mapping of keys to values, got {item!r}")
    overrides: dict[str, str] = {}
    for key, value in flatten(item):
        text = override_text(key, value)
        _check_override(key, text, place)
        overrides[key] = text
    return ListedMember(overrides, place)


def _rows(text: str, path: Path) -> Iterator[ListedMember]:
    """Yields the members of a csv file. An empty cell sets nothing."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        if not header or len(set(header)) < len(header) or "" in header:
            raise ValueError(f"{path}:1: must name each key once, separated by commas")
        for row in reader:
            place = f"{path}:{reader.line_num}"
            if not row:
                continue
            if len(row) != len(header):
                raise ValueError(f"{place}: expected {len(header)} cells, got {len(row)}")
            cells = {key: cell.strip() for key, cell in zip(header, row, strict=True)}
            overrides = {key: f"{key}={cell}" for key, cell in cells.items() if cell}
            for key, override in overrides.items():
                _check_override(key, override, place)
            yield ListedMember(overrides, place)
    except csv.Error as error:
        raise ValueError(f"{path}:{reader.line_num}: {error}") from None


def _check_override(key: str, text: str, place: str) -> None:
    """Refuses an override that does not set this key to one value."""
    override = parsed(text)
    if override is None:
        quotes = "; a text with special characters is quoted, as in 'a b'"
        raise ValueError(f"{place}: cannot read {text}{quotes}")
    if override.is_sweep_override():
        raise ValueError(f"{place}: {text}: must be one value; a list is written [1,2]")
    if is_shape_key(key):
        raise ValueError(f"{place}: {key}: must not be in a list")
    if override.is_delete() or override.get_key_element() != key:
        raise ValueError(f"{place}: {key}: must be a dotted key or a group, as in model.cell")
