"""A program may give one command after another."""

import sys
from pathlib import Path

import pytest

from seqsweep import cli
from seqsweep.command import has_option, subcommand


def test_a_command_leaves_nothing_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    arguments = list(sys.argv)
    with pytest.raises(SystemExit) as ended:
        cli.main(["plan", "data=digits", "model.hidden_size=4,8", "--json"])
    assert ended.value.code == 0
    assert '"runs"' in capsys.readouterr().out
    assert (subcommand(), has_option("json"), sys.argv) == ("train", False, arguments)
