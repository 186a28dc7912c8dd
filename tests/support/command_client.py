"""Runs `seqsweep ARGUMENTS` in a fork of the server that tests/support/commands.py starts.

    python -IS command_client.py SERVER ARGUMENTS

It has the streams, the folder, the environment and the exit code of this process.
"""

import json
import os
import signal
import socket
import sys
from typing import Any, TextIO


def ask(stream: TextIO, **request: Any) -> int:
    stream.write(json.dumps(request) + "\n")
    stream.flush()
    return int(stream.readline())


def main() -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(sys.argv[1])
        stream = connection.makefile("rw")
    assert stream.readline() == "ready\n"
    own = f"/proc/{os.getpid()}/fd"
    flags = (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)
    pid = ask(
        stream,
        arguments=sys.argv[2:],
        before="import sys; del sys.path[0]",  # a program does not look in the current folder
        cwd=os.getcwd(),
        environment=dict(os.environ),
        streams=[(f"{own}/{number}", flag) for number, flag in enumerate(flags)],
    )
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda signum, _: os.kill(pid, signum))
    sys.exit(os.waitstatus_to_exitcode(ask(stream, ended=pid)) % 256)


main()
