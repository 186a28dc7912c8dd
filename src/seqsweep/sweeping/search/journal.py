"""The journal of a study, which a kill may have cut off at any byte."""

import json
from pathlib import Path
from typing import Any

from optuna.storages.journal import JournalFileBackend

from seqsweep.runs.files import read_bytes, write_bytes

NAME = "optuna-journal.log"

ASKED = "asked"
"""The user attribute that is written last when a trial is chosen."""

IDENTITY = "search"
"""The user attribute of the study that says which search it belongs to."""

# The codes that Optuna's journals use for their operations.
_STUDY_ATTRIBUTE = 2
_STUDY_NOTE = 3
_TRIAL_ATTRIBUTE = 8


class Journal(JournalFileBackend):
    """A journal that one process writes, without a sync for each line.

    Lines that a power failure has cost are written again by the next command.
    """

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        text = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with open(self._file_path, "ab", buffering=0) as file:
            file.write(text.encode())


def identity_in(path: Path) -> Any | None:
    """Returns what a journal says of its search; None if no trial has been chosen."""
    logs = [log for log, _ in _whole_lines(_content(path))]
    if not any(map(_completes_choice, logs)):
        return None
    attributes = [log.get("user_attr", {}) for log in logs]
    return next((each[IDENTITY] for each in attributes if IDENTITY in each), None)


def rewind(path: Path) -> bytes:
    """Cuts a journal back to the moment at which its last trial was chosen.

    The search tells later results again, from the records of their runs. So a torn line does not
    matter, and a search with a larger budget continues as if it had never ended. The notes that
    optuna-dashboard has written about the study stay.

    Returns:
        The content before the cut.

    Raises:
        OSError: the file cannot be read or written.
    """
    content = _content(path)
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)  # left by a killed process
    whole = _whole_lines(content)
    chosen = [i for i, (log, _) in enumerate(whole) if _completes_choice(log)]
    kept: list[bytes] = []
    if chosen:
        end = chosen[-1] + 1
        kept = [line for _, line in whole[:end]]
        kept += [line for log, line in whole[end:] if log["op_code"] in _KEPT]
    if b"".join(kept) != content:
        write_bytes(path, b"".join(kept))
    return content


def _content(path: Path) -> bytes:
    try:
        return read_bytes(path)
    except FileNotFoundError:
        return b""


_KEPT = (_STUDY_ATTRIBUTE, _STUDY_NOTE)


def _completes_choice(log: dict[str, Any]) -> bool:
    return log["op_code"] == _TRIAL_ATTRIBUTE and ASKED in log.get("user_attr", ())


def _whole_lines(content: bytes) -> list[tuple[dict[str, Any], bytes]]:
    """Returns the operations up to the first damaged line, each with its line."""
    whole: list[tuple[dict[str, Any], bytes]] = []
    for line in content.splitlines(keepends=True):
        try:
            log = json.loads(line)
        except ValueError:
            break
        if not line.endswith(b"\n") or not isinstance(log, dict) or "op_code" not in log:
            break
        whole.append((log, line))
    return whole
