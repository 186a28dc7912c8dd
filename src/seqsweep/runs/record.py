"""One run's folder. A run is done if and only if its record.json says so."""

import traceback
from pathlib import Path
from typing import Any, Literal

import yaml

from seqsweep.runs.files import read_json, write_json, write_text

State = Literal["complete", "failed", "incomplete"]


class RunFolder:
    """The files of a run.

    `config.yaml  provenance.json  record.json  metrics.csv  train.log  events.out.tfevents.*
    checkpoints/{best,last}.ckpt`, and failure.json after a failure. record.json is written last.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def run_id(self) -> str:
        return self.path.name

    def record(self) -> dict[str, Any] | None:
        """What the finished run says of itself; None while it is not finished."""
        record = read_json(self.path / "record.json")
        complete = isinstance(record, dict) and record.get("status") == "complete"
        return record if complete else None

    def failure(self) -> dict[str, Any] | None:
        """The last attempt's error, unless the run has finished since."""
        return read_json(self.path / "failure.json")

    def config(self) -> dict[str, Any] | None:
        try:
            return yaml.safe_load((self.path / "config.yaml").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    def state(self) -> State:
        if self.record() is not None:
            return "complete"
        return "incomplete" if self.failure() is None else "failed"

    def start(self, config: dict[str, Any], provenance: dict[str, Any]) -> None:
        """An empty folder with the config: what an unfinished attempt left behind is removed."""
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "checkpoints").mkdir(exist_ok=True)
        for pattern in (
            "record.json",
            "metrics.csv",
            "events.out.tfevents.*",
            "checkpoints/*.ckpt",
        ):
            for path in self.path.glob(pattern):
                path.unlink()
        write_text(self.path / "config.yaml", yaml.safe_dump(config, sort_keys=False))
        write_json(self.path / "provenance.json", provenance)

    def finish(self, record: dict[str, Any]) -> None:
        (self.path / "failure.json").unlink(missing_ok=True)
        write_json(self.path / "record.json", record | {"status": "complete"})

    def refuse(self, config: dict[str, Any], error: BaseException) -> None:
        """A run that could not even be built, kept as a failure."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(self.path / "config.yaml", yaml.safe_dump(config, sort_keys=False))
        self.fail(error)

    def fail(self, error: BaseException) -> None:
        attempts = (self.failure() or {}).get("attempts", 0) + 1
        write_json(
            self.path / "failure.json",
            {
                "error": f"{type(error).__name__}: {error}",
                "traceback": "".join(traceback.format_exception(error)),
                "attempts": attempts,
            },
        )
