"""Finished runs on disk, each written from one mapping, and what a function prints about them."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from seqsweep.runs.run_folder import RunFolder


def finish_run(
    path: Path, run: dict[str, Any], provenance: dict[str, Any] | None = None, **record: Any
) -> Path:
    """Writes a finished run; keys with a slash are metrics."""
    config = {"monitor": "val/acc"} | {k: v for k, v in run.items() if "/" not in k}
    metrics = {"train/loss": 1.0} | {k: v for k, v in run.items() if "/" in k}
    made = RunFolder(path)
    made.start(config, provenance or {}, sync=False)
    costs = {"best_epoch": 1, "params": 1200, "train_seconds": 0.5}
    made.finish({"config": config, "metrics": metrics, **costs, **record}, synced=True)
    return path


def printed(write: Callable[[Console], object], **options: Any) -> str:
    """Returns the text that a function writes to a wide console."""
    file = io.StringIO()
    options = {"width": 200} | options
    write(Console(file=file, **options))
    return file.getvalue()
