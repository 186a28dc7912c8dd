"""Workers get the next trial as soon as the window allows it, and train the same trials."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import OmegaConf

from hydra_plugins.seqsweep_sweeper.seqsweep_sweeper import OptunaSweeperConf
from seqsweep.config import CONF_DIR
from seqsweep.config.compose import MemberComposer
from seqsweep.config.from_overrides import VERSION_BASE
from seqsweep.extras.clusters.workers import Workers
from seqsweep.extras.search.command import search
from seqsweep.extras.search.searchfile import SearchFile
from seqsweep.extras.search.trials import read_trials
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.sweeping.hydra_jobs import RunLauncher
from seqsweep.sweeping.queue import SweepMember

pytestmark = pytest.mark.slow

RUNS = (
    "data=random", "data.source.num_sequences=60", "data.source.length=8", "data.batch_size=16",
    "trainer.max_epochs=5", "logger=csv", "diagnostics=false", "sweep.report=false",
    "model.hidden_size=int(interval(4,12))", "optimizer.lr=tag(log,interval(0.001,0.3))",
)  # fmt: skip
SEARCH = {
    "budget": {"trials": 7},
    "parallel": 3,
    "seed": 1,
    "pruner": "median",
    "pruner_options": {"n_startup_trials": 1},
    "confirm": {"top": 1, "seeds": 2},
}


@dataclass
class Processes:
    """A cluster whose workers are processes of this machine."""

    options: Sequence[str] = ("--threads", "1", "--idle", "60")
    logs: Path = Path("logs")
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list[Any])

    def start(self, folder: Path, count: int, command: Sequence[str]) -> str:
        self.processes += [
            subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(count)
        ]
        return f"{count} processes"


@dataclass
class Noting(Workers):
    """Workers that note how many runs are planned in each round."""

    planned: list[int] = field(default_factory=list[int])

    def train(
        self, runs: Sequence[SweepMember], folder: Path, until_one_ends: bool = False
    ) -> None:
        sweep = SweepFile.read(folder)
        self.planned.append(0 if sweep is None else len(sweep.configs))
        super().train(runs, folder, until_one_ends)


@pytest.fixture
def cluster() -> Iterator[Processes]:
    made = Processes()
    yield made
    for process in made.processes:
        process.terminate()
        process.wait()


@pytest.fixture
def composer() -> MemberComposer:
    with initialize_config_dir(config_dir=str(CONF_DIR), **VERSION_BASE):
        loader = GlobalHydra.instance().config_loader()
    return MemberComposer(loader, loader.load_configuration("train", [], RunMode.MULTIRUN))


def test_workers_train_the_trials_that_one_machine_trains(
    cluster: Processes, composer: MemberComposer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["seqsweep"])
    merged = OmegaConf.merge(OmegaConf.structured(OptunaSweeperConf), SEARCH)
    options: Any = OmegaConf.to_container(merged)
    del options["_target_"], options["params"]

    def by(launcher: RunLauncher, name: str) -> int:
        return search(options, RUNS, composer, launcher, tmp_path / name)

    workers = Noting(cluster, 2)
    assert by(RunLauncher(workers=workers), "by_workers") == 0
    assert by(RunLauncher(threads=1), "here") == 0
    one, other = (SearchFile.read(tmp_path / name) for name in ("by_workers", "here"))
    assert one is not None
    assert other is not None
    assert one.trials == other.trials
    results = [
        [(t.state, t.value, t.epochs) for t in read_trials(found, tmp_path / name)]
        for found, name in ((one, "by_workers"), (other, "here"))
    ]
    assert results[0] == results[1]
    assert one.confirmed == other.confirmed
    assert "pruned" in {state for state, _, _ in results[0]}
    # The driver plans further trials while the workers train.
    assert len(set(workers.planned)) > 3
    # The workers leave by themselves, since the search has ended.
    assert [process.wait(timeout=60) for process in cluster.processes] == [0, 0]
