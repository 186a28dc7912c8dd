"""Turns errors into messages that name a key and where the key was set.

The errors come from Hydra, OmegaConf, user code and our own checks.
"""

import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import (
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    OmegaConfBaseException,
    ValidationError,
)

from seqsweep.command import how_to_sweep, quoted_value
from seqsweep.config import CONF_DIR
from seqsweep.config.typed_files import is_shown
from seqsweep.errors import DataError
from seqsweep.runs.identity import is_below
from seqsweep.text import listed, nearest_or_all

_SEVERAL = re.compile(r"Ambiguous value for argument '(.*)'|Sweep parameters '(.*)' requires")
_REPLACED = {
    r"Multiple values for ([^\s.]+)\.": (
        r"\1: has an option already; write \1=OPTION without a plus sign"
    ),
    r"Could not append to config\. An item is already at '(.*?)'": (
        r"+\1: is a key already; write \1=VALUE without a plus sign"
    ),
    r"Could not override '(.*?)'\. No match in the defaults list": (
        r"\1: is not a group of seqsweep; +\1=OPTION adds a group of yours"
    ),
    r"Could not delete from config\. '(.*)' does not exist": r"~\1: no such key in the config",
    r"In '(\w+/\S+)': Could not override '(\w+)@": (
        r"\1.yaml: overrides \2; its first line must be `# @package _global_`"
    ),
}
"""Maps the beginnings of Hydra's messages to ours."""

_PARSER = OverridesParser.create()


def explain(error: BaseException) -> str:
    """Returns a readable message for an error, with the nearest right name."""
    cause = error.__cause__
    # An error of our own resolvers has a complete message.
    if "resolving interpolation: " in str(error):
        return str(error).splitlines()[0].rpartition("resolving interpolation: ")[2]
    if isinstance(error, InstantiationException) and isinstance(cause, (ValueError, OSError)):
        return str(cause)  # the message of a launcher names the key already
    if isinstance(error, OverrideParseException):
        return _unreadable(error)
    if several := _SEVERAL.match(str(error)):
        given = several[1] or several[2]
        return (
            f"{given}: several values are a sweep; {how_to_sweep()}"
            " (a list is written [1,2], a text with commas is quoted)"
        )
    for beginning, ours in _REPLACED.items():
        if match := re.match(beginning, str(error)):
            return match.expand(ours)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        return _missing_option(error)
    # Hydra's error wraps OmegaConf's error, which has the node with the known keys.
    for each in (cause, error):
        if isinstance(each, (ConfigKeyError, ConfigAttributeError)):
            return _unknown_key(each)
    if isinstance(cause, ValidationError):
        error = cause
    if isinstance(error, OmegaConfBaseException):
        reason = str(error.msg or error).splitlines()[0]
        return f"{error.full_key}: {reason}" if error.full_key else reason
    message = re.sub(r" full_key:( object_type=\w+)?$", "", " ".join(str(error).split()))
    if "Config group override must be" in message:
        return f"{message}; a group takes the name of an option, as in model=rnn"
    return message


def _unreadable(error: OverrideParseException) -> str:
    """Explains an invalid override, with the quotes that it may need."""
    override = error.override
    key, equals, value = override.partition("=")
    if not equals:
        return f"{override}: must be KEY=VALUE"
    if value.endswith(",") and value != ",":  # the shell has split `cell=rnn, gru`
        return f"{override}: must not end with a comma; write {key}=A,B without spaces"
    if parsed(f"{key}=1") is None:
        return f"{override}: {key!r} is not a key; a key has names and points: model.hidden_size"
    if with_quotes := quoted(override):
        return f"{override}: has a character that must be quoted: {shlex.quote(with_quotes)}"
    return f"{override}: has quotes or brackets that do not match"


