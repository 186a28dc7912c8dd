"""Lets Hydra compose in half the time: it reads each file of a package once for all tests.

Hydra composes some 600 configs for the fast tests, each from 24 files that it reads and parses
anew. tests/config/test_faster_hydra.py shows that the configs are the same. `make hydra-check`
tests Hydra as it is.
"""

import os
import pickle
from collections.abc import Callable
from typing import Any

import hydra
from hydra._internal import defaults_list
from hydra._internal.config_repository import ConfigRepository
from hydra.core.object_type import ObjectType

from seqsweep.config import CONF_DIR

AS_IT_IS = "SEQSWEEP_HYDRA_AS_IT_IS"
"""A variable of the environment: if it is set, Hydra is not changed. Hydra 1.4 never is."""

_FIXED = {"pkg": {"hydra.conf"}, "file": {str(CONF_DIR)}}
"""Folders whose files do not change while tests run, by scheme."""

_read: dict[tuple[str, str], bytes] = {}

_load: Callable[..., Any] = ConfigRepository.load_config
_MAP = "_create_interpolation_map"
_map_choices: Callable[..., Any] = getattr(defaults_list, _MAP, lambda *_: None)


def load_config(self: ConfigRepository, config_path: str) -> Any:
    """Reads a config file of a fixed folder once; each caller gets a copy, since Hydra changes it.

    Unpickling copies faster than deepcopy does.
    """
    source = self._find_object_source(config_path, ObjectType.CONFIG)
    if source is None or source.path not in _FIXED.get(source.scheme(), ()):
        return _load(self, config_path)
    key = (source.provider, config_path)
    if key not in _read:
        _read[key] = pickle.dumps(_load(self, config_path))
    return pickle.loads(_read[key])


def map_choices(overrides: Any, elements: list[Any], self_added: bool) -> Any:
    """Collects the values for interpolations in a defaults list, if it has any."""
    # An element has the name of an option as `value`, or that of a config as `path`.
    if any(
        "${" in f"{vars(element).get('value')}{vars(element).get('path')}" for element in elements
    ):
        return _map_choices(overrides, elements, self_added)
    return None


def change(is_faster: bool) -> None:
    """Makes Hydra faster, or as it was."""
    ConfigRepository.load_config = load_config if is_faster else _load
    setattr(defaults_list, _MAP, map_choices if is_faster else _map_choices)


def install() -> None:
    """Makes Hydra 1.3 faster, unless `AS_IT_IS` is set."""
    change(AS_IT_IS not in os.environ and hydra.__version__.startswith("1.3."))
