"""Supports Hydra 1.3 and 1.4 (with OmegaConf 2.4), which differ in two calls.

Hydra 1.3 needs a `version_base`, or it falls back on the defaults of 1.1. Hydra 1.4 has one set of
defaults. `OmegaConf.register_resolver` is the new function in OmegaConf 2.4, and a deprecated older
one in 2.3.
"""

from collections.abc import Callable
from typing import Any

import hydra
from omegaconf import OmegaConf

_IS_NEW = tuple(int(part) for part in hydra.__version__.split(".")[:2]) >= (1, 4)

VERSION_BASE: dict[str, Any] = {} if _IS_NEW else {"version_base": "1.3"}
"""Arguments for `hydra.main` and `initialize_config_dir`: the defaults of Hydra 1.3 and later."""


def register_resolver(name: str, resolver: Callable[..., Any]) -> None:
    """Makes `${name:...}` known to every config, replacing a resolver of that name."""
    function = "register_resolver" if _IS_NEW else "register_new_resolver"
    getattr(OmegaConf, function)(name, resolver, replace=True)
