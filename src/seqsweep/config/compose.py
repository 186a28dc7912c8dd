"""The configs of a sweep's members: composed once for all members of the same groups.

Hydra composes a config in some 60 ms; most members of a sweep differ in values alone, and setting
these on a copy takes less than one.
"""

import copy
from collections.abc import Collection, Sequence

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from seqsweep.runs.identity import is_below


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
            is_below(key, [override.key_or_group]) for key in keys
        )

    def _is_group(self, key: str) -> bool:
        if key not in self._groups:
            self._groups[key] = bool(self.loader.get_group_options(key))
        return self._groups[key]
