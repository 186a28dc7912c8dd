"""A config as the text of config.yaml, and back. A member's text is mostly that of the others."""

import functools
import marshal
from typing import Any

import yaml

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, where PyYAML was built with it: five to twelve times as fast as the ones in Python."""


def to_text(config: dict[str, Any]) -> str:
    """`yaml.safe_dump(config, sort_keys=False)`, to the byte (keys longer than a line aside).

    A mapping in block style is its entries one after another, so each section is made once for all
    the configs that have it. One difference is meant: an object that occurs twice is written twice,
    without an anchor.
    """
    entries = ({key: value} for key, value in config.items())
    return "".join(_section(marshal.dumps(entry, 2)) for entry in entries) or "{}\n"


def from_text(text: str) -> Any:
    """`yaml.safe_load`.

    Raises:
        yaml.YAMLError: no YAML, or more than plain values.
    """
    return yaml.load(text, _LOADER)


@functools.lru_cache(maxsize=1024)
def _section(plain: bytes) -> str:
    """Of a mapping of one entry, in marshal's version 2: the same bytes for the same values, and
    others for 1, 1.0, True and "1", as keys too (JSON knows text only)."""
    entry = marshal.loads(plain)
    text = yaml.dump(entry, Dumper=_DUMPER, sort_keys=False)
    if "\\" in text or "''" in text:  # libyaml folds what is escaped elsewhere, and knows '' as key
        return yaml.dump(entry, Dumper=yaml.SafeDumper, sort_keys=False)
    return text
