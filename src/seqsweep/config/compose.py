"""The configs of a sweep's members: composed once for all members of the same groups.

Hydra composes a config in some 60 ms; most members of a sweep differ in values alone, and setting
these on a copy takes less than one.
"""

import copy
import marshal
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from seqsweep.config.schema import Config, check
from seqsweep.runs.identity import flatten, is_below

_INTEGER = re.compile(r"([A-Za-z_][A-Za-z0-9_.]*)=(0|-?[1-9][0-9]{0,17})")
"""An override of which Hydra makes the same integer as Python, and nothing else."""


class MemberComposer:
    """Composes a member's config from its overrides, equal to what Hydra composes for its job.

    Args:
        loader: Hydra's.
        master: the config of the sweep, as the sweeper gets it.
    """

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        self.loader = loader
        self.master = master
        self._parser = OverridesParser.create(config_loader=loader)
        self._bases: dict[tuple[str, ...], DictConfig] = {}
        self._parsed: dict[str, Override] = {}
        self._groups: dict[str, bool] = {}
        # As marshal's bytes, out of which a copy is made in a tenth of the time of other ways.
        self._checked: dict[tuple[tuple[str, ...], tuple[tuple[str, type], ...]], bytes] = {}

    def full(self, overrides: Sequence[str]) -> DictConfig:
        """As Hydra does it, with the node `hydra`.

        Raises:
            HydraException: an override that cannot be applied.
        """
        return self.loader.load_sweep_config(self.master, list(overrides))

    def __call__(self, overrides: Sequence[str]) -> DictConfig:
        """The member's config without the node `hydra`.

        Raises:
            HydraException: an override that cannot be applied.
        """
        try:
            setting = {text for text in overrides if self._sets_value(text)}
            others = tuple(text for text in overrides if text not in setting)
            if any(not self._chooses(text) and not self._deletes(text, setting) for text in others):
                return self._without_hydra(self.full(overrides))  # their order counts
            base = self._base(others)
            config = copy.deepcopy(base)
            for text in overrides:
                if text in setting:
                    override = self._parse(text)
                    OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
        except (HydraException, OmegaConfBaseException):
            return self._without_hydra(self.full(overrides))  # right, or Hydra's own error
        return config

    def checked(self, overrides: Sequence[str]) -> Config:
        """The member's config, checked: what `check` makes of it.

        Members that set the same keys to other numbers differ in these numbers alone, where nothing
        is interpolated from them: for all but the first it takes no OmegaConf at all.

        Raises:
            HydraException, ValueError: as composing and checking raise them.
        """
        numbers = self._numbers(overrides)
        others = tuple(text for text in overrides if text not in numbers)
        kinds = tuple((key, type(value)) for key, value in numbers.values())
        known = self._checked.get((others, kinds))
        if known is None:
            config = self(overrides)
            checked = check(config)
            if numbers and self._follow(config, checked, numbers):
                self._checked[others, kinds] = marshal.dumps(checked)
            return checked
        found = marshal.loads(known)
        for key, value in numbers.values():
            _set(found, key, value)
        return found

    def _numbers(self, overrides: Sequence[str]) -> dict[str, tuple[str, Any]]:
        """The keys and values of the overrides `key=number`."""
        found: dict[str, tuple[str, Any]] = {}
        for text in overrides:
            # Hydra's grammar takes half a millisecond for each of a thousand seeds.
            if (match := _INTEGER.fullmatch(text)) and self._sets_value(f"{match[1]}=0"):
                key, value = match[1], int(match[2])
            elif self._sets_value(text):
                override = self._parse(text)
                key, value = override.key_or_group, override.value()
            else:
                continue
            if type(value) in (int, float, bool) and key != "threads":
                found[text] = key, value
        return found

    def _follow(
        self, config: DictConfig, checked: Config, numbers: dict[str, tuple[str, Any]]
    ) -> bool:
        """Whether the checked config has just these numbers, and nothing else that follows them."""
        leaves = dict(flatten(OmegaConf.to_container(config, resolve=False)))
        sources = [value for value in leaves.values() if isinstance(value, str) and "${" in value]
        values = dict(flatten(checked))
        for key, value in numbers.values():
            same = key in values and type(values[key]) is type(value) and values[key] == value
            if not same or any("${." in text or key in text for text in sources):
                return False
        parents = {part for key, _ in numbers.values() for part in _parents(key)}
        return not any(f"${{{parent}}}" in text for text in sources for parent in parents)

    def _base(self, overrides: tuple[str, ...]) -> DictConfig:
        if overrides not in self._bases:
            self._bases[overrides] = self._without_hydra(self.full(overrides))
        return self._bases[overrides]

    def _without_hydra(self, config: DictConfig) -> DictConfig:
        with open_dict(config):
            config.pop("hydra")
        return config

    def _parse(self, override: str) -> Override:
        if override not in self._parsed:
            self._parsed[override] = self._parser.parse_override(override)
        return self._parsed[override]

    def _sets_value(self, text: str) -> bool:
        """`key=value` for a key that is no config group and not one of Hydra's."""
        override = self._parse(text)
        key = override.key_or_group
        if override.type != OverrideType.CHANGE or override.package is not None:
            return False
        return not key.startswith("hydra") and not self._is_group(key)

    def _chooses(self, text: str) -> bool:
        """`group=option`, or one of Hydra's own."""
        override = self._parse(text)
        key = override.key_or_group
        return key.startswith("hydra") or self._is_group(key)

    def _deletes(self, text: str, setting: Collection[str]) -> bool:
        """`~key`, with nothing set there."""
        override = self._parse(text)
        keys = (self._parse(other).key_or_group for other in setting)
        return override.type == OverrideType.DEL and not any(
            is_below(key, (override.key_or_group,)) for key in keys
        )

    def _is_group(self, key: str) -> bool:
        if key not in self._groups:
            self._groups[key] = bool(self.loader.get_group_options(key))
        return self._groups[key]


def _set(config: Config, key: str, value: Any) -> None:
    *sections, name = key.split(".")
    for section in sections:
        config = config[section]
    config[name] = value


def _parents(key: str) -> Iterator[str]:
    while "." in key:
        key = key.rpartition(".")[0]
        yield key
