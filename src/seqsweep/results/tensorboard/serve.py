"""`seqsweep tensorboard FOLDER`: makes a folder of links and serves it with TensorBoard."""

import base64
import contextlib
import io
import json
import logging
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from seqsweep.console import say
from seqsweep.results.tensorboard.view import MOST_RUNS, View, make_view
from seqsweep.text import count

HOST = "127.0.0.1"
_REMOVE = "import shutil, sys; sys.stdin.read(); shutil.rmtree(sys.argv[1], ignore_errors=True)"


def serve(
    folder: Path,
    port: int = 6006,
    images: int = 8,
    host: str = HOST,
    print: Callable[[str], object] = say,
    most: int = MOST_RUNS,
) -> int:
    """Serves TensorBoard until Ctrl-C; returns the exit code 0.

    Args:
        port: 0 to 65535; 0 chooses a free port.
        images: how many of the best runs have pictures.
        host: the address to listen on; 0.0.0.0 for all addresses of this machine.
        most: the most runs that are shown. If there are more, the best configs are shown.

    Raises:
        ValueError: the folder contains no run, or an argument cannot be used.
        OSError: the folder does not exist, or the links cannot be written.
        SystemExit: the process was terminated; the exit code is 143.
    """
    if not 0 <= port <= 65535:
        raise ValueError(f"port={port}: must be from 0 (any free port) to 65535")
    if images < 0:
        raise ValueError(f"images={images}: must be at least 0")
    # An unusable host or port is refused here, before the view is made.
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        reason = (error.strerror or "").partition(" (")[0]
        why = f"host={host}, port={port}: {reason}"
        cure = f"port=0 chooses a free port, and host={HOST} is always an address of this machine"
        raise ValueError(f"{why}; {cure}") from None
    # SIGTERM's default action would leave the server and the links. An exception removes both.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with contextlib.suppress(KeyboardInterrupt), _temporary_folder() as logdir:
            view = make_view(folder, logdir, images, most)
            for line in greeting(folder, view, _start(logdir, host, port, pages(view))):
                print(line)
            threading.Event().wait()
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def pages(view: View) -> dict[str, str]:
    """Returns TensorBoard's own addresses of our short ones, which lead there.

    The ranking metric is pinned, and the curves are coloured by config. Of many runs the best are
    selected, because TensorBoard's older pages would select no run.
    """
    pinned = json.dumps([{"plugin": "scalars", "tag": view.monitor}], separators=(",", ":"))
    query = f"/?pinnedCards={quote(pinned)}&smoothing=0"
    # With several replicates, all runs of a config get one colour.
    if pattern := _tail_pattern(view.configs):
        query += f"&runColorGroup={quote(f'regex:(.*){pattern}', safe='')}"
    state = json.dumps(dict.fromkeys(view.best, True)).encode()
    selected = f"&runSelectionState={quote(base64.b64encode(state))}" if view.best else ""
    tabs = {"/": "timeseries", "/hparams": "hparams", "/images": "images"}
    return {path: f"{query}#{tab}{selected}" for path, tab in tabs.items()}


def _tail_pattern(configs: Mapping[str, str]) -> str:
    """Returns a regular expression of what run names add to their config's, if any."""
    tails = {name.removeprefix(config) for name, config in configs.items()}
    pattern = re.sub(r"\d+", r"\\d+", min(tails).replace(".", r"\."))
    return pattern if all(re.fullmatch(pattern, tail) for tail in tails) else ""


def greeting(folder: Path, view: View, address: str) -> list[str]:
    """Returns the first printed lines: the links, and what is not shown."""
    shown = len(view.configs)
    lines = [f"{count(shown + view.left_out, 'run')} in {folder}"]
    if view.left_out:
        lines[0] += f": the {shown} of the best configs are shown; --runs N shows more"
    lines += [f"  curves           {address}/", f"  hyperparameters  {address}/hparams"]
    lines += [f"  pictures         {address}/images"]
    if view.unfinished:
        have = count(view.unfinished, "run has", "runs have")
        again = "start this command again for new runs, HParams and pictures"
        lines.append(f"{have} not ended: {again}")
    if not view.has_curves:
        lines.append("no curves: logger=both or tensorboard writes them; these runs had neither")
    return [*lines, "press Ctrl-C to stop"]


@contextlib.contextmanager
def _temporary_folder() -> Generator[Path]:
    """Yields a folder that is removed after the block, or when this process is killed."""
    folder = tempfile.mkdtemp(prefix="seqsweep-tensorboard-")
    # The system closes the pipe when this process ends, however it ends.
    watcher = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _REMOVE, folder],
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C must not end it
    )
    try:
        yield Path(folder)
    finally:
        watcher.communicate()


def _start(logdir: Path, host: str, port: int, addresses: Mapping[str, str]) -> str:
    """Starts TensorBoard in a thread, and returns its address.

    Args:
        addresses: the result of `pages`.

    Raises:
        ValueError: TensorBoard did not start; the message contains the reason.
    """
    try:
        from absl import logging as absl_logging
        from tensorboard import default, program
    except ImportError as error:  # tensorboard before 2.21 beside setuptools 82 or newer
        raise ValueError(f"{error}: pip install --upgrade tensorboard") from None
    absl_logging.set_verbosity(absl_logging.ERROR)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)

    def make_server(app: Any, flags: Any) -> Any:
        return program.WerkzeugServer(_with_short_addresses(app, addresses), flags)

    board = program.TensorBoard(default.get_plugins(), server_class=make_server)
    board.configure(
        logdir=str(logdir),
        host=host,
        port=port,
        load_fast="auto",  # Uses the slow loader if there is no data server.
        reload_interval=3,  # in seconds
    )
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # it praises its data server
            return str(board.launch()).rstrip("/")
    except program.TensorBoardServerException as error:
        raise ValueError(f"TensorBoard did not start: {error.msg}") from None


def _with_short_addresses(app: Any, addresses: Mapping[str, str]) -> Any:
    """Returns a web application that leads from short to TensorBoard's long addresses."""

    def answer(environ: dict[str, Any], start_response: Any) -> Any:
        address = addresses.get(environ.get("PATH_INFO", ""))
        if address is None or environ.get("QUERY_STRING"):
            return app(environ, start_response)
        start_response("302 Found", [("Location", address), ("Content-Length", "0")])
        return [b""]

    return answer
