"""Composes configs from overrides in Python, as the commands do.

The module supports two versions of Hydra. Hydra 1.3 uses the defaults of 1.1 unless `version_base`
is given; Hydra 1.4 has only one set of defaults. The function that registers a resolver is called
`register_new_resolver` in OmegaConf 2.3, and `register_resolver` in 2.4, which Hydra 1.4 uses.
"""

import functools
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import hydra
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from seqsweep.config import CONF_DIR
from seqsweep.config.compose import MemberComposer, without_hydra
from seqsweep.config.messages import explain
from seqsweep.config.own_cell import as_open_key
from seqsweep.config.schema import Config, check
from seqsweep.config.shape.options import refuse_sweep
from seqsweep.config.typed_files import typed_words
from seqsweep.errors import ConfigError, raised_as
from seqsweep.runs.identity import CODE, START
from seqsweep.text import nearest_or_all

_IS_NEW = tuple(int(part) for part in hydra.__version__.split(".")[:2]) >= (1, 4)

VERSION_BASE: dict[str, Any] = {} if _IS_NEW else {"version_base": "1.3"}
"""Arguments of `hydra.main` and `initialize_config_dir` that choose the defaults of Hydra 1.3."""


def register_resolver(name: str, resolver: Callable[..., Any]) -> None:
    """Makes `${name:...}` known to every config; replaces an older resolver of that name."""
    function = "register_resolver" if _IS_NEW else "register_new_resolver"
    getattr(OmegaConf, function)(name, resolver, replace=True)


# `${ours:VALUE}` in conf is a default for our networks, which a typed value replaces. OmegaConf
# resolves a whole config, as for `--cfg job --resolve`, only if no resolver returns a plain list.
register_resolver("ours", lambda v: OmegaConf.create(v) if isinstance(v, list) else v)


def words_of(overrides: Iterable[str | Iterable[str]]) -> list[str]:
    """Returns overrides, given one by one or as lists, as one list."""
    groups = ([given] if isinstance(given, str) else given for given in overrides)
    return [word for group in groups for word in group]


@raised_as(ConfigError)
def compose(*overrides: str | Iterable[str]) -> Config:
    """Returns the checked config of one run: plain values, with all defaults.

    Args:
        overrides: the words of the command line, such as `data=digits` and `model.hidden_size=32`,
            one by one or as a list.

    Raises:
        ConfigError: an override is refused, or names several runs.
    """
    words = [*map(as_open_key, words_of(overrides))]
    with hydra_errors_explained(), _our_hydra(words):
        config = hydra_compose("train", words, return_hydra_config=True)
        refuse_sweep(config.sweep, config.hydra)
        return check(without_hydra(config))


def compose_sweep(overrides: Sequence[str]) -> DictConfig:
    """Returns the config of a whole sweep, with the node `hydra`."""
    with _our_hydra(overrides):
        loader = GlobalHydra.instance().config_loader()
        return loader.load_configuration("train", [*map(as_open_key, overrides)], RunMode.MULTIRUN)


@functools.cache
def shared_composer() -> MemberComposer:
    """Returns the one composer of configs of this process.

    If two configs differ only in values, the second takes a tenth of the time of `compose`. The
    composer raises Hydra's own errors, which `hydra_errors_explained` turns into messages.
    """
    with _our_hydra():
        loader = GlobalHydra.instance().config_loader()
        return MemberComposer(loader, loader.load_configuration("train", [], RunMode.MULTIRUN))


def check_again(config: Config) -> Config:
    """Checks a config again that the user may have changed; returns the result."""
    # `plan` adds these keys to some configs, and `check` refuses them.
    given = {key: value for key, value in config.items() if key not in (CODE, START)}
    return check(OmegaConf.create(given))


@contextmanager
def hydra_set_aside() -> Generator[None]:
    """Lets the block start Hydra inside another Hydra app, whose state is restored."""
    # Hydra keeps its state in two singletons, and does not start while `GlobalHydra` is set.
    app, job = GlobalHydra.instance().hydra, HydraConfig.instance().cfg
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().hydra, HydraConfig.instance().cfg = app, job


@contextmanager
def _our_hydra(words: Sequence[str] = ()) -> Generator[None]:
    folder = str(CONF_DIR)
    with hydra_set_aside(), typed_words(words), initialize_config_dir(folder, **VERSION_BASE):
        yield


@contextmanager
def hydra_errors_explained() -> Generator[None]:
    """Turns Hydra's errors in the block into a clear ValueError."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise ValueError(explain(error)) from error


OWN = ("--plan-only", "--detach", "--start", "--yes", "--json")
"""Options that `seqsweep train` removes from a command line before Hydra reads it."""

_REFUSED = {
    "--experimental-rerun": "loads a pickle, which runs its code; not supported",
    "hydra.verbose": "has no effect; HYDRA_FULL_ERROR=1 shows the traceback of an error",
    "--config-path": "the folder of the configs is fixed; --config-dir FOLDER adds one of your own",
}


def flags_first(arguments: Sequence[str], command: str, own: Sequence[str] = ()) -> list[str]:
    """Returns arguments with the flags first, as Hydra needs them.

    Hydra uses argparse, which expects all overrides in a row: in `data=digits -m seed=0,1` it does
    not accept the second override.

    Args:
        command: the name of the subcommand, for messages.
        own: the options of the command itself, which the message on an unknown flag lists too.

    Raises:
        ValueError: a flag is unknown, refused or lacks its value, or an override lacks its key.
    """
    parser = get_args_parser()
    known = parser._option_string_actions  # pyright: ignore[reportPrivateUsage]
    for word in arguments:
        name = word.partition("=")[0]
        if not name.lstrip("+~"):
            raise ValueError(f"{word!r}: must be KEY=VALUE")
        if name.startswith("-") and name not in known:
            names = [option for option in (*known, *own) if option.startswith("--")]
            hint = nearest_or_all(name, set(names) - set(_REFUSED))
            raise ValueError(f"{name}: no such option of seqsweep {command}{hint}")
        # A flag may have a short form, which is refused as well.
        forms = known[name].option_strings if name in known else [name.lstrip("+")]
        for refused in _REFUSED.keys() & set(forms):
            raise ValueError(f"{name}: {_REFUSED[refused]}")
    parser.error = _refuse
    options = parser.parse_intermixed_args(list(arguments))
    if options.package and not options.cfg:
        raise ValueError(f"--package={options.package}: needs --cfg, which it limits to a section")
    overrides: list[str] = options.overrides
    flags = list(arguments)
    for override in overrides:
        flags.remove(override)
    return [*flags, *map(as_open_key, overrides)]


def _refuse(message: str) -> NoReturn:
    raise ValueError(message)


def takes_value(flag: str) -> bool | None:
    """Returns whether a flag needs a value; None for an unknown word."""
    option = get_args_parser()._option_string_actions.get(flag)  # pyright: ignore[reportPrivateUsage]
    if option is None:
        return False if flag in OWN else None
    return option.nargs is None
