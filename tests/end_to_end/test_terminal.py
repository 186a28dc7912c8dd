"""Help, config, completion and the progress bar look right on a terminal."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from terminals import hides_the_cursor, read_until, terminal

from seqsweep.cli import main
from seqsweep.config.from_overrides import compose

SEQSWEEP = Path(sys.executable).with_name("seqsweep")
rarely = pytest.mark.durability


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["help"], ["usage: seqsweep COMMAND", "train -m", "help COMMAND"]),
        ([], ["seqsweep train data=digits", "seqsweep data info FILE", "seqsweep help"]),
        (["train", "--help"], ["sweep: architecture, cells, cross_validation,",
                               "model.hidden_size=32", "hydra/sweeper=optuna",
                               "hydra/launcher=slurm", "--plan-only",
                               "data: adding, aeon, csv, delayed_recall, digits"]),
        (["-V"], ["seqsweep 0."]),
        (["help", "leaderboard"], ["usage: seqsweep leaderboard", "--top N"]),
    ],
)  # fmt: skip
def test_each_command_has_its_help(capsys, arguments, words):
    with contextlib.suppress(SystemExit):
        main(arguments)
    printed = capsys.readouterr()
    assert all(part in " ".join(printed.out.split()) for part in words), printed


def test_the_help_of_train_has_the_defaults_of_a_run(capsys):
    with contextlib.suppress(SystemExit):
        main(["train", "--help"])
    section = capsys.readouterr().out.partition("== The keys")[2].partition("seqsweep train")[0]
    words = [line.split()[0] for line in section.splitlines()[1:] if "=" in line]
    given = [word for word in words if "FILE" not in word and "experiment=" not in word]
    # An override that is the default changes nothing. The random data have another batch size.
    given.remove("data.batch_size=auto")
    assert len(words) == 15
    assert compose(given) == compose([])
    assert compose(["data=digits"])["data"]["batch_size"] == "auto"


@pytest.mark.slow
def test_a_name_that_the_encoding_lacks_is_printed_in_its_bytes(tmp_path):
    """A command with question marks for letters could not be typed again."""
    name = "Öl und Wasser.csv"
    rows = [f"{n},{t},{n + t % 2},{'ab'[n % 2]}" for n in range(20) for t in range(6)]
    (tmp_path / name).write_text("\n".join(["id,time,x,label", *rows]))
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [SEQSWEEP, "data", "info", name],
        cwd=tmp_path, env={**os.environ, **locale}, capture_output=True, check=False,
    )  # fmt: skip
    last = done.stdout.decode().splitlines()[-1]
    assert last == f"seqsweep train data=csv 'data.source.path=\"{name}\"'", done


@pytest.mark.slow
@pytest.mark.durability
def test_a_closed_pipe_ends_the_command_without_a_message_of_hydra(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    command = [SEQSWEEP, "train", "data=digits", "trainer.max_epochs=1"]
    with os.fdopen(writer, "w") as gone:
        done = subprocess.run(
            command, cwd=tmp_path, stdout=gone, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.slow
def test_cfg_job_prints_the_config_and_trains_nothing(seqsweep, tmp_path):
    result = seqsweep("train", "--cfg", "job", "model.hidden_size=5")
    assert "hidden_size: 5" in result.out
    # The marks of our defaults are resolved on request, a list too.
    resolved = seqsweep("train", "--cfg", "job", "--resolve")
    assert resolved.code == 0 and "lr: 0.003" in resolved.out and "- 0.999" in resolved.out
    assert "${" not in resolved.out and not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("seqsweep train model.hid", ["model.hidden_size="]),
        pytest.param("seqsweep train data=_", [], marks=rarely),
        pytest.param("seqsweep train model=bi", ["model=bidirectional"], marks=rarely),
        pytest.param("seqsweep le", ["leaderboard"], marks=rarely),
    ],
)
def test_bash_completes_commands_and_overrides(line, completed):
    words = len(line.split()) - 1
    script = (
        f'eval "$(seqsweep train -sc install=bash)"; COMP_LINE="{line}"; COMP_POINT={len(line)}; '
        f'COMP_CWORD={words}; hydra_bash_completion; echo "${{COMPREPLY[@]}}"'
    )
    path = f"{SEQSWEEP.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "PATH": path},
        text=True,
        capture_output=True,
        timeout=180,
        check=False,
    )
    assert done.stdout.split() == completed, done.stderr


CALLBACK = """
import os, time
from lightning import Callback

class Loud(Callback):
    def on_train_epoch_end(self, trainer, module):
        {}
"""
ENDS = {
    "a success": ("os.write(1, b'from a callback\\n')", 0),
    "a signal": ("print('from a callback'); time.sleep(0.5); os.kill(os.getpid(), 15)", 143),
    "a kill": (
        "print('from a callback', flush=True); time.sleep(0.5); os.kill(os.getpid(), 9)",
        -9,
    ),
}


@pytest.mark.slow
@pytest.mark.sampled(1, 1)
@pytest.mark.parametrize("end", ENDS)
def test_a_single_run_on_a_terminal_shows_its_progress(start_command, tmp_path, end):
    what, code = ENDS[end]
    (tmp_path / "loud.py").write_text(CALLBACK.format(what))
    callback = "+callbacks.loud._target_=loud.Loud"
    command = ["train", "trainer.max_epochs=20", callback]
    environment = {"COLUMNS": "120", "TERM": "xterm"}
    with terminal(*command, start=start_command, environment=environment) as (process, master):
        printed = read_until(master)
        assert process.wait(180) == code, printed
    assert not hides_the_cursor(printed)
    (log,) = tmp_path.glob("outputs/runs/*/*/train.log")
    assert "from a callback\n" in log.read_text()
    assert ("from a callback" in printed) == (end == "a signal")
    if end == "a success":
        assert "/20" in printed and "val/acc" in printed
        best, majority, *_ = printed.splitlines()[-4:]
        assert "best epoch" in best and "majority class: val/acc" in majority
