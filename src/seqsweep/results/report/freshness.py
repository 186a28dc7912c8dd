"""Checks whether a folder's report and TensorBoard view match its current records.

Both contain a digest of what they were made from, and are made again if that has changed. The
digest also covers the files written beside it, so it does not match after two processes have
written at once, or after one was killed between two files.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from seqsweep.results.report.extra_sections import extra_contents
from seqsweep.runs.eventfiles import all_made_files
from seqsweep.runs.files import Damaged, open_regular, read_bytes, write_text
from seqsweep.runs.ledger import Entry
from seqsweep.runs.provenance import version
from seqsweep.runs.sealed import DIGEST, read_sealed_or_none
from seqsweep.runs.sweepfile import SweepFile

KEY = "made_from"
"""The first key of report.json."""

BESIDE = ("report.html", "report.csv")
"""The files that are written before report.json."""

_VIEW = ".tensorboard"
_HEAD = 200


def made_from(folder: Path, entries: Sequence[Entry]) -> str:
    """A digest of everything that a folder's report is made from.

    Args:
        entries: The runs of the folder. The digest covers the record of a finished run and the
            state of any other run.
    """
    sweep = SweepFile.read(folder)
    planned = None if sweep is None else [list(sweep.command), list(sweep.configs)]
    baselines = read_sealed_or_none(folder / "baselines.json") or {}
    # The digest of a record identifies its content.
    runs = [[e.folder.run_id, e.state, (e.record or {}).get(DIGEST), e.error] for e in entries]
    own = [version(), planned, baselines.get(DIGEST), sorted(runs, key=str)]
    return _digest([*own, *extra_contents(folder)])


def report_proof(made_from: str, beside: Sequence[os.stat_result]) -> str:
    """The entry of report.json that identifies what it was made from.

    Args:
        beside: The files of BESIDE, as they were written.
    """
    return _digest([made_from, *([stat.st_size, stat.st_mtime_ns] for stat in beside)])


def is_report_fresh(folder: Path, made_from: str) -> bool:
    """Returns whether the report was made from this, by the beginning of report.json."""
    try:
        beside = [(folder / name).stat() for name in BESIDE]
        with open_regular(folder / "report.json") as file:
            head = file.read(_HEAD).decode(errors="replace")
    except (OSError, Damaged):
        return False
    return f'"{KEY}": "{report_proof(made_from, beside)}"' in head


def prove_view(folder: Path, made_from: str, names: Iterable[str]) -> None:
    """Records what the view was made from and the names of its files."""
    write_text(folder / _VIEW, _view_proof(made_from, names), sync=False)


def is_view_fresh(folder: Path, made_from: str) -> bool:
    """Returns whether the view was made from this, with the same files.

    The name of such a file identifies its content.
    """
    try:
        proof = read_bytes(folder / _VIEW).decode()
    except (OSError, ValueError):
        return False
    return proof == _view_proof(made_from, all_made_files(folder))


def _view_proof(made_from: str, names: Iterable[str]) -> str:
    return _digest([made_from, sorted(names)]) + "\n"


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
