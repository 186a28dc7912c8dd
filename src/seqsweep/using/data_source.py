"""Finds and reads the source of a `seqsweep data` command, as a run would."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from seqsweep.config import CONF_DIR
from seqsweep.config.from_overrides import compose
from seqsweep.config.schema import Config
from seqsweep.data.files import ENDINGS, config_of, existing_file
from seqsweep.data.sequences import Splits
from seqsweep.suggest import did_you_mean, listed
from seqsweep.training.data_cache import load_source, translate_memory_errors

_ARCHIVE = "aeon:"
_PLAIN = re.compile(r"[A-Za-z_./][\w./-]*")
"""The values that Hydra reads as text without quotes."""


class Chosen(NamedTuple):
    """A data set that a run could read.

    Attributes:
        overrides: of `seqsweep train`.
        config: the checked section `data` of that run.
    """

    overrides: list[str]
    config: Config

    @translate_memory_errors()
    def read(self) -> Splits:
        """Returns the data as the source gives them, read once.

        Raises:
            ValueError, TypeError, OSError: the source refuses them.
        """
        return load_source(self.config["source"])


def choose(source: str, options: Sequence[str]) -> Chosen:
    """Finds a data set.

    Args:
        source: a file, the name of bundled data, or `aeon:NAME`.
        options: KEY=VALUE, a key of the source or of `data`.

    Raises:
        ValueError, TypeError, OSError: there is no such source, or an option is refused.
    """
    overrides = overrides_for(source)
    overrides += [_override(option) for option in options]
    return Chosen(overrides, compose(overrides)["data"])


def overrides_for(source: str) -> list[str]:
    """Returns the overrides that name a source.

    Raises:
        ValueError, FileNotFoundError: nothing has this name.
    """
    if source.startswith(_ARCHIVE):
        return ["data=aeon", f"data.source.name={_quoted(source.removeprefix(_ARCHIVE))}"]
    path = Path(source).expanduser()
    if not path.exists() and source in _bundled():
        return [f"data={source}"]
    if group := config_of(source):
        existing_file(source)
        return [f"data={group}", f"data.source.path={_quoted(source)}"]
    if path.is_file():
        raise ValueError(f"{source}: unknown ending; expected {listed(ENDINGS)}")
    hint = did_you_mean(source, _bundled())
    if hint and not path.suffix:
        raise ValueError(f"{source}: is neither a file nor the name of bundled data{hint}")
    existing_file(source)
    raise ValueError(f"{source}: is not a regular file")


def train_command(overrides: Sequence[str]) -> str:
    """Returns the command that trains with these overrides, quoted for a shell."""
    return " ".join(["seqsweep", "train", *map(shlex.quote, overrides)])


def _bundled() -> list[str]:
    """Returns the options of `data` that need no file."""
    names = (path.stem for path in (CONF_DIR / "data").glob("[!_]*.yaml"))
    return sorted(set(names) - {*map(config_of, ENDINGS), "aeon"})


def _override(option: str) -> str:
    """Returns the override of an option, whose key may leave out `data.source.`."""
    key, equals, value = option.partition("=")
    if not equals or not key:
        raise ValueError(f"{option}: must be KEY=VALUE, as in layout=time_first")
    if key.startswith("data."):
        return option
    section = "data" if key in _shared_keys() else "data.source"
    return f"{section}.{key}={value}"


def _shared_keys() -> set[str]:
    """Returns the keys that all options of `data` share, such as `missing`."""
    lines = (CONF_DIR / "data" / "_loading.yaml").read_text(encoding="utf-8").splitlines()
    return {line.partition(":")[0] for line in lines if re.match(r"[a-z]\w*:", line)}


def _quoted(value: str) -> str:
    """Returns a text as the value of an override."""
    if _PLAIN.fullmatch(value) and value.lower() not in ("true", "false", "null", "nan", "inf"):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
