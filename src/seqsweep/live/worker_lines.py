"""The lines of the live table about workers."""

import re
from collections.abc import Collection

from rich.text import Text

from seqsweep.live.sweep_state import duration
from seqsweep.live.worker_state import Rate, Worker, Workers
from seqsweep.results.formatting import count

_MOST = 8
_STYLES = {"alive": "", "frozen": "yellow", "silent": "yellow", "dead": "red"}


def worker_lines(workers: Workers) -> list[Text]:
    """Returns lines for at most eight workers, and one for all.

    `n1 pid 4711   3 running   17 done   12.4 epochs/s`
    """
    # A worker that needs attention must not be among those that are only counted.
    present = sorted(workers.present, key=_order)
    shown, hidden = present[:_MOST], present[_MOST:]
    names = [f"{worker.host.partition('.')[0]} pid {worker.pid}" for worker in shown]
    rows = [
        _row(name, [worker], worker.rate if worker.running else None)
        for name, worker in zip(names, shown, strict=True)
    ]
    if hidden:
        rows.append(_row(f"and {len(hidden)} more on {_hosts(hidden)}", hidden, None))
    if present:
        everyone = f"{count(len(present), 'worker')} on {_hosts(present)}"
        rows.append(_row(everyone, present, workers.rate))
    sizes = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines: list[Text] = []
    for index, (name, *cells) in enumerate(rows):
        worker = shown[index] if index < len(shown) else None
        padded = [cell.rjust(size) for cell, size in zip(cells, sizes[1:], strict=True)]
        if worker is not None and worker.state != "alive":
            padded[-1] = _problem(worker)
        style = "dim" if worker is None else _STYLES[worker.state]
        text = "   ".join([name.ljust(sizes[0]), *padded])
        lines.append(Text(text, style, no_wrap=True, overflow="ellipsis"))
    return lines


def _order(worker: Worker) -> tuple[bool, list[str | int], int]:
    """Returns a key: workers in trouble first, n2 before n10."""
    # Every second part is a number, so that equal places hold equal types.
    parts = re.split(r"(\d+)", worker.host)
    name = [int(part) if index % 2 else part for index, part in enumerate(parts)]
    return worker.state == "alive", name, worker.pid


def _row(name: str, workers: Collection[Worker], rate: Rate | None) -> list[str]:
    running, done = (sum(getattr(w, key) for w in workers) for key in ("running", "done"))
    pace = None if rate is None else rate.per_second()
    epochs = "" if pace is None else f"{pace:,.{int(pace < 100)}f} epochs/s"
    return [name, f"{running:,} running", f"{done:,} done", epochs]


def _problem(worker: Worker) -> str:
    """Returns what is wrong with a worker."""
    if worker.state == "dead":
        return "dead"
    words = "frozen" if worker.state == "frozen" else "no sign of life"
    return f"{words} for {duration(worker.silence)}"


def _hosts(workers: Collection[Worker]) -> str:
    return count(len({worker.host for worker in workers}), "host")
