"""Composes the configs of a sweep's members (its runs) quickly.

Hydra takes some 60 ms to compose a config. Most members of a sweep differ only in values, and
setting values on a copy takes less than 1 ms.
"""

import contextlib
import copy
import functools
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import OverrideType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from seqsweep.config.own_cell import as_open_key
from seqsweep.config.schema import Config, check
from seqsweep.config.signatures import TORCH_OPTIMIZERS
from seqsweep.runs.identity import flatten

_TORCH_ONLY = {key for _, neutral in TORCH_OPTIMIZERS.values() for key in neutral}
_JUDGED = ("threads", "sweep.", "trainer.", *(f"optimizer.{key}" for key in _TORCH_ONLY))
"""The prefixes of keys whose numbers `schema.check` must see one by one.

`check` compares `threads` with the cores of the machine and some keys of `sweep` with their range,
drops arguments of `trainer` that equal Lightning's default, and replaces an optimizer of torch by
ours where its values allow it. Other numbers need the right type.
"""


class MemberComposer:
    """Composes the same configs of members as Hydra, but in less time."""

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        self.loader = loader
        self.master = master
        parser = OverridesParser.create(config_loader=loader)
        self._parse = functools.cache(lambda text: parser.parse_override(as_open_key(text)))
        # To know whether a key is a group, Hydra reads every config folder, so answers are kept.
        self._is_group = functools.cache(lambda key: bool(loader.get_group_options(key)))
        # `_base` composes a config from the given overrides. Callers must copy it before a change.
        self._base = functools.cache(lambda others: without_hydra(self.full(others)))
        # Members of one kind set the same keys. The first is checked; the others copy its config.
        self._checked: dict[tuple[tuple[str, ...], tuple[tuple[str, type], ...]], Config] = {}
        self._bound: set[tuple[str, type]] = set()  # see `_bound_numbers`

    def full(self, overrides: Sequence[str]) -> DictConfig:
        """Composes a member's config by Hydra, including the section `hydra`."""
        return self.loader.load_sweep_config(self.master, [*map(as_open_key, overrides)])

    def __call__(self, overrides: Sequence[str]) -> DictConfig:
        """Composes a member's config, without the section `hydra`."""
        # If this class cannot compose a config, Hydra composes it or raises its own error.
        with contextlib.suppress(HydraException, OmegaConfBaseException):
            # Values are set on a copy of the config that Hydra composes from the other overrides.
            setting = {text for text in overrides if self._sets_value(text)}
            others = tuple(text for text in overrides if text not in setting)
            if all(self._chooses(text) for text in others):
                config = copy.deepcopy(self._base(others))
                for override in (self._parse(text) for text in overrides if text in setting):
                    key, adds = override.key_or_group, override.is_force_add()
                    OmegaConf.update(config, key, override.value(), merge=True, force_add=adds)
                return config
        return without_hydra(self.full(overrides))

    def checked(self, overrides: Sequence[str]) -> Config:
        """Composes and checks a member's config; returns plain values.

        Members that set the same keys to different numbers differ only in these numbers, unless
        another value is interpolated from a number. Their configs are made from the first member's
        checked config. Returned configs share sections, so callers must not change them.

        Raises:
            HydraException, ValueError: composing or checking has failed.
        """
        numbers = self._numbers(overrides)
        others = tuple(text for text in overrides if text not in numbers)
        kind = others, tuple((key, type(value)) for key, value in numbers.values())
        known = self._checked.get(kind)
        if known is None:
            config = self(overrides)
            checked = check(config)
            bound = _bound_numbers(config, checked, numbers.values())
            self._bound |= bound
            if not bound:
                self._checked[kind] = checked
            return checked
        for key, value in numbers.values():
            known = _replaced(known, key, value)
        return known

    def _numbers(self, overrides: Sequence[str]) -> dict[str, tuple[str, Any]]:
        """Returns key and value, by override, of numbers that need no check of their own."""
        numbers: dict[str, tuple[str, Any]] = {}
        for text in overrides:
            if self._sets_value(text):
                override = self._parse(text)
                key, value = override.key_or_group, override.value()
                # The check refuses infinite numbers and NaN, so it must see them.
                is_number = isinstance(value, (int, float)) and math.isfinite(value)
                is_free = not key.startswith(_JUDGED) and (key, type(value)) not in self._bound
                if is_number and is_free:
                    numbers[text] = key, value
        return numbers

    def _sets_value(self, text: str) -> bool:
        """Returns whether an override changes a key of the config; groups are not keys."""
        override = self._parse(text)
        is_plain = override.type in (OverrideType.CHANGE, OverrideType.FORCE_ADD)
        return is_plain and override.package is None and not self._chooses(text)

    def _chooses(self, text: str) -> bool:
        """Returns whether an override is `group=option`, or sets a key of Hydra itself."""
        override = self._parse(text)
        key = override.key_or_group
        return key.startswith("hydra") or self._is_group(key)


def without_hydra(config: DictConfig) -> DictConfig:
    """Removes the node `hydra` from a config and returns the config."""
    with open_dict(config):
        config.pop("hydra")
    return config


def _bound_numbers(
    config: DictConfig, checked: Config, numbers: Iterable[tuple[str, Any]]
) -> set[tuple[str, type]]:
    """Returns the keys and types of numbers that must be checked in every config."""
    leaves = flatten(OmegaConf.to_container(config, resolve=False))
    texts = (text for _, text in leaves if isinstance(text, str))
    sources = " ".join(text for text in texts if re.search(r"\$\{(?!ours:)", text))
    values = dict(flatten(checked))
    bound: set[tuple[str, type]] = set()
    for key, value in numbers:
        # The check may have converted the number (1 to 1.0), and would convert other numbers too.
        is_converted = repr(values.get(key)) != repr(value)
        # An interpolation from the number's section may make another value depend on the number.
        if is_converted or "${." in sources or key.partition(".")[0] in sources:
            bound.add((key, type(value)))
    return bound


def _replaced(config: Config, key: str, value: Any) -> Config:
    """Returns a copy of a config with another value of a dotted key."""
    name, _, rest = key.partition(".")
    return config | {name: _replaced(config[name], rest, value) if rest else value}