def quoted(override: str) -> str | None:
    """Returns an invalid override with its value quoted, if that makes it valid."""
    key, _, value = override.partition("=")
    is_even = all(value.count(a) == value.count(b) for a, b in ("[]", "{}", "()"))
    new = f'{key}="{value}"'
    if value.startswith("[") and value.endswith("]"):
        names = (name.strip().strip('"') for name in value[1:-1].split(","))
        new = f"{key}={quoted_value(list(names))}"
    return new if is_even and parsed(override) is None and parsed(new) else None


def has_several_values(override: str) -> bool:
    """Returns whether an override gives several values, as in a sweep."""
    given = parsed(override)
    return given is not None and given.is_sweep_override()


def parsed(override: str) -> Override | None:
    """Returns an override as Hydra reads it; None if it is invalid."""
    try:
        return _PARSER.parse_override(override)
    except HydraException:
        return None


def _missing_option(error: MissingConfigException) -> str:
    """Explains `group=option` with an option that does not exist."""
    group, _, option = str(error.missing_cfg_file).rpartition("/")
    # A file such as data/_table is only included by other files, so it is not an option.
    options = [name for name in error.options or () if not name.startswith("_")]
    if not group:
        known = nearest_or_all(option, options or ["train"])
        return f"no config {option!r}{known}{_of_your_own(option)}"
    hint = nearest_or_all(option, options)
    if "did you mean" not in hint:
        hint += _of_your_own(f"{group}/{option}")
    return f"{group}={option}: no such option of {group}{hint}"


def _of_your_own(name: str) -> str:
    return f"; one of your own is FOLDER/{name}.yaml with --config-dir FOLDER"


REFUSED = {
    "folder": "a run names its own folder; set output_dir",
    "default_root_dir": "a run names its own folder; set output_dir",
    "logger": "choose loggers by the group logger",
    "callbacks": "choose callbacks by the group callbacks",
    "enable_checkpointing": "keep or leave out callbacks.checkpoint",
    "enable_progress_bar": "use trainer.progress_bar",
    "plugins": "a run brings its own plugins",
    "use_distributed_sampler": "a run shares its batches among its processes itself",
    "num_nodes": "a run trains on one machine",
    "limit_predict_batches": "a run predicts nothing",
    "barebones": "a run needs its logs and checkpoints",
    "model_registry": "a run uploads nothing",
}
"""The keys of `trainer` that cannot be set, with the reason or with what to set instead."""

_INSTEAD = {
    "hydra.launcher.detach": (
        "--detach: needs a launcher whose workers outlive the command, such as "
        "hydra/launcher=slurm; on this machine use `nohup seqsweep train -m ... &`"
    ),
    "hydra.launcher.start": (
        "--start: needs a launcher that starts workers, such as hydra/launcher=slurm; on this "
        "machine the same command trains what is missing"
    ),
}
"""The messages for unknown keys that have a known alternative."""


def _unknown_key(error: OmegaConfBaseException) -> str:
    """Explains an override of a key that does not exist."""
    parent = error.parent_node
    known = [str(key) for key in parent] if isinstance(parent, DictConfig) else []
    key = str(error.full_key)
    if key in _INSTEAD:
        return _INSTEAD[key]
    section, _, name = key.rpartition(".")
    if section == "trainer" and name in REFUSED:
        return f"{key}: cannot be set; {REFUSED[name]}"
    message = no_such_key(key, [name for name in known if name != "hydra"])
    target = str(parent.get("_target_", "seqsweep.")) if isinstance(parent, DictConfig) else ""
    if not target.startswith(("seqsweep.", "hydra_plugins.")) and "did you mean" not in message:
        message += f"; +{key}=VALUE gives {target} an argument that its file does not have"
    return message


