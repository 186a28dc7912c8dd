"""Applies `sweep.filter` to the members of a sweep."""

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from seqsweep.config.schema import Config
from seqsweep.config.shape.grammar import Filter, unknown_key
from seqsweep.config.where_set import with_place
from seqsweep.runs.identity import flatten

_MISSING = object()


class Rule:
    """Decides by the filter which members a sweep has.

    It also finds names in the filter that are keys of no member.

    Args:
        text: the filter; None keeps every member.
        master: the config of the whole sweep, with the node `hydra`.
    """

    def __init__(self, text: str | None, master: DictConfig) -> None:
        self._hydra = master.hydra
        self._choices: dict[Any, Any] = {}
        self._filter: Filter | None = None
        self._tried = 0
        self._last: Mapping[str, Any] = {}
        if text is not None:
            self._filter = self._parsed(text)
            choices = OmegaConf.to_container(master.hydra.runtime.choices)
            assert isinstance(choices, dict)
            self._choices = choices
        self._names = self._filter.names if self._filter else frozenset[str]()
        self._never_known = set(self._names)

    def _parsed(self, text: str) -> Filter:
        try:
            return Filter(text)
        except ValueError as error:
            raise with_place(error, self._hydra) from error

    def keeps(self, overrides: Sequence[str], config: Config) -> bool:
        """Returns whether the filter is true for a member.

        Raises:
            ValueError: see `Filter.keeps`.
        """
        if self._filter is None:
            return True
        values = self._values(overrides, config)
        self._tried, self._last = self._tried + 1, values
        self._never_known -= values.keys()
        try:
            return self._filter.keeps(values)
        except ValueError as error:
            raise with_place(error, self._hydra) from error

    def _values(self, overrides: Sequence[str], config: Config) -> Mapping[str, Any]:
        """Returns the values that the filter names, or all where one of them is missing."""
        # The name of a group stands for the chosen option, as in `optimizer == 'sgd'`.
        options = self._choices
        for text in overrides:
            group, _, option = text.partition("=")
            if group in options:
                options = options | {group: option}
        values = {name: options[name] for name in self._names if name in options}
        # Only these keys are read, because flattening a whole config takes longer than the filter.
        for name in self._names - options.keys():
            node: Any = config
            for part in name.split("."):
                node = node.get(part, _MISSING) if isinstance(node, dict) else _MISSING
            if node is _MISSING or (isinstance(node, dict) and node):
                return dict(flatten(config)) | options
            values[name] = node
        return values

    def check_result(self, kept: int) -> None:
        """Refuses a filter that keeps nothing, or that names a key which no member has.

        Raises:
            ValueError: the message names the filter, and the file that set it.
        """
        if self._filter is None or not self._tried:
            return
        problem = None
        if self._never_known:
            problem = unknown_key(min(self._never_known), self._last)
        elif not kept:
            problem = f"keeps none of {self._tried:,} runs"
        if problem:
            raise with_place(
                ValueError(f"sweep.filter={self._filter.text}: {problem}"), self._hydra
            )
