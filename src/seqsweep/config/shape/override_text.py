"""Writes values as the text of Hydra's overrides."""

from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException

_PARSER = OverridesParser.create()


def override_text(key: str, value: Any) -> str:
    """Returns `key=value` so that Hydra reads the same value from it.

    >>> [override_text("key", value) for value in ("gru", "1", [1, None])]
    ['key=gru', "key='1'", 'key=[1,null]']
    """
    text = value if isinstance(value, str) else _element(value)
    if isinstance(value, str) and not _is_read_as(value):
        text = QuotedString(value, Quote.single).with_quotes()
    return f"{key}={text}"


def _element(value: Any) -> str:
    """Returns a value inside a list or dict, where every text is quoted."""
    if isinstance(value, str):
        return QuotedString(value, Quote.single).with_quotes()
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(_element, value))}]"  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(value, dict):
        items: dict[Any, Any] = value
        return "{" + ",".join(f"{key}:{_element(item)}" for key, item in items.items()) + "}"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_read_as(text: str) -> bool:
    """Returns whether Hydra reads this text, without quotes, as the text itself."""
    try:
        override: Override = _PARSER.parse_override(f"key={text}")
    except HydraException:
        return False
    return not override.is_sweep_override() and override.value() == text
