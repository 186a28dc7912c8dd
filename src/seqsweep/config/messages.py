"""One clear message for what Hydra, OmegaConf and our own checks refuse."""

from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    OmegaConfBaseException,
)

from seqsweep.suggest import nearest_or_all


def explain(error: BaseException) -> str:
    """The message for a person: what was given, what is allowed, the nearest right name."""
    cause = error.__cause__
    if "resolving interpolation: " in str(error):
        return str(error).splitlines()[0].rpartition("resolving interpolation: ")[2]
    if isinstance(error, OverrideParseException):
        first = str(error).splitlines()[0]
        return f"cannot read the argument {error.override!r}: {first}"
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        return _missing_option(error)
    for found in (cause, error):
        if isinstance(found, (ConfigKeyError, ConfigAttributeError)):
            return _unknown_key(found)
    if isinstance(error, OmegaConfBaseException):
        reason = str(error.msg or error).splitlines()[0]
        return f"{error.full_key}: {reason}" if error.full_key else reason
    if "Config group override must be" in str(error):
        return f"{str(error).strip()}; a group takes the name of an option, as in model=rnn"
    return str(error).strip()


def _missing_option(error: MissingConfigException) -> str:
    group, _, option = str(error.missing_cfg_file).rpartition("/")
    options = list(error.options or [])
    if not group:
        return f"no config {option!r}{nearest_or_all(option, options)}"
    return f"{group}={option}: no such option of {group}{nearest_or_all(option, options)}"


def _unknown_key(error: OmegaConfBaseException) -> str:
    parent = error.parent_node
    known = [str(key) for key in parent] if isinstance(parent, DictConfig) else []
    key = str(error.full_key)
    section = key.rpartition(".")[0] or "the config"
    hint = nearest_or_all(str(error.key), [name for name in known if name != "hydra"])
    return f"{key}: no such key in {section}{hint}"
