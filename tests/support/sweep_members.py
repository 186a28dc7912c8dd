"""Members of a sweep without data, for tests of what a sweep does with them."""

from pathlib import Path
from typing import Any

from seqsweep.runs.run_folder import RunFolder
from seqsweep.sweeping.queue import SweepMember


def member_at(
    path: Path,
    seconds: float = 0.0,
    tries: int = 1,
    stops: bool = False,
    reruns: bool = False,
    config: dict[str, Any] | None = None,
    **more: Any,
) -> SweepMember:
    """Returns a member whose one epoch takes some seconds; `config` has further sections."""
    on_error = "stop" if stops else "retry" if tries > 1 else "continue"
    sweep = {"on_error": on_error, "retries": tries - 1}
    given = {"trainer": {"max_epochs": 1}, "sweep": sweep, "rerun": reruns, "when_locked": "wait"}
    return SweepMember(
        config=given | (config or {}),
        run_id=path.name,
        data_fingerprint=None,
        folder=RunFolder(path),
        epoch_seconds=seconds,
        **more,
    )
