"""Formats keys, config values, metrics and numbers as plain texts, not escaped."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from seqsweep.results.significance import Estimate
from seqsweep.runs.identity import CODE
from seqsweep.runs.ledger import short_names
from seqsweep.runs.metrics import SPLITS, Metric

_SOURCE = "data.source._target_"
_CLASSES = ("_target_", "model.cell")
"""The ends of keys that name a class, which is shown without its module."""
_OPTIONS = {
    "seqsweep.models.classifier.RNNClassifier": "rnn",
    "seqsweep.models.classifier.SimpleRNN": "simple",
    "seqsweep.models.classifier.MultiLayerRNN": "multilayer",
    "seqsweep.models.classifier.BiDirectionalRNN": "bidirectional",
    "seqsweep.data.tasks.random_sequences": "random",
    "seqsweep.data.aeon_sets.archive": "aeon",
}
"""The option of a config group for each `_target_` that ends with another name."""

NBSP = "\N{NO-BREAK SPACE}"
_ABSOLUTE = re.compile(
    # In quotes a path may contain spaces.
    r"""(?<=")/[^"/\n]+/[^"\n]+(?=")|(?<=')/[^'/\n]+/[^'\n]+(?=')"""
    r"""|(?<![\w./:~<>-])/(?:[^\s/'":,;()<>]+/)+[^\s/'":,;()<>]+"""
)
_FORMULA = ("=", "+", "-", "@", "\t", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The characters that begin a formula; the last four are wide forms."""
_INSTALLED = re.compile(r".*/(?:site-packages|python3\.\d+|src)/")


class KeyNames(dict[str, str]):
    """The short names of config keys, and the texts of their classes."""

    classes: Mapping[str, str] = {}

    def text(self, key: str, value: Any) -> str:
        """Returns the text of a value."""
        is_class = isinstance(value, str) and key.endswith(_CLASSES)
        return (self.classes.get(value) if is_class else None) or value_text(key, value)


def key_names(keys: Iterable[str], configs: Iterable[Mapping[str, Any]] = ()) -> KeyNames:
    """Returns short names of config keys.

    A `_target_` gets the name of the group that chooses it. The `_target_` of a callback keeps the
    prefix `callbacks.`, because users name callbacks, perhaps `lr`.

    >>> key_names(["model.hidden_size", "optimizer._target_"])
    {'model.hidden_size': 'hidden_size', 'optimizer._target_': 'optimizer'}
    >>> key_names(["callbacks.lr._target_", "data.source._target_"])
    {'callbacks.lr._target_': 'callbacks.lr', 'data.source._target_': 'data'}

    Args:
        configs: All configs whose values are shown with these names.
    """
    keys = list(keys)
    sections = {key: key.removesuffix("._target_") for key in keys}
    if "data" not in sections.values() and _SOURCE in sections:
        sections[_SOURCE] = "data"
    short = short_names(sections.values())
    names = KeyNames(
        (key, name if name != key and name.startswith("callbacks.") else short[name])
        for key, name in sections.items()
    )
    choices = [key for key in keys if key.endswith(_CLASSES)]
    names.classes = _class_names(config.get(key) for config in configs for key in choices)
    return names


def value_text(key: str, value: Any) -> str:
    """Returns the text of a config value; for a `_target_` its option or class."""
    if isinstance(value, str) and key.endswith(_CLASSES):
        return _OPTIONS.get(value) or value.rpartition(".")[2]
    # The digest of edited code need only differ from that of the code before.
    return value[:4] if key == CODE and isinstance(value, str) else plain_text(value)


def column_values(key: str, values: Sequence[Any]) -> list[Any]:
    """Returns the values of a key, those of a `_target_` as in `_class_names`."""
    if not key.endswith(_CLASSES):
        return list(values)
    names = _class_names(values)
    return [names[value] if isinstance(value, str) else value for value in values]


def _class_names(targets: Iterable[Any]) -> dict[Any, str]:
    """Returns each `_target_`'s option or class, with the file if two have one name."""
    names = {target: _OPTIONS.get(target, target) for target in targets if isinstance(target, str)}
    short = short_names(names.values())
    return {target: short[name] for target, name in names.items()}


def quoted_formula(cell: Any) -> Any:
    """Returns a csv cell that no spreadsheet runs as a formula.

    >>> quoted_formula("=1+1"), quoted_formula("-1"), quoted_formula(-1)
    ("'=1+1", '-1', -1)
    """
    if not isinstance(cell, str):
        return cell
    cell = cell.replace("\r", "\\r")  # csv does not quote "\r", which ends a row
    if not cell.startswith(_FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def plain_text(value: Any) -> str:
    """Returns the text of a config value as on Hydra's command line.

    >>> plain_text([0.9, None]), plain_text(True), plain_text("a b")
    ('[0.9,null]', 'true', 'a b')
    """
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(plain_text, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}:{plain_text(part)}' for key, part in value.items())}}}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def run_label(config: Mapping[str, Any], names: KeyNames, keys: Iterable[str] | None = None) -> str:
    """Returns a run's label, of all or some of the named keys: `hidden_size=8 seed=0`."""
    keys = names if keys is None else keys
    return " ".join(f"{names[key]}={names.text(key, config.get(key))}" for key in keys)


def config_label(config: Mapping[str, Any], names: KeyNames, keys: Sequence[str]) -> str:
    """Returns a config's label: `hidden_size=8 lr=0.01`, or only `gru` for a single class."""
    if len(keys) == 1 and keys[0].endswith(_CLASSES):
        return names.text(keys[0], config.get(keys[0]))
    return run_label(config, names, keys)


def known_settings(config: Mapping[str, Any], names: KeyNames) -> str:
    """Returns a run's label from only the keys that its config sets."""
    return run_label(config, names, [key for key in names if config.get(key) is not None])


def split_words(split: str) -> str:
    """Returns the name of a split in words: `validation`."""
    return SPLITS.get(split, split)


def interval_texts(*values: float, sign: str = "") -> list[str]:
    """Formats an interval's ends, and values in it, to two digits of its width.

    >>> interval_texts(0.002044, -0.0, 0.006254), interval_texts(0.5, 0.4, 1.0, sign="+")
    (['0.0020', '-0.0000', '0.0063'], ['+0.50', '+0.40', '+1.00'])
    """
    width = max(values) - min(values)
    decimals = max(0, 1 - math.floor(math.log10(width))) if width else 4
    return [f"{value:{sign}.{decimals}f}" for value in values]


def estimate_text(value: Estimate, sign: str = "") -> str:
    """Returns a mean, with its interval if there is one: `0.500 [0.400, 0.600]`."""
    if value.low is None or value.high is None:
        return number(value.mean, sign)
    mean, low, high = interval_texts(value.mean, value.low, value.high, sign=sign)
    return f"{mean} [{low}, {high}]"


def number(value: float, sign: str = "", beside: float | None = None) -> str:
    """Formats a score with four decimals, or four significant digits if huge or tiny.

    Args:
        beside: The number beside it, whose size decides the format.
    """
    size = abs(value if beside is None else beside)
    return f"{value:{sign}.4f}" if not size or 0.001 <= size < 10_000 else f"{value:{sign}.4g}"


def cost(name: str, value: float, sign: str = "") -> str:
    """Formats a record's count or time; `sign="+"` also shows plus signs.

    >>> cost("params", 1200.0), cost("train_seconds", 2.04), cost("train_seconds", 0.0412)
    ('1,200', '2.0', '0.041')
    """
    # Short times need significant digits, and long times no decimals.
    if name.endswith("seconds") and 0.0005 <= abs(value) < 0.995:
        return f"{value:{sign}#.2g}"
    digits = int(name.endswith("seconds") and abs(value) < 1000)
    return f"{value:{sign},.{digits}f}"


def error_text(state: str, error: str) -> str:
    """Removes the state from an error's start, because tables show the state separately."""
    return error.removeprefix(f"{state} ")


def without_machine(text: str, folder: str) -> str:
    """Shortens the absolute paths in an error or a traceback.

    A file in the folder is shown relative to the folder, an installed module from its package on,
    any other file by its name.

    >>> without_machine('File "/opt/lib/python3.11/site-packages/torch/nn.py"', "/data/sweep")
    'File "…/torch/nn.py"'
    >>> without_machine("no file /home/me/a.npz; see /data/sweep/1f/train.log", "/data/sweep")
    'no file …/a.npz; see 1f/train.log'
    """

    def shorten(match: re.Match[str]) -> str:
        installed = _INSTALLED.match(match[0])
        return f"…/{match[0][installed.end() :] if installed else PurePosixPath(match[0]).name}"

    return _ABSOLUTE.sub(shorten, text.replace(f"{folder}/", ""))


def with_deviation(value: Estimate | None, sign: str) -> str:
    """Formats a mean, if any, with its standard deviation, if any: `0.8430 ±0.0177`."""
    if value is None or value.std is None:
        return "" if value is None else number(value.mean)
    return f"{number(value.mean)} {sign}{number(value.std, beside=value.mean)}"


def count(number: int, one: str, many: str | None = None) -> str:
    """Returns a number with its noun: `1 run`, `1,200 runs`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def cut(text: str, most: int) -> str:
    """Returns the first characters of a text, with `…` for the rest."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def heading(metric: Metric) -> str:
    """Returns the heading of a metric; a name of a user does not change."""
    return upper_first(metric.words) if metric.is_ours else metric


def upper_first(text: str) -> str:
    """Returns the text with a capital first letter."""
    return text[:1].upper() + text[1:]
