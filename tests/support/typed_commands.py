"""Commands as typed, which run in the process of the tests."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from seqsweep.cli import main


class Done(NamedTuple):
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str


Command = Callable[..., Done]


@pytest.fixture
def command(monkeypatch, capsys, tmp_path) -> Command:
    """Runs `seqsweep ARGUMENTS` in this process, in the test's folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> Done:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([os.fspath(argument) for argument in arguments])
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Done(ended.value.code, printed.out, printed.err)

    return run
