"""`seqsweep tensorboard FOLDER`: serves TensorBoard and keeps its view up to date.

The view is the set of event files that TensorBoard shows for a folder of runs. TensorBoard gets a
temporary folder of links to these files. The paths of the links contain only the readable names of
the runs.
"""

import contextlib
import errno
import functools
import json
import logging
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

from seqsweep.console import say
from seqsweep.results.tensorboard.made_files import link_all
from seqsweep.results.tensorboard.view import MOST_RUNS, View, renew
from seqsweep.runs.eventfiles import MADE
from seqsweep.runs.sweepfile import remove_leftovers

HOST = "127.0.0.1"
_RENEW_SECONDS = 3.0
Print = Callable[[str], object]


def serve(
    folder: Path,
    port: int = 6006,
    images: int = 8,
    host: str = HOST,
    print: Print = say,
    most: int = MOST_RUNS,
) -> int:
    """Serves TensorBoard until Ctrl-C; returns the exit code 0.

    The view of the folder is renewed every few seconds, so runs that start later appear too.

    Args:
        port: 0 to 65535; 0 chooses a free port.
        images: how many of the best runs have pictures.
        host: the address to listen on; 0.0.0.0 for all addresses of this machine.
        most: the most runs that are shown. If there are more, the best configs are shown.

    Raises:
        ValueError: the folder contains no run, an argument cannot be used, or TensorBoard ended.
        OSError: the folder does not exist, or the view cannot be written.
        SystemExit: the process was terminated; the exit code is 143.
    """
    if not 0 <= port <= 65535:
        raise ValueError(f"port={port}: must be from 0 (any free port) to 65535")
    # An unusable host or port is refused here, before the view is made.
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        message = f"host={host}: must be an address of this machine, such as {HOST}"
        if error.errno == errno.EADDRINUSE:
            message = f"port={port}: is already in use; choose another port, or 0 for a free one"
        elif error.errno == errno.EACCES:  # without root, most systems keep the ports below 1024
            message = f"port={port}: needs root; must be from 1024 to 65535, or 0 for a free one"
        raise ValueError(message) from None
    # SIGTERM's default action would leave the server and the links. An exception removes both.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as stack:
        stack.callback(signal.signal, signal.SIGTERM, before)
        logdir = stack.enter_context(tempfile.TemporaryDirectory(prefix="seqsweep-tensorboard-"))
        make_view = functools.partial(renew, folder, images, most)
        view = make_view()
        remove_leftovers(folder)
        link_all(Path(logdir), view.files)
        process, address = stack.enter_context(_started(Path(logdir), host, port))
        for line in greeting(view, address):
            print(line)
        _keep_renewing(make_view, view, Path(logdir), process, print)
    return 0


def links(view: View, address: str) -> dict[str, str]:
    """Returns the links to pictures of the best runs, curves and hyperparameters.

    The ranking metric is pinned, and the curves are coloured by config. With many runs the links
    select the best runs, because TensorBoard's older pages would select no run.
    """
    pinned = json.dumps([{"plugin": "scalars", "tag": view.monitor}], separators=(",", ":"))
    query = f"pinnedCards={quote(pinned)}&smoothing=0"
    # With several replicates, all runs of a config get one colour.
    if any(name != config for name, config in view.configs.items()):
        query += f"&runColorGroup={quote('regex:' + _config_pattern(view.configs), safe='')}"
    names = f"^({'|'.join(view.best)})$"
    best = f"&regexInput={quote(names, safe='')}" if view.best else ""
    pictures = {"pictures": f"{address}/#images{best}"} if best else {}
    return pictures | {
        "curves": f"{address}/?{query}#timeseries{best}",
        "hyperparameters": f"{address}/#hparams",
    }


def _config_pattern(configs: Mapping[str, str]) -> str:
    """Returns a regular expression that groups the runs of a config."""
    tails = {name.removeprefix(config) for name, config in configs.items()}
    # All tails have the same parts: `-s0`, or `-f1-s0`.
    pattern = re.sub(r"\d+", r"\\d+", min(tails))
    assert all(re.fullmatch(pattern, tail) for tail in tails), tails
    return f"(.*){pattern}"


