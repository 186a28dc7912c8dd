"""The engines are planned and trained, and the bits of native depend only on the config."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from equal_runs import count_equal_runs

from seqsweep.native.library import library

pytestmark = pytest.mark.slow

Command = Callable[..., Any]
GRID = ("data=digits", "trainer.max_epochs=2", "model.hidden_size=4,8,40", "seed=0,1")
is_native = pytest.mark.skipif(library() is None, reason="no native library")


def _origins(folder: Path) -> dict[str, Any]:
    paths = folder.glob("outputs/sweeps/*/*/provenance.json")
    return {path.parent.name: json.loads(path.read_text()) for path in paths}


@is_native
def test_plan_prints_the_pool_that_train_trains(seqsweep: Command, tmp_path: Path) -> None:
    planned = seqsweep("plan", *GRID)
    assert ": 6 runs: rnn, 1 layer, hidden 4, 8, 40" in planned.out
    assert not list(tmp_path.rglob("config.yaml"))
    result = seqsweep("train", "-m", *GRID)
    assert result.code == 0, result.err
    origins = _origins(tmp_path).values()
    assert [origin["engine"] for origin in origins] == ["native"] * 6


def test_without_the_native_library_autograd_is_planned_and_trains(
    seqsweep: Command, tmp_path: Path
) -> None:
    planned = seqsweep("plan", *GRID, SEQSWEEP_NATIVE="off")
    assert "autograd: 6 runs, one by one" in planned.out
    result = seqsweep("train", "-m", *GRID, SEQSWEEP_NATIVE="off")
    assert result.code == 0, result.err
    origins = _origins(tmp_path).values()
    assert [origin["engine"] for origin in origins] == ["autograd"] * 6


def test_a_users_network_trains_beside_a_pool(seqsweep: Command, tmp_path: Path) -> None:
    (tmp_path / "mine_net.py").write_text(
        "from seqsweep.models.classifier import RNNClassifier\n"
        "class Net(RNNClassifier):\n"
        "    def __init__(self, input_size: int, hidden_size: int, num_classes: int):\n"
        "        super().__init__(input_size, hidden_size, num_classes)\n"
    )
    (tmp_path / "conf/model").mkdir(parents=True)
    (tmp_path / "conf/model/mine.yaml").write_text(
        "_target_: mine_net.Net\ninput_size: null\nhidden_size: 6\nnum_classes: null\n"
    )
    grid = ("data=digits", "trainer.max_epochs=1", "model=simple,mine", "seed=0,1")
    result = seqsweep("train", "-m", "--config-dir", "conf", *grid)
    assert result.code == 0, result.err
    engines = sorted(origin["engine"] for origin in _origins(tmp_path).values())
    ours = "autograd" if library() is None else "native"
    assert engines == ["autograd", "autograd", ours, ours]


# One process for all commands, so that Python and torch are started once.
_COMMANDS = """
import json, sys
from seqsweep.cli import main
for command in json.loads(sys.argv[1]):
    try:
        main(command)
    except SystemExit as ended:
        assert ended.code == 0, command
"""
MIXED = (
    "train", "-m", "data=digits", "model.dropout=0.2", "model.num_layers=2", "sweep.name=s",
    "sweep.report=false",
)  # fmt: skip
AXES = {
    "model.cell": ("rnn", "lstm"), "data.batch_size": ("32", "50"),
    "trainer.max_epochs": ("3", "5"), "seed": ("0", "1"),
}  # fmt: skip
WAYS = {
    "forwards": [{}],
    "backwards": [{name: values[::-1] for name, values in AXES.items()}],
    "basic": [{}],
    "in parts": [{"seed": ("1",), "model.cell": ("lstm",)}, {"seed": ("0",)}, {}],
}
"""Each way to train the grid: a command for each part, with its values."""
LAUNCHERS = {
    "forwards": "hydra.launcher.threads=2",
    "backwards": "hydra.launcher.threads=1",
    "basic": "hydra/launcher=basic",
    "in parts": "hydra.launcher.threads=2",
}


def _command(way: str, named: dict[str, tuple[str, ...]]) -> list[str]:
    axes = [f"{name}={','.join(values)}" for name, values in (AXES | named).items()]
    return [
        *MIXED,
        f"output_dir={way}",
        LAUNCHERS[way],
        *(axes[::-1] if way == "backwards" else axes),
    ]


@is_native
def test_the_bits_of_a_run_depend_only_on_its_config(seqsweep: Command, tmp_path: Path) -> None:
    """Order, other members, parts, launcher and threads do not change the bits."""
    commands = [_command(way, named) for way, parts in WAYS.items() for named in parts]
    done = subprocess.run(
        [sys.executable, "-c", _COMMANDS, json.dumps(commands)],
        cwd=tmp_path, text=True, capture_output=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for way in WAYS:
        assert count_equal_runs(tmp_path / way, tmp_path / "forwards") == 16
    run = next(tmp_path.glob("forwards/sweeps/s/*/record.json")).parent
    shutil.copytree(run, tmp_path / "elsewhere" / "copy")
    shutil.rmtree(tmp_path / "forwards")
    result = seqsweep("reproduce", "elsewhere/copy")
    assert (result.code, result.out) == (0, "identical\n"), result.err
