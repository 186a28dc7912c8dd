"""`seqsweep tensorboard FOLDER`: TensorBoard on a view that is renewed while it runs.

It is given a temporary folder of links to the event files, in which the runs have their readable
names alone.
"""

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, NoReturn, Self
from urllib.parse import quote

from seqsweep.console import say
from seqsweep.results.tensorboard.made_files import link_all
from seqsweep.results.tensorboard.view import View, renew

HOST = "127.0.0.1"
_RENEW_SECONDS = 3.0
_MOST_SHOWN = 500
"""Of more runs TensorBoard's Time Series selects none."""

Print = Callable[[str], object]


def serve(
    folder: Path, port: int = 6006, images: int = 8, host: str = HOST, print: Print = say
) -> int:
    """Serves TensorBoard until it is interrupted (0) or terminated (143).

    The view of the folder is renewed every few seconds: runs that start later appear by themselves.

    Args:
        folder: a sweep's, any folder of runs, or that of one run.
        port: 0 to 65535; 0 for any that is free.
        images: how many of the best runs have pictures; 0 for none.
        host: the address to listen on; 0.0.0.0 for every one of this machine.
        print: takes each line that is said.

    Raises:
        ValueError: no run in the folder, a wrong host, the port is taken, a number out of range.
        OSError: no such folder; the view cannot be written.
    """
    if not 0 <= port <= 65535:
        raise ValueError(f"port={port}: must be from 0 (any free one) to 65535")
    _check_host(host)
    view = renew(folder, images)
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        with contextlib.ExitStack() as held:
            temporary = tempfile.TemporaryDirectory(prefix="seqsweep-tensorboard-")
            logdir = Path(held.enter_context(temporary))
            link_all(logdir, view.files)
            server = held.enter_context(_Server(logdir, host, port))
            for line in greeting(view, server.address):
                print(line)
            _keep_renewing(images, view, server, print)
    except KeyboardInterrupt:
        return 0
    except _Terminated:
        return 143
    finally:
        signal.signal(signal.SIGTERM, before)


def _check_host(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, 0), family=family).close()
    except OSError:
        message = f"host={host}: must be an address of this machine, such as {HOST}"
        raise ValueError(message) from None


def links(view: View, address: str) -> dict[str, str]:
    """The links: Time Series with the ranking metric pinned, coloured by config; HParams.

    Args:
        address: of the server, such as http://127.0.0.1:6006.
    """
    pinned = json.dumps([{"plugin": "scalars", "tag": view.monitor}], separators=(",", ":"))
    question = f"pinnedCards={quote(pinned)}&smoothing=0"
    if any(name != config for name, config in view.configs.items()):
        question += f"&runColorGroup={quote('regex:' + _config_pattern(view.configs), safe='')}"
    return {
        "curves": f"{address}/?{question}#timeseries",
        "hyperparameters": f"{address}/#hparams",
    }


def _config_pattern(configs: Mapping[str, str]) -> str:
    """A regular expression whose group is the name of the config in the name of a run."""
    tails = {name.removeprefix(config) for name, config in configs.items()}
    assert all(re.fullmatch(r"-s\d+", tail) for tail in tails), tails
    return r"(.*)-s\d+"


def greeting(view: View, address: str) -> list[str]:
    """What is said first: the links, and what TensorBoard would not show of so many runs."""
    count = len(view.configs)
    found = [f"{count} {'run' if count == 1 else 'runs'} in {view.folder}"]
    found += [f"  {name:<16} {link}" for name, link in links(view, address).items()]
    if count > _MOST_SHOWN:
        found.append(
            f"more than {_MOST_SHOWN} runs: TensorBoard's Time Series selects none of them; filter "
            "them by name on its left, or look at the hyperparameters"
        )
    return [*found, "Ctrl-C ends it"]


def _keep_renewing(images: int, view: View, server: "_Server", print: Print) -> NoReturn:
    """Until an exception ends it; what cannot be renewed now is said once, and tried again."""
    said, seconds = "", _RENEW_SECONDS
    while True:
        server.wait(seconds)
        began = time.monotonic()
        try:
            renewed = renew(view.folder, images)
            link_all(server.logdir, renewed.files)
        except (OSError, ValueError) as error:
            if str(error) != said:
                said = str(error)
                print(f"cannot be renewed: {said}")
            continue
        if is_stale(view.shown, renewed.shown):
            server.restart()
        view, said = renewed, ""
        seconds = max(_RENEW_SECONDS, 10 * (time.monotonic() - began))


def is_stale(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a server that has read the one shows other than the other, and would go on to.

    TensorBoard keeps the first metadata of a run and tag that it reads: the columns, a run's own
    values, and how it ended, if it had ended.

    Args:
        before: as `View.shown`.
        after: likewise.
    """
    for name in before.keys() & after.keys():
        (old, ended), (new, ends) = before[name], after[name]
        if old != new or ended not in ("unknown", ends):
            return True
    return False


class _Terminated(BaseException):
    """SIGTERM, as an exception: what has been started is ended."""


def _terminate(*_: object) -> None:
    raise _Terminated


class _Server:
    """TensorBoard's process, ended when the block is left.

    Raises:
        ValueError: it did not start; the message says why.
    """

    def __init__(self, logdir: Path, host: str, port: int) -> None:
        self.logdir = logdir
        self.host = host
        self.port = port
        self.address = ""
        self._open = contextlib.ExitStack()
        self._errors: IO[str] = sys.stderr
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        file = tempfile.TemporaryFile("w+", encoding="utf-8")
        self._errors = self._open.enter_context(file)
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._open.close()

    def wait(self, seconds: float) -> None:
        """Raises ValueError if TensorBoard ends by itself meanwhile."""
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
            raise ValueError(f"TensorBoard has ended: {self._last_words()}")

    def restart(self) -> None:
        """At the same address, where a page that is open goes on."""
        self._end()
        self._start()

    def _start(self) -> None:
        module = "seqsweep.results.tensorboard.server"
        arguments = [str(self.logdir), self.host, str(self.port)]
        self._process = subprocess.Popen(
            # -P: a module in the current folder must not be taken for one of TensorBoard's
            [sys.executable, "-P", "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().strip().rstrip("/")
        if not self.address:
            self._process.wait()
            raise ValueError(self._why_not())
        self.port = int(self.address.rpartition(":")[2])

    def _end(self) -> None:
        """By the end of its input; it has nothing to lose if it does not heed that."""
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _why_not(self) -> str:
        words = self._last_words()
        if "in use" in words:
            return f"port={self.port}: is taken; give another one, or 0 for any that is free"
        return f"TensorBoard did not start: {words}"

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors if line.strip()]
        return lines[-1] if lines else "it says nothing"
