"""Finds, composes and checks configs."""

from pathlib import Path

_PACKAGED = Path(__file__).parents[1] / "conf"
CONF_DIR = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[3] / "conf"
"""The folder of the YAML files: in the installed wheel, or in the checkout."""
