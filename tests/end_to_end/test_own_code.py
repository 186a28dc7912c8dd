"""A changed network of the user's own is another run, in every command."""

import json
import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

NETWORK = '''\
from torch import nn

from parts import pooled


class Mine(nn.Module):
    """A linear layer on a pooled sequence."""

    def __init__(self, input_size: int, num_classes: int) -> None:
        super().__init__()
        self.fc = nn.Linear(input_size, num_classes)

    def forward(self, x, lengths):
        return self.fc(pooled(x))
'''
PARTS = "def pooled(x):\n    return x.amax(dim=1)\n"
SETTINGS = ("--config-dir", "conf", "data=digits", "model=mine", "trainer.max_epochs=2")
PLAN = (*SETTINGS, "-m", "seed=1,2", "sweep.name=own", "--plan-only")
WORK = ("work", "outputs/sweeps/own")
ALLOW = ("--allow", "mine.Mine")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository of the user with a network, and the module that it imports."""
    (tmp_path / "mine.py").write_text(NETWORK)
    (tmp_path / "parts.py").write_text(PARTS)
    (tmp_path / "conf/model").mkdir(parents=True)
    (tmp_path / "conf/model/mine.yaml").write_text("_target_: mine.Mine\n")
    commit = ["-c", "user.name=me", "-c", "user.email=me@here", "commit", "-qm", "first"]
    for command in (["init", "-q"], ["add", "mine.py", "parts.py"], commit):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def edit(folder: Path) -> None:
    (folder / "parts.py").write_text(PARTS.replace("amax", "mean"))


def run_ids(folder: Path) -> set[str]:
    return {path.parent.name for path in folder.glob("outputs/runs/default/*/record.json")}


def test_an_edited_network_is_trained_anew_and_its_old_runs_are_named(seqsweep, folder):
    assert seqsweep("train", *SETTINGS).code == 0
    (first,) = run_ids(folder)
    old = folder / "outputs/runs/default" / first
    code = json.loads((old / "provenance.json").read_text())["code"]
    head = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=folder, text=True)
    assert list(code["files"]) == ["mine.py", "parts.py"]
    assert (code["git_commit"], code["git_diff"]) == (head.strip(), None)

    (folder / "parts.py").write_text(f"# A comment changes nothing.\n\n{PARTS}")
    assert "complete already" in seqsweep("train", *SETTINGS).out

    edit(folder)
    again = seqsweep("train", *SETTINGS)
    assert again.code == 0
    changed = f"the code has changed since run {first} of this config: parts.py"
    assert again.err == f"seqsweep: new run: {changed}\n"
    (second,) = run_ids(folder) - {first}
    longer = seqsweep("train", *SETTINGS[:-1], "trainer.max_epochs=3")
    assert longer.code == 0
    (third,) = run_ids(folder) - {first, second}
    # The epochs of the edited network are taken over, and no others.
    rows = [(folder / f"outputs/runs/default/{name}/metrics.csv").read_text().splitlines()
            for name in (second, third)]  # fmt: skip
    assert rows[1][:3] == rows[0]

    refused = seqsweep("reproduce", str(old), *ALLOW)
    assert refused.code == 2
    assert "the code has changed since the run was trained: parts.py" in refused.err
    assert seqsweep("reproduce", str(old.with_name(second)), *ALLOW).out == "identical\n"
    board = seqsweep("leaderboard", "outputs/runs/default").out
    assert "code" in board and len(run_ids(folder)) == 3


@pytest.mark.durability
def test_a_worker_builds_a_users_network_if_it_is_allowed_and_has_not_changed(seqsweep, folder):
    """PYTHONSAFEPATH keeps the current folder out of sys.path, as the installed command does."""

    def own(*arguments: str):
        return seqsweep(*arguments, PYTHONPATH="", PYTHONSAFEPATH="1")

    assert own("train", *PLAN).code == 0
    refused = seqsweep(*WORK)
    assert refused.code == 2
    assert "model._target_=mine.Mine" in refused.err and "--allow mine.Mine" in refused.err
    assert not list((folder / "outputs/sweeps/own").glob("*/config.yaml"))
    edit(folder)
    changed = seqsweep(*WORK, *ALLOW)
    assert changed.code == 2
    assert "has other code (mine.py, parts.py) here; plan the sweep again" in changed.err
    (folder / "parts.py").write_text(PARTS)
    worked = own(*WORK, *ALLOW)
    assert worked.code == 0 and "nothing of 2 runs is left" in worked.out
    # A module of the same name elsewhere comes first.
    other = folder / "other"
    other.mkdir()
    (other / "mine.py").write_text("def Mine(input_size, num_classes): raise ValueError('other')")
    refused = seqsweep("train", *SETTINGS, PYTHONPATH=str(other), PYTHONSAFEPATH="1")
    assert refused.code == 2 and "other" in refused.err


def test_a_launcher_allows_its_workers_what_the_command_names(seqsweep, folder):
    sbatch = folder / "bin" / "sbatch"
    sbatch.parent.mkdir()
    sbatch.write_text("#!/bin/sh\necho 17\n")
    sbatch.chmod(0o755)
    path = f"{sbatch.parent}:{os.environ['PATH']}"
    command = (*PLAN[:-1], "hydra/launcher=slurm", "--detach")
    begun = seqsweep("train", *command, PATH=path)
    assert begun.code == 0 and "Slurm job 17" in begun.out, begun.err
    script = (folder / "outputs/sweeps/own/.slurm/worker.sbatch").read_text()
    assert f"#SBATCH --chdir={folder}\n" in script
    assert "\nexport PYTHONSAFEPATH=1" in script
    assert " --allow mine.Mine &\n" in script