def no_such_key(key: str, known: Iterable[str]) -> str:
    """Returns the message for an unknown key: the options that have it, or near names."""
    section, _, name = key.rpartition(".")
    section = section or "the config"
    options = [
        f"{section}={path.stem}"
        for path in sorted((CONF_DIR / section).glob("[!_]*.yaml"))
        if name in (yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    ]
    hint = f"; {listed(options)} {'has' if len(options) == 1 else 'have'} it" if options else ""
    return f"{key}: no such key in {section}{hint or nearest_or_all(name, sorted(known))}"


def reworded(error: Exception, message: str) -> Exception:
    """Returns an error of Python, or a DataError, with this message.

    The error's own class is not used, because some classes take more arguments than a message.
    """
    for kind in (DataError, FileNotFoundError, OSError, ValueError):
        if isinstance(error, kind):
            return kind(message)
    return TypeError(message)


def named(error: BaseException) -> str:
    """Returns the error in one line with its class: `KeyError: 'x'`."""
    return " ".join(f"{type(error).__name__}: {error}".split())


_PACKAGE = re.compile(r"^#\s*@package\s+(\S+)", re.MULTILINE)


def with_place(error: Exception, hydra_config: DictConfig) -> Exception:
    """Returns the error, completed by the file and line that set its key.

    Args:
        error: an error that begins with its key: `model.hidden_size=0: must be at least 1`.
        hydra_config: the node `hydra` of the composed config.
    """
    key = re.match(r"\w+(\.\w+)*", str(error))
    if key is None:
        return error
    # The overrides stay unresolved, because an interpolation in them may lead nowhere.
    for override in OmegaConf.to_container(hydra_config.overrides.task, resolve=False) or ():
        # No file is named if the command line set the key or a key below it: for example,
        # `data.source.path=x.npz` is the cause of `data.source: no file x.npz`.
        if is_below(str(override).lstrip("+~").partition("=")[0], (key[0],)):
            return error
    for path, package in _files(hydra_config):
        parts = key[0].split(".")
        prefix = [] if package == "_global_" else package.split(".")
        if parts[: len(prefix)] == prefix and (line := _line(path, parts[len(prefix) :])):
            # A suggested command stays at the end of the message, so that it can be copied.
            fact, *command = str(error).partition("; did you mean: ")
            return reworded(error, f"{fact} (in {path}:{line}){''.join(command)}")
    return error


def _files(hydra_config: DictConfig) -> Iterator[tuple[Path, str]]:
    """Yields the chosen files with their sections; files that override others come first.

    Experiments and other files for the whole config come before the files of the groups, and
    train.yaml comes last.
    """
    sources = hydra_config.runtime.config_sources  # in the order in which Hydra searches them
    folders = [Path(str(source.path)) for source in sources if source.schema == "file"]
    files: list[tuple[Path, str]] = []
    for group, option in hydra_config.runtime.choices.items():
        for path in _with_parents(folders, str(group), str(option)):
            match = _PACKAGE.search(path.read_text(encoding="utf-8"))
            files.append((path, match[1] if match else str(group).replace("/", ".")))
    # The sort is stable, so files of equal rank keep the order of Hydra's choices.
    yield from sorted(files, key=lambda item: item[1] != "_global_")
    yield CONF_DIR / "train.yaml", "_global_"


def _with_parents(folders: list[Path], group: str, option: str) -> Iterator[Path]:
    """Yields the file of an option, then those of the options that it includes."""
    name = f"{group}/{option}"
    folders = sorted(folders, key=lambda folder: not is_shown(folder, name))
    path = next(filter(Path.is_file, (folder / f"{name}.yaml" for folder in folders)), None)
    if path is not None:
        yield path
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        defaults = content.get("defaults", []) if isinstance(content, dict) else []
        for name in defaults:
            if isinstance(name, str) and name not in ("_self_", option):
                yield from _with_parents(folders, group, name)


def _line(path: Path, parts: list[str]) -> int | None:
    """Returns the line, from 1, of a nested key; None without the key."""
    with path.open(encoding="utf-8") as file:
        node: yaml.Node | None = yaml.compose(file)
    line = None
    for part in parts:
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        found = next(((name, value) for name, value in pairs if name.value == part), None)
        if found is None:
            return None
        line, node = found[0].start_mark.line + 1, found[1]
    return line
