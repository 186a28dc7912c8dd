"""The workers of `chaos.py --slurm`: jobs of a real Slurm of two nodes on this machine."""

import contextlib
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import Any

import psutil
from chaos_events import EVENTS, Kind, Storm
from chaos_fleet import BEAT_SECONDS, STALE_SECONDS, Fleet, Member
from timing import ONE_THREAD

SUPPORT = Path(__file__).parents[2] / "tests" / "support"
LAUNCHER = ("hydra/launcher=slurm", "hydra.launcher.count=2")
DOWN_SECONDS = 3.0
"""The time after which a killed node starts again."""

SITE = """\
import sys
sys.path.append({bench!r})
from chaos_start import install_in_job
install_in_job({scratch!r}, {stale}, {beat})
"""
"""The module sitecustomize of the workers, which Python imports when it starts."""


@dataclass(eq=False)
class Job(Member):
    """A worker that Slurm has started."""

    process: Any  # a psutil.Process
    is_ours: bool = False

    def has_ended(self) -> bool:
        with contextlib.suppress(psutil.Error):
            return self.process.status() == psutil.STATUS_ZOMBIE or not self.process.is_running()
        return True

    def signal(self, signum: Signals) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            self.process.send_signal(signum)


class SlurmFleet(Fleet):
    """Follows the workers of a Slurm cluster, and starts the driver again.

    Args:
        scratch, draw: see `Fleet`.
        drive: the arguments of the driver, without the launcher.
    """

    def __init__(self, scratch: Path, drive: Sequence[str], draw: random.Random) -> None:
        sys.path.append(str(SUPPORT))
        from slurm_cluster import SlurmCluster

        super().__init__(scratch, (), (*drive, *LAUNCHER), 0, draw)
        self.cluster = SlurmCluster(scratch / "slurm")
        site = scratch / "site"
        site.mkdir()
        words = {"bench": str(Path(__file__).parent), "scratch": str(scratch)}
        text = SITE.format(**words, stale=STALE_SECONDS, beat=BEAT_SECONDS)
        (site / "sitecustomize.py").write_text(text)
        self.environment = (
            ONE_THREAD
            | self.cluster.environment
            | {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
        )
        self.down: dict[str, float] = {}
        self._looked = 0.0
        self.cluster.__enter__()

    def reap(self) -> None:
        """Finds new workers and ended ones, and repairs the cluster."""
        known = {member.name for member in self.all}
        for path in (self.scratch / "journal").iterdir():
            if "-" in path.name and path.name not in known:
                self._add(path.name)
        super().reap()
        if time.monotonic() - self._looked > 2:
            self._looked = time.monotonic()
            self._repair()

    def end(self) -> None:
        super().end()
        self.cluster.close()

    def kill_node(self, node: str) -> None:
        self.cluster.kill_node(node)
        self.down[node] = time.monotonic() + DOWN_SECONDS

    def call_for(self, member: Member, *command: str) -> None:
        """Calls a program of Slurm for the job of a worker."""
        with contextlib.suppress(psutil.Error, AssertionError):
            variables = psutil.Process(member.process.pid).environ()
            array, task = (variables[f"SLURM_ARRAY_{name}_ID"] for name in ("JOB", "TASK"))
            self.cluster.call(*command, f"{array}_{task}")

    def _add(self, name: str) -> None:
        node, _, pid = name.partition("-")
        with contextlib.suppress(psutil.NoSuchProcess):
            output, clock = (self.scratch / kind / name for kind in ("output", "clock"))
            job = Job(name, node, psutil.Process(int(pid)), output, clock)
            self.all.append(job)
            self.live[len(self.all)] = job

    def _repair(self) -> None:
        """Starts killed nodes and ended workers again, and queued workers at once."""
        for node, until in list(self.down.items()):
            if time.monotonic() >= until:
                self.cluster.start_node(node)
                del self.down[node]
        with contextlib.suppress(AssertionError):  # the controller may be busy
            for element in self.cluster.elements("PENDING"):
                self.cluster.call("scontrol", "update", f"JobId={element.name}", "StartTime=now")
            ended = 2 - len(self.cluster.elements("PENDING,RUNNING,COMPLETING"))
            # The driver does not replace workers. Its note stands while runs are left.
            for note in list(self.scratch.glob("disk/sweeps/*/.workers.json")) * (ended > 0):
                script = note.parent / ".slurm" / "worker.sbatch"
                words = ["sbatch", f"--array=0-{ended - 1}", str(script)]
                subprocess.run(words, env=self.environment, capture_output=True, check=False)


def kill_node(storm: Storm) -> list[Member] | None:
    """Ends a node with its workers, as a power cut does."""
    fleet = storm.fleet
    assert isinstance(fleet, SlurmFleet)
    for member in storm.worker():
        killed = [other for other in fleet.live_workers() if other.host == member.host]
        fleet.kill_node(member.host)
        return killed
    return None


def _call(*command: str) -> Kind:
    """Returns an event that calls a program of Slurm for a worker's job."""

    def act(storm: Storm) -> list[Member] | None:
        fleet, members = storm.fleet, storm.worker()
        assert isinstance(fleet, SlurmFleet)
        for member in members:
            fleet.call_for(member, *command)
        return members or None

    return 6, act


SLURM_EVENTS: dict[str, Kind] = EVENTS | {
    "kill of a worker": (8, EVENTS["kill of a worker"][1]),
    "kill of a node": (8, kill_node),
    "scancel of a worker": _call("scancel"),
    "requeue of a worker": _call("scontrol", "requeue"),
}
"""The events of a cluster: the same ones, and what Slurm does to jobs."""
