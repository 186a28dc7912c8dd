"""What a sweep's folder says of the whole sweep: sweep.json, written when it starts and ends.

A run's folder says how that run stands. Which runs the sweep is made of, when it began and by what
command, only the sweep itself knows: whoever watches it from elsewhere reads it here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from seqsweep.runs.clock import is_recent
from seqsweep.runs.files import read_json, say_once, write_json
from seqsweep.runs.identity import is_one_value

NAME = "sweep.json"
QUIET_SECONDS = 20.0
"""A sweep of which nothing has been heard for so long is over: it touches its sweep.json every five
seconds, and its runs have locks."""

Config = Mapping[str, Any]


@dataclass(frozen=True)
class SweepFile:
    """The runs that were asked for in a folder, and the last command that asked for some.

    Args:
        command: the last one, as a person would give it again.
        started: when it was given, in seconds since 1970.
        configs: of each run by run_id, flat, in the order in which the commands asked for them.
        done_before: run_ids that it found finished.
        ended: seconds since 1970; None while it runs, and for ever where it was killed.
        beside: when those were started that train in this folder too, and have not ended.
        earlier: run_ids that only commands which have ended asked for.
        costs: about the seconds of an epoch by run_id; only their ratios count.
    """

    command: Sequence[str]
    started: float
    configs: Mapping[str, Config]
    done_before: frozenset[str] = frozenset()
    ended: float | None = None
    beside: tuple[float, ...] = ()
    earlier: frozenset[str] = frozenset()
    costs: Mapping[str, float] = field(default_factory=dict[str, float])

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """That of a folder; None where there is none, or none that can be read."""
        content = read_json(folder / NAME)
        if content is None:
            return None
        try:
            sweep = cls(
                content["command"],
                content["started"],
                {name: content["common"] | own for name, own in content["members"].items()},
                frozenset(content["done_before"]),
                content["ended"],
                tuple(content.get("beside", ())),
                frozenset(content.get("earlier", ())),
                {name: float(cost) for name, cost in content.get("costs", {}).items()},
            )
            times = [sweep.started, *sweep.beside, 0 if sweep.ended is None else sweep.ended]
            "".join(sweep.command)  # a TypeError where it is not text
            if sum(times) >= 0:
                return sweep
        except (TypeError, KeyError, AttributeError, ValueError):
            pass
        say_once(f"{folder / NAME}: is not what a sweep writes; it counts as missing")
        return None

    def write(self, folder: Path) -> None:
        """Into the sweep's folder, which is there; what the configs share is written once."""
        common = _common(list(self.configs.values()))
        content = {
            "command": list(self.command),
            "started": self.started,
            "ended": self.ended,
            "beside": list(self.beside),
            "done_before": sorted(self.done_before),
            "earlier": sorted(self.earlier),
            "costs": dict(self.costs),
            "common": common,
            "members": {
                name: {key: config[key] for key in config if key not in common}
                for name, config in self.configs.items()
            },
        }
        write_json(folder / NAME, content, sync=False, levels=2)

    def end(self, folder: Path, when: float) -> None:
        """Of this sweep; the folder's has ended with the last one that trains in it.

        Nothing where a sweep has been started since that did not know of this one.
        """
        last = SweepFile.read(folder) or self
        if last.started == self.started and last.beside:
            first, *beside = sorted(last.beside, reverse=True)
            replace(last, started=first, beside=tuple(beside)).write(folder)
        elif last.started == self.started:
            replace(last, ended=when).write(folder)
        elif self.started in last.beside:
            beside = (start for start in last.beside if start != self.started)
            replace(last, beside=tuple(beside)).write(folder)

    def joined(self, other: Self) -> Self:
        """With the members of another sweep that trains in the same folder now."""
        done = self.done_before | other.done_before
        beside = (*other.beside, other.started)
        configs = {**other.configs, **self.configs}
        earlier = other.earlier - self.configs.keys()
        costs = {**other.costs, **self.costs}
        return replace(
            self, configs=configs, done_before=done, beside=beside, earlier=earlier, costs=costs
        )

    def after(self, other: Self) -> Self:
        """Adds the runs of the commands that have ended in the same folder."""
        configs = {**other.configs, **self.configs}
        earlier = frozenset(other.configs.keys() - self.configs.keys())
        return replace(self, configs=configs, earlier=earlier, costs={**other.costs, **self.costs})

    def current(self) -> Self:
        """Leaves out the runs that only ended commands asked for: no process trains them."""
        configs = {name: self.configs[name] for name in self.configs if name not in self.earlier}
        return replace(self, configs=configs, earlier=frozenset())


def is_alive(folder: Path) -> bool:
    """Whether a sweep of this folder has not ended, and has given a sign of life just now."""
    sweep = SweepFile.read(folder)
    if sweep is None or sweep.ended is not None:
        return False
    return is_recent((folder / NAME).stat().st_mtime, folder, QUIET_SECONDS)


def _common(configs: Sequence[Config]) -> dict[str, Any]:
    """The keys that have one value in all configs; 1, 1.0 and True are different values."""
    if not configs:
        return {}
    shared = set(configs[0]).intersection(*configs)
    return {
        key: value
        for key, value in configs[0].items()
        if key in shared and is_one_value([config[key] for config in configs])
    }
