"""Fixtures that run the command line as a user does, in processes of their own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import ENVIRONMENT, CommandServer
from typed_commands import Command, Done, command

__all__ = ["command"]
SEQSWEEP = Path(sys.executable).with_name("seqsweep")


@pytest.fixture(scope="session")
def seqsweep_in(command_server: CommandServer) -> Command:
    """Runs `seqsweep ARGUMENTS` in a folder, as a fork of a process that has imported torch."""

    def run(folder: Path, *arguments: str, **environment: str) -> Done:
        with command_server.start(folder, *arguments, environment=environment) as process:
            out, err = process.communicate()
        return Done(process.returncode, out, err)

    return run


@pytest.fixture
def seqsweep(tmp_path: Path, seqsweep_in: Command) -> Command:
    """Runs `seqsweep ARGUMENTS` as a process of its own, in the test's folder.

    With a PYTHONPATH it is the installed program, which reads it when it starts. A sweep writes a
    report only where its arguments say so: it takes seconds.
    """

    def run(*arguments: str, **environment: str) -> Done:
        is_sweep = arguments[:2] == ("train", "-m")
        if is_sweep and not any(a.startswith("sweep.report=") for a in arguments):
            arguments = (*arguments, "sweep.report=false")
        if not environment.get("PYTHONPATH"):
            return seqsweep_in(tmp_path, *arguments, **environment)
        done = subprocess.run(
            [SEQSWEEP, *arguments],
            cwd=tmp_path,
            env={**os.environ, **ENVIRONMENT, **environment},
            text=True,
            capture_output=True,
            timeout=300,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def refused(tmp_path, command, composes_once) -> Callable[..., str]:
    """Runs a command that must be refused before it writes anything; returns its one message."""

    def run(*arguments: str) -> str:
        before = set(tmp_path.rglob("*"))
        done = command(*arguments)
        assert done.code == 2, done
        (line,) = done.err.strip().splitlines()
        assert line.startswith("seqsweep: ")
        new = set(tmp_path.rglob("*")) - before
        # Python writes the bytecode of a user's module.
        written = {path.name for path in new if path.is_file() and path.suffix != ".pyc"}
        # Hydra's own sweepers and callbacks write before they ask us.
        is_hydras = any(word.startswith(("hydra", "+hydra")) for word in arguments)
        assert "config.yaml" not in written if is_hydras else not written
        return line.removeprefix("seqsweep: ")

    return run
