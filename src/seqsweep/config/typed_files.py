"""Lets a typed choice read the user's file rather than ours of the same name.

Hydra reads an option from the first folder that has it, and our folder comes before the user's. So
a source before both shows the user's files of each group in which a word chooses one of them, as
`logger=wandb` does, or an experiment that a word chooses. Other choices are read from our folder.
"""

import functools
import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.utils import get_args_parser
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

from seqsweep.config import CONF_DIR
from seqsweep.runs.files import say_once

_OURS = ("trainer", "hydra")
"""The groups whose options of ours are read even if a word chooses them."""

_REPLACED = {"model_checkpoint": ".ModelCheckpoint", "early_stopping": ".EarlyStopping"}
"""The callbacks whose work ours do: their usual names, and the ends of their classes."""

_typed: tuple[str, ...] = ()
_folders: tuple[str, ...] = ()


@contextmanager
def typed_words(words: Sequence[str]) -> Generator[None]:
    """Lets the choices of these words read the user's files while the block composes configs."""
    global _typed, _folders
    before = _typed, _folders
    _typed = tuple(words)
    parse = OverridesParser.create().parse_override
    given: list[Any] = [parse(w).value() for w in words if w.startswith("hydra.searchpath=")]
    given.append([get_args_parser().parse_known_args(list(words))[0].config_dir])
    paths = [str(path) for each in given if isinstance(each, list) for path in each if path]
    _folders = tuple(path for path in paths if "://" not in path)
    for plugin in (_TypedFirst, TypedFiles):
        Plugins.instance().register(plugin)
    try:
        yield
    finally:
        _typed, _folders = before


class _TypedFirst(SearchPathPlugin):
    """Puts the files that typed words choose before all others."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for folder in reversed(_folders):
            search_path.prepend("typed words", f"{TypedFiles.scheme()}://{Path(folder).absolute()}")


class TypedFiles(FileConfigSource):
    """The files of a folder that typed words choose."""

    @staticmethod
    def scheme() -> str:
        return "typed"

    def available(self) -> bool:
        return True

    def is_group(self, config_path: str) -> bool:
        return False  # the folder itself is a source, which lists its groups

    def is_config(self, config_path: str) -> bool:
        return is_shown(self.path, config_path)

    def load_config(self, config_path: str) -> ConfigResult:
        result = super().load_config(config_path)
        if config_path.startswith("callbacks/"):
            result.config = _beside_ours(Path(self.path, config_path), result.config)
        return result


def is_shown(folder: str | Path, path: str) -> bool:
    """Returns whether a file of a folder, such as `logger/wandb`, is read before ours."""
    is_chosen = path.rpartition("/")[0] in _groups(str(folder), _typed)
    return is_chosen and Path(folder, f"{path.removesuffix('.yaml')}.yaml").is_file()


@functools.lru_cache(maxsize=64)
def _groups(folder: str, words: Sequence[str]) -> set[str]:
    """Returns the groups in which words, or an experiment that they choose, choose a file."""
    # A sweep chooses several options: `model=a,b`.
    chosen = [re.match(r"\+?([\w/]+)(?:@\S*?)?=([\w./,-]+)", word) for word in words]
    pairs = [(match[1], option) for match in chosen if match for option in match[2].split(",")]
    groups: set[str] = set()
    for group, option in pairs:  # which grows
        file = Path(folder, group, f"{option}.yaml")
        if group not in _OURS and file.is_file():
            groups.add(group)
            text = file.read_text(encoding="utf-8")
            pairs += re.findall(r"^\s*- override /([\w/]+):\s*([\w./-]+)", text, re.MULTILINE)
    return groups


def _beside_ours(path: Path, config: Any) -> Any:
    """Returns a file of callbacks with ours, without those of Lightning that ours replace."""
    included = [f"{name}.yaml" for name in config.get("defaults", []) if name != "_self_"]
    if not all((path.parent / name).is_file() for name in included):
        return config  # the file is written for seqsweep, and includes ours
    for name in [name for name, node in config.items() if OmegaConf.is_dict(node)]:
        target = str(config[name].get("_target_", _REPLACED.get(name, "")))
        if target.endswith(tuple(_REPLACED.values())):
            config.pop(name)
            why = "seqsweep keeps the best and the last checkpoint"
            say_once(f"callbacks.{name}: left out; {why}, and callbacks=early_stopping stops early")
    names = ["default", "early_stopping"] if "callbacks=early_stopping" in _typed else ["default"]
    ours: list[Any] = [OmegaConf.load(CONF_DIR / f"callbacks/{name}.yaml") for name in names]
    for each in ours:
        each.pop("defaults", None)
    return OmegaConf.merge(*ours, config)
