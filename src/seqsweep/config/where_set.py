"""Finds the line of the YAML file that set a key, for error messages."""

import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from omegaconf import DictConfig, OmegaConf

from seqsweep.config.messages import reworded
from seqsweep.runs.identity import is_below

_PACKAGE = re.compile(r"^#\s*@package\s+(\S+)", re.MULTILINE)


def with_place(error: Exception, hydra_config: DictConfig) -> Exception:
    """Adds to an error's message the file and line that set its key.

    Args:
        error: its message begins with the key, such as `model.hidden_size=0: must be at least 1`.
        hydra_config: the node `hydra` of the composed config.
    """
    key = re.match(r"\w+(\.\w+)*", str(error))
    suffix = _file_and_line(key[0], hydra_config) if key else ""
    return reworded(error, f"{error}{suffix}") if suffix else error


def _file_and_line(key: str, hydra_config: DictConfig) -> str:
    """Returns ` (in FILE:LINE)` for a key, or nothing where no file set it."""
    # Unresolved, because an override may hold an interpolation that leads nowhere.
    overrides = OmegaConf.to_container(hydra_config.overrides.task, resolve=False) or ()
    for override in overrides:
        # The error may name a section (`data.source: no file x.npz`) although an override inside it
        # (`data.source.path=x.npz`) is wrong. Then the section's line in a file would mislead.
        if is_below(str(override).lstrip("+~").partition("=")[0], (key,)):
            return ""
    for path, package in _files(hydra_config):
        parts = key.split(".")
        prefix = [] if package == "_global_" else package.split(".")
        if parts[: len(prefix)] == prefix and (line := _line(path, parts[len(prefix) :])):
            return f" (in {path}:{line})"
    return ""


def _files(hydra_config: DictConfig) -> Iterator[tuple[Path, str]]:
    """Yields the chosen files with the package of each, the one that wins first.

    Experiments and other files for the whole config come before the files of the groups, and
    train.yaml comes last.
    """
    folders = [
        Path(str(source.path))
        for source in hydra_config.runtime.config_sources
        if source.schema == "file"
    ]
    files: list[tuple[Path, str]] = []
    for group, option in hydra_config.runtime.choices.items():
        for path in _with_parents(folders, str(group), str(option)):
            files.append((path, _package(path, str(group))))
    # The sort is stable, so files of equal rank keep the order of Hydra's choices.
    yield from sorted(files, key=lambda item: item[1] != "_global_")
    for folder in folders:
        if (folder / "train.yaml").is_file():
            yield folder / "train.yaml", "_global_"


def _with_parents(folders: list[Path], group: str, option: str) -> Iterator[Path]:
    """Yields the file of an option, then the files that it builds on."""
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
    """Returns the section that a file fills."""
    match = _PACKAGE.search(path.read_text(encoding="utf-8"))
    return match[1] if match else group.replace("/", ".")


def _line(path: Path, parts: list[str]) -> int | None:
    """Returns the line, from 1, of a nested key in a file."""
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
