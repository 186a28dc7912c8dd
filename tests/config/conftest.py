"""Hydra's loader of the configs."""

import pytest
from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra

from seqsweep.config import CONF_DIR
from seqsweep.config.from_overrides import VERSION_BASE


@pytest.fixture(scope="session")
def loader() -> ConfigLoader:
    with initialize_config_dir(config_dir=str(CONF_DIR), **VERSION_BASE):
        return GlobalHydra.instance().config_loader()
