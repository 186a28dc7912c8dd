"""Blocks with the same short lock run one after another."""

import threading
import time
from pathlib import Path

from seqsweep.runs import lock
from seqsweep.runs.lock import RunLock


def test_blocks_with_the_same_lock_do_not_overlap(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(lock, "_PAUSE_SECONDS", 0.001)
    path = tmp_path / "made" / "count"

    def add() -> None:
        with RunLock(path.parent, ".lock", waits=True):
            before = int(path.read_text()) if path.exists() else 0
            time.sleep(0.005)
            path.write_text(str(before + 1))

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() == "8"
    assert [each.name for each in path.parent.iterdir()] == ["count"]
