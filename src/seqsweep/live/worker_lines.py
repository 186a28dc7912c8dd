"""The lines of the live table that show the workers of a sweep."""

from collections.abc import Collection, Sequence

from rich.text import Text

from seqsweep.live.sweep_state import duration
from seqsweep.live.worker_state import Rate, Worker, Workers, by_name
from seqsweep.results.formatting import count

_MOST = 8
_UNIT = " epochs/s"
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
    listed = sorted(listed, key=lambda worker: (worker.state == "alive", by_name(worker)))
    shown, hidden = listed[:_MOST], listed[_MOST:]
    hosts = short_hosts(listed)
    rows = [[f"{hosts[w.host]} pid {w.pid}", *_counts([w]), _pace(w)] for w in shown]
    styles = [_STYLES[worker.state] for worker in shown]
    if hidden:
        rows.append([f"and {len(hidden)} more on {_hosts(hidden)}", *_counts(hidden), ""])
    everyone = f"{count(len(listed), 'worker')} on {_hosts(listed)}"
    rows.append([everyone, *_counts(listed), _rate(workers.rate)])
    styles += ["dim"] * (len(rows) - len(shown))
    if is_last:  # nothing is running any more
        rows = [[name, done] for name, _, done, _ in rows]
    return _aligned(rows, styles, width)


def short_hosts(workers: Collection[Worker]) -> dict[str, str]:
    """Returns the hosts' names without their domains, if they differ without them."""
    short = {worker.host: worker.host.partition(".")[0] for worker in workers}
    return short if len(set(short.values())) == len(short) else {host: host for host in short}


def state_text(worker: Worker) -> str:
    """Returns what is wrong with a worker; empty if nothing is."""
    if worker.state in ("alive", "dead"):
        return worker.state.replace("alive", "")
    words = {"frozen": "frozen", "silent": "no sign of life"}
    return f"{words[worker.state]} for {duration(worker.silence)}"


def _aligned(rows: Sequence[list[str]], styles: Sequence[str], width: int) -> list[Text]:
    """Returns the rows with aligned columns; a narrow terminal has shorter units and names."""
    gap = "   "
    if _width(rows, gap) > width:
        gap = "  "
        rows = [[cell.replace(_UNIT, "/s") for cell in row] for row in rows]
    sizes = _sizes(rows)
    name_width = max(_name_width(rows) - max(_width(rows, gap) - width, 0), _SHORTEST_NAME)
    name_width = min(name_width, _name_width(rows))
    rows = [[_shortened(name, name_width), *cells] for name, *cells in rows]
    lines: list[Text] = []
    for (name, *cells), style in zip(rows, styles, strict=True):
        padded = [
            cell if cell[:1].isalpha() else cell.rjust(size)
            for cell, size in zip(cells, sizes, strict=True)
        ]
        text = gap.join([name.ljust(name_width), *padded])
        lines.append(Text(text, style, no_wrap=True, overflow="ellipsis"))
    return lines


def _width(rows: Sequence[Sequence[str]], gap: str) -> int:
    return _name_width(rows) + sum(len(gap) + size for size in _sizes(rows))


def _name_width(rows: Sequence[Sequence[str]]) -> int:
    return max(len(name) for name, *_ in rows)


def _sizes(rows: Sequence[Sequence[str]]) -> list[int]:
    """Returns the widths of the columns with numbers, whatever text stands there instead."""
    columns = zip(*(cells for _, *cells in rows), strict=True)
    return [
        max(len(cell) for cell in (*column, "") if not cell[:1].isalpha()) for column in columns
    ]


def _shortened(name: str, width: int) -> str:
    """Returns a name without its middle if it is too long."""
    if len(name) <= width:
        return name
    kept = 2 * width // 3  # the pid is at the end
    return f"{name[: width - kept - 1]}…{name[-kept:]}"


def _counts(workers: Collection[Worker]) -> list[str]:
    running, done = (sum(getattr(w, name) for w in workers) for name in ("running", "done"))
    return [f"{running:,} running", f"{done:,} done"]


def _pace(worker: Worker) -> str:
    return state_text(worker) or (_rate(worker.rate) if worker.running else "")


def _rate(rate: Rate) -> str:
    per_second = rate.per_second()
    if per_second is None:
        return ""
    return f"{per_second:,.{1 if per_second < 100 else 0}f}{_UNIT}"


def _hosts(workers: Collection[Worker]) -> str:
    return count(len({worker.host for worker in workers}), "host")
