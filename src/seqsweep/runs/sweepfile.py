"""What a sweep's folder says of the whole sweep: sweep.json, written when it starts and ends.

A run's folder says how that run stands. Which runs the sweep is made of, when it began and by what
command, only the sweep itself knows: whoever watches it from elsewhere reads it here.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from seqsweep.runs.files import read_json, write_text

NAME = "sweep.json"

Config = Mapping[str, Any]


@dataclass(frozen=True)
class SweepFile:
    """A sweep that was started in a folder; the last one, where there were several.

    Args:
        command: as a person would give it again.
        started: seconds since 1970.
        configs: of each member by run_id, flat, in the order of the sweep.
        done_before: run_ids that it found finished.
        ended: seconds since 1970; None while it runs, and for ever where it was killed.
    """

    command: Sequence[str]
    started: float
    configs: Mapping[str, Config]
    done_before: frozenset[str] = frozenset()
    ended: float | None = None

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """That of a folder; None where there is none, or none that can be read."""
        content = read_json(folder / NAME)
        if not isinstance(content, dict):
            return None
        try:
            return cls(
                content["command"],
                content["started"],
                {name: content["common"] | own for name, own in content["members"].items()},
                frozenset(content["done_before"]),
                content["ended"],
            )
        except (TypeError, KeyError, AttributeError):
            return None

    def write(self, folder: Path) -> None:
        """Into the sweep's folder, which is there; what the configs share is written once."""
        common = _common(list(self.configs.values()))
        content = {
            "command": list(self.command),
            "started": self.started,
            "ended": self.ended,
            "done_before": sorted(self.done_before),
            "common": common,
            "members": {
                name: {key: config[key] for key in config if key not in common}
                for name, config in self.configs.items()
            },
        }
        write_text(folder / NAME, _text(content), sync=False)

    def end(self, folder: Path, when: float) -> None:
        replace(self, ended=when).write(folder)


def _common(configs: Sequence[Config]) -> dict[str, Any]:
    """The keys that have one value in all configs; 1, 1.0 and True are different values."""
    if not configs:
        return {}
    texts = [{key: json.dumps(value) for key, value in config.items()} for config in configs]
    first, *others = texts
    shared = {key for key, text in first.items() if all(o.get(key) == text for o in others)}
    return {key: value for key, value in configs[0].items() if key in shared}


def _text(content: dict[str, Any]) -> str:
    """A key a line, a member a line."""
    members = content.pop("members")
    head = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in content.items()]
    lines = [f"    {json.dumps(name)}: {json.dumps(own)}" for name, own in members.items()]
    return "{\n" + ",\n".join(head) + ',\n  "members": {\n' + ",\n".join(lines) + "\n  }\n}\n"
