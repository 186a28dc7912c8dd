"""Fixtures that run the command line as a user does, in processes of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from seqsweep.cli import main


@dataclass(frozen=True)
class Result:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str


Command = Callable[..., Result]


@pytest.fixture(scope="session")
def seqsweep_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """Runs `seqsweep ARGUMENTS` in a folder, as a fork of a process that has imported torch."""
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    # pandas imports pyarrow, whose allocator would start a thread, and a fork would not have it.
    variables["JE_ARROW_MALLOC_CONF"] = "background_thread:false"
    server = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("command_server.py")],
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def run(folder: Path, *arguments: str) -> Result:
        assert server.stdin and server.stdout
        outputs = tmp_path_factory.mktemp("outputs")
        out, err = outputs / "out", outputs / "err"
        command = {"arguments": arguments, "environment": {**os.environ, **variables}}
        files = {"cwd": str(folder), "out": str(out), "err": str(err)}
        server.stdin.write(json.dumps(command | files) + "\n")
        server.stdin.flush()
        return Result(int(server.stdout.readline()), out.read_text(), err.read_text())

    with server:
        yield run
        server.kill()


@pytest.fixture
def seqsweep(tmp_path: Path, seqsweep_in: Command) -> Command:
    """Runs `seqsweep ARGUMENTS` as a process of its own, in the test's folder.

    With environment variables of its own it is a new Python, which reads them when it starts. A
    sweep writes a report only where its arguments say so: it takes seconds.
    """

    def run(*arguments: str, **environment: str) -> Result:
        is_sweep = arguments[:2] == ("train", "-m")
        if is_sweep and not any(a.startswith("sweep.report=") for a in arguments):
            arguments = (*arguments, "sweep.report=false")
        if not environment:
            return seqsweep_in(tmp_path, *arguments)
        done = subprocess.run(
            [sys.executable, "-m", "seqsweep", *arguments],
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", **environment},
            text=True,
            capture_output=True,
            timeout=300,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    composes_once: None,
) -> Callable[..., str]:
    """Runs a command that must be refused before it writes anything; returns its one message."""

    def run(*arguments: str) -> str:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["seqsweep", *arguments])
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        printed = capsys.readouterr()
        assert ended.value.code == 2, printed
        lines = printed.err.strip().splitlines()
        assert len(lines) == 1, printed
        assert lines[0].startswith("seqsweep: ")
        assert not list(tmp_path.rglob("config.yaml"))
        return lines[0].removeprefix("seqsweep: ")

    return run
