"""Configs: where they lie, how they are composed and checked."""

from pathlib import Path

_PACKAGED = Path(__file__).parents[1] / "conf"
CONF_DIR = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[3] / "conf"
"""The folder of the YAML files: inside an installed wheel, else the checkout's."""
