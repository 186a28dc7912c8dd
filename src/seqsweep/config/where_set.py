"""Which line of which YAML file gave a key its value, for error messages."""

import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from omegaconf import DictConfig, OmegaConf

from seqsweep.config.reword import reworded

_PACKAGE = re.compile(r"^#\s*@package\s+(\S+)", re.MULTILINE)


def with_place(error: Exception, hydra_config: DictConfig) -> Exception:
    """The error, its message ended by the file and line that gave the key that it begins with.

    Args:
        error: a message such as `model.hidden_size=0: must be at least 1`.
        hydra_config: the node `hydra` of the composed config.
    """
    key = re.match(r"\w+(\.\w+)*", str(error))
    place = _place(key[0], hydra_config) if key else ""
    return reworded(error, f"{error}{place}") if place else error


def _place(key: str, hydra_config: DictConfig) -> str:
    """` (in FILE:LINE)`, or nothing where the command line or no file gave the key."""
    # As given: an override may hold an interpolation that leads nowhere.
    overrides = OmegaConf.to_container(hydra_config.overrides.task, resolve=False) or ()
    given = [str(override).lstrip("+~") for override in overrides]
    if key in [override.partition("=")[0] for override in given]:
        return ""
    for path, package in _files(hydra_config):
        parts = key.split(".")
        prefix = [] if package == "_global_" else package.split(".")
        if parts[: len(prefix)] == prefix:
            line = _line(path, parts[len(prefix) :])
            if line is not None:
                return f" (in {path}:{line})"
    return ""


def _files(hydra_config: DictConfig) -> Iterator[tuple[Path, str]]:
    """The chosen files with the package of each; what may override comes before what it overrides.

    That is: experiments and other files that speak of the whole config, then the groups' own.
    """
    folders = [
        Path(str(source.path))
        for source in hydra_config.runtime.config_sources
        if source.schema == "file"
    ]
    choices = {str(group): option for group, option in hydra_config.runtime.choices.items()}
    found = [
        (path, _package(path, group))
        for group, option in choices.items()
        for path in _with_parents(folders, group, str(option))
    ]
    yield from sorted(found, key=lambda item: item[1] != "_global_")
    for folder in folders:
        for name in ("train.yaml", "base.yaml"):
            if (folder / name).is_file():
                yield folder / name, "_global_"


def _with_parents(folders: list[Path], group: str, option: str) -> Iterator[Path]:
    """An option's file, then the files of its group that its defaults list names."""
    for folder in folders:
        path = folder / group / f"{option}.yaml"
        if path.is_file():
            yield path
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            defaults = content.get("defaults", []) if isinstance(content, dict) else []
            for name in defaults:
                if isinstance(name, str) and name not in ("_self_", option):
                    yield from _with_parents(folders, group, name)


def _package(path: Path, group: str) -> str:
    found = _PACKAGE.search(path.read_text(encoding="utf-8"))
    return found[1] if found else group.replace("/", ".")


def _line(path: Path, parts: list[str]) -> int | None:
    """The line, from 1, on which the mapping of a file has this nested key."""
    with path.open(encoding="utf-8") as file:
        node: yaml.Node | None = yaml.compose(file)
    line = None
    for part in parts:
        if not isinstance(node, yaml.MappingNode):
            return None
        for name, value in node.value:
            if name.value == part:
                line, node = name.start_mark.line + 1, value
                break
        else:
            return None
    return line