def greeting(view: View, address: str) -> list[str]:
    """Returns the first printed lines: the links, and what is not shown."""
    count = len(view.configs)
    total = count + view.left_out
    lines = [f"{total} {'run' if total == 1 else 'runs'} in {view.folder}"]
    if view.left_out:
        lines[0] += f": the {count} of the best configs are shown; --runs N shows more"
    lines += [f"  {name:<16} {link}" for name, link in links(view, address).items()]
    if view.best:
        lines.append(
            "Images, Scalars and Text begin with the best runs; to see all, clear the field above "
            "the runs and press TOGGLE ALL RUNS"
        )
    if not view.is_writable:
        has_made = any(MADE in path for path in view.files)
        what = "are as they were last written there" if has_made else "are missing"
        lines.append(f"the folder cannot be written: HParams, pictures and texts {what}")
    if all(MADE in path for path in view.files):
        lines.append("no curves: logger=both or tensorboard writes them; these runs had neither")
    return [*lines, "press Ctrl-C to stop"]


def _keep_renewing(
    make_view: Callable[[], View],
    view: View,
    logdir: Path,
    process: subprocess.Popen[str],
    print: Print,
) -> NoReturn:
    """Renews the view again and again; prints a message if it is new."""
    printed, seconds = "", _RENEW_SECONDS
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            raise ValueError("TensorBoard has ended")
        begun, message = time.monotonic(), ""
        try:
            before, view = view, make_view()
            link_all(logdir, view.files)
            if is_stale(before.versions, view.versions):
                message = (
                    "a key or the end of a run has changed: start this command again to see it in"
                    " HParams"
                )
        except (OSError, ValueError) as error:
            message = f"the view cannot be renewed: {error}"
        if message and message != printed:
            print(message)
            printed = message
        # Renewing a large sweep takes at most a tenth of the time.
        seconds = max(_RENEW_SECONDS, 10 * (time.monotonic() - begun))


def is_stale(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Returns whether a server that has read `before` would never show `after`.

    TensorBoard keeps the first metadata that it reads for a run and a tag. The metadata are the
    columns, the run's own values and, if the run has ended, its end.
    """
    return any(
        before[name][0] != digest or before[name][1] not in ("unknown", status)
        for name, (digest, status) in after.items()
        if name in before
    )


@contextlib.contextmanager
def _started(logdir: Path, host: str, port: int) -> Generator[tuple[subprocess.Popen[str], str]]:
    """Yields TensorBoard's process, which ends with the block, and its address.

    Raises:
        ValueError: TensorBoard did not start; the message contains the reason.
    """
    module = "seqsweep.results.tensorboard.serve"
    process = subprocess.Popen(
        # With -P, a module in the current folder cannot replace a module of TensorBoard.
        [sys.executable, "-P", "-m", module, str(logdir), host, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        line = process.stdout.readline().strip()
        if not line.startswith("http"):
            raise ValueError(f"TensorBoard did not start: {line or 'it printed no error'}")
        yield process, line.rstrip("/")
    finally:
        # The process ends when its standard input is closed.
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()  # TensorBoard has no state that could be lost.
            process.wait()


RELOAD_SECONDS = 3
"""The seconds after which TensorBoard reads the files again."""


def main(logdir: str, host: str, port: str) -> None:
    """Serves a folder until stdin is closed; prints the address or an error."""
    from absl import logging as absl_logging

    try:
        from tensorboard import default, program
    except ImportError as error:  # tensorboard before 2.21 beside setuptools 82 or newer
        print(f"{error}: pip install --upgrade tensorboard")
        return
    # A terminal sends Ctrl-C to both processes. Only the parent reacts to it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    absl_logging.set_verbosity(absl_logging.ERROR)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    board = program.TensorBoard(default.get_plugins())
    board.configure(
        logdir=logdir,
        host=host,
        port=int(port),
        load_fast="auto",  # Uses the slow loader if there is no data server.
        reload_interval=RELOAD_SECONDS,
    )
    try:
        address = board.launch()
    except program.TensorBoardServerException as error:
        print(error.msg)
        return
    print(address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
