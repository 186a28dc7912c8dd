"""Lets Hydra compose in a third of the time: it reads each file of a package once for all tests.

Hydra composes some 600 configs for the fast tests, each from 24 files that it reads and parses
anew, and from the same interpolations. `make hydra-check` tests Hydra as it is.
"""

import copy
import functools
import os
import pickle
from collections.abc import Callable
from typing import Any

import hydra
import omegaconf._utils
import omegaconf.base
from hydra._internal import defaults_list
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import (
    CachingConfigRepository,
    ConfigRepository,
    IConfigRepository,
)
from hydra.core.object_type import ObjectType

from seqsweep.config import CONF_DIR

AS_IT_IS = "SEQSWEEP_HYDRA_AS_IT_IS"
"""A variable of the environment: if it is set, Hydra is not changed. Hydra 1.4 never is."""

_FIXED = {"pkg": {"hydra.conf"}, "file": {str(CONF_DIR)}}
"""Folders whose files do not change while tests run, by scheme."""

_read: dict[tuple[str, str], bytes] = {}
_embedded: dict[tuple[tuple[str, str], str | None], bytes] = {}

_load: Callable[..., Any] = ConfigRepository.load_config
_MAP = "_create_interpolation_map"
_map_choices: Callable[..., Any] = getattr(defaults_list, _MAP, lambda *_: None)
_EMBED = "_embed_result_config"
_embed: Callable[..., Any] = getattr(ConfigLoaderImpl, _EMBED, lambda *_: None)
_PARSERS: tuple[Any, ...] = (omegaconf.base, omegaconf._utils)
_parse: Callable[..., Any] = omegaconf.base.parse  # pyright: ignore[reportPrivateImportUsage]
parse = functools.cache(_parse)  # who walks through a parsed interpolation changes nothing


def load_config(self: ConfigRepository, config_path: str) -> Any:
    """Reads a config file of a fixed folder once; each caller gets a copy, since Hydra changes it.

    Unpickling copies faster than deepcopy does.
    """
    source = self._find_object_source(config_path, ObjectType.CONFIG)
    if source is None or source.path not in _FIXED.get(source.scheme(), ()):
        return _load(self, config_path)
    key = (source.provider, config_path)
    if key not in _read:
        loaded = _load(self, config_path)
        loaded.key, loaded.own = key, loaded.config  # `embed` knows it by these
        _read[key] = pickle.dumps(loaded)
    return pickle.loads(_read[key])


def embed(loaded: Any, package: str | None) -> Any:
    """Puts a config that `load_config` has read below its package; each caller gets a copy."""
    # Hydra may have merged the config with a schema: then it is another object.
    if getattr(loaded, "own", None) is not loaded.config:
        return _embed(loaded, package)
    key = loaded.key, package
    if key not in _embedded:
        _embedded[key] = pickle.dumps(_embed(pickle.loads(_read[loaded.key]), package))
    return pickle.loads(_embedded[key])


def map_choices(overrides: Any, elements: list[Any], self_added: bool) -> Any:
    """Collects the values for interpolations in a defaults list, if it has any."""
    # An element has the name of an option as `value`, or that of a config as `path`.
    if any(
        "${" in f"{vars(element).get('value')}{vars(element).get('path')}" for element in elements
    ):
        return _map_choices(overrides, elements, self_added)
    return None


def cache(self: Any, delegate: IConfigRepository) -> None:
    """Makes a `CachingConfigRepository`, which gives its copy other sources but changes none."""
    self.delegate, self.cache = copy.copy(delegate), {}


def install() -> None:
    """Makes Hydra 1.3 faster, unless `AS_IT_IS` is set."""
    if AS_IT_IS in os.environ or not hydra.__version__.startswith("1.3."):
        return
    ConfigRepository.load_config = load_config
    CachingConfigRepository.__init__ = cache
    setattr(defaults_list, _MAP, map_choices)
    setattr(ConfigLoaderImpl, _EMBED, staticmethod(embed))
    for module in _PARSERS:
        module.parse = parse
