"""The lines of the live table that show the workers of a sweep."""

import re
from collections.abc import Collection

from rich.text import Text

from seqsweep.live.sweep_state import duration
from seqsweep.live.worker_state import Rate, Worker, Workers
from seqsweep.results.formatting import count

_MOST = 8
_GAP = "   "
_SHORTEST_NAME = 12
_STYLES = {"alive": "", "frozen": "yellow", "silent": "yellow", "dead": "red"}


def worker_lines(workers: Workers, width: int, is_last: bool = False) -> list[Text]:
    """Returns a line for each worker, at most eight, and one for all of them.

    `n1 pid 4711   3 running   17 done   12.4 epochs/s`

    Args:
        workers: the workers of a sweep.
        width: the number of characters that a line may have.
        is_last: whether the sweep has ended. Then all workers that trained a run are listed.
    """
    listed = workers.active if is_last else workers.present
    if not listed:
        return []
    # A worker that needs attention must not be among those that are only counted.
    listed = sorted(listed, key=lambda worker: (worker.state == "alive", _by_name(worker)))
    shown, hidden = listed[:_MOST], listed[_MOST:]
    hosts = _short_hosts(listed)
    rows = [_row(f"{hosts[w.host]} pid {w.pid}", [w], w.rate if w.running else None) for w in shown]
    if hidden:
        rows.append(_row(f"and {len(hidden)} more on {_hosts(hidden)}", hidden, None))
    everyone = f"{count(len(listed), 'worker')} on {_hosts(listed)}"
    rows.append(_row(everyone, listed, workers.rate))
    if is_last:  # Nothing is running any more.
        rows = [[name, done] for name, _, done, _ in rows]
    sizes = [max(map(len, column)) for column in zip(*rows, strict=True)]
    # On a narrow terminal the names make room for the numbers.
    room = width - sum(len(_GAP) + size for size in sizes[1:])
    name_width = min(sizes[0], max(room, _SHORTEST_NAME))
    lines: list[Text] = []
    for index, (name, *cells) in enumerate(rows):
        padded = [cell.rjust(size) for cell, size in zip(cells, sizes[1:], strict=True)]
        style = _STYLES[shown[index].state] if index < len(shown) else "dim"
        if index < len(shown) and shown[index].state != "alive" and not is_last:
            padded[-1] = _state_text(shown[index])
        text = _GAP.join([_shortened(name, name_width).ljust(name_width), *padded])
        lines.append(Text(text, style, no_wrap=True, overflow="ellipsis"))
    return lines


def _row(name: str, workers: Collection[Worker], rate: Rate | None) -> list[str]:
    running, done = (sum(getattr(w, key) for w in workers) for key in ("running", "done"))
    pace = None if rate is None else rate.per_second()
    decimals = 1 if (pace or 0) < 100 else 0
    epochs = "" if pace is None else f"{pace:,.{decimals}f} epochs/s"
    return [name, f"{running:,} running", f"{done:,} done", epochs]


def _state_text(worker: Worker) -> str:
    """Returns what is wrong with a worker."""
    if worker.state == "dead":
        return "dead"
    words = "frozen" if worker.state == "frozen" else "no sign of life"
    return f"{words} for {duration(worker.silence)}"


def _shortened(name: str, width: int) -> str:
    """Returns a name without its middle if it is too long."""
    if len(name) <= width:
        return name
    kept = 2 * width // 3  # The pid is at the end.
    return f"{name[: width - kept - 1]}…{name[-kept:]}"


def _short_hosts(workers: Collection[Worker]) -> dict[str, str]:
    """Returns the hosts' names without their domains, if they differ without them."""
    short = {worker.host: worker.host.partition(".")[0] for worker in workers}
    return short if len(set(short.values())) == len(short) else {host: host for host in short}


def _hosts(workers: Collection[Worker]) -> str:
    return count(len({worker.host for worker in workers}), "host")


def _by_name(worker: Worker) -> tuple[list[str | int], int]:
    """Returns a key that sorts n2 before n10."""
    parts = re.split(r"(\d+)", worker.host)
    # Every second part is a number, so that equal places hold equal types.
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], worker.pid
