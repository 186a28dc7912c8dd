"""A real Slurm of two nodes on the loopback interface, in a folder of its own."""

import getpass
import os
import random
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from waiting import wait_until

NODES = ("n1", "n2")
WORKER = """
import os, signal, sys, time
def end(signum, frame):
    print("worker", signal.Signals(signum).name, flush=True)
    raise SystemExit(85)
signal.signal(signal.SIGTERM, end)
print("worker", *sys.argv[1:], flush=True)
for _ in range(600):
    time.sleep(0.05)
"""
"""A program that tells its arguments and its signal."""
PROGRAMS = ("sbatch", "squeue", "scontrol", "scancel", "slurmctld", "slurmd", "munged")

_CONFIG = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
SlurmdTimeout=10
KillWait=5
MessageTimeout=3
MinJobAge=3600
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0,bf_interval=1
JobRequeue=1
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={n1} CPUs=1 RealMemory=1000
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={n2} CPUs=1 RealMemory=1000
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=60 State=UP
PartitionName=urgent Nodes=n1,n2 MaxTime=60 State=UP PriorityTier=10 PreemptMode=OFF
"""


def missing_programs() -> list[str]:
    return [name for name in PROGRAMS if shutil.which(name) is None]


@dataclass(frozen=True)
class Element:
    """One element of a job array: its name such as 3_0, its state and its nodes."""

    name: str
    state: str
    nodes: str


class SlurmCluster:
    """A controller and two nodes of one CPU each.

    All processes end with the `with` block. Slurm's programs find it by its `environment`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "slurm.conf"
        self.environment = os.environ | {"SLURM_CONF": str(self.config)}
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "SlurmCluster":
        for name in ("state", *(f"spool.{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True)
        with ExitStack() as stack:
            stack.callback(self.close)
            self._start_munged()
            ports = dict(zip(("controller", *NODES), _free_ports(3), strict=True))
            text = _CONFIG.format(
                host=socket.gethostname(), folder=self.folder, user=getpass.getuser(), **ports
            )
            self.config.write_text(text)
            self._start("slurmctld", "slurmctld", "-D", "-i", "-f", str(self.config))
            for node in NODES:
                self.start_node(node)
            wait_until(self._is_up)
            stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def start_controller(self) -> None:
        self._start("slurmctld", "slurmctld", "-D", "-f", str(self.config))

    def stop_controller(self) -> None:
        """Ends the controller. It saves its state; a killed one forgets the last seconds."""
        self._daemons["slurmctld"].terminate()
        self._daemons["slurmctld"].wait(180)

    def start_node(self, node: str) -> None:
        self._start(node, "slurmd", "-D", "-N", node, "-f", str(self.config))

    def job_processes(self, node: str | None = None) -> list[psutil.Process]:
        """Returns the processes of the jobs, and Slurm's own that watch over them."""
        return list(dict.fromkeys(self._job_processes(node)))

    def call(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [program, *arguments], env=self.environment, text=True, capture_output=True, check=False
        )
        assert done.returncode == 0, (program, arguments, done.stdout, done.stderr)
        return done.stdout

    def elements(self, states: str = "all") -> list[Element]:
        """Returns the elements of all job arrays since the cluster was started."""
        lines = self.call("squeue", "-h", "-r", "-t", states, "-o", "%i|%T|%N").splitlines()
        return [Element(*line.split("|")) for line in lines]

    def jobs(self) -> set[str]:
        """Returns the numbers of all job arrays that were ever submitted."""
        return {element.name.partition("_")[0] for element in self.elements()}

    def release(self, name: str) -> None:
        """Starts a requeued element soon. Slurm itself waits two minutes."""
        pending = Element(name, "PENDING", "")
        wait_until(lambda: pending in self.elements())
        # Within the same second the node still refuses the job.
        self.call("scontrol", "update", f"JobId={name}", "StartTime=now+2")

    def close(self) -> None:
        for name in reversed(self._daemons):
            self._kill(name)
        _kill_all(self.job_processes())

    def _start_munged(self) -> None:
        """Starts what authenticates this cluster; auth/slurm would share its sockets in /run."""
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        files = ("key-file=munge.key", "socket=munge.socket", "pid-file=munge.pid",
                 "log-file=munge.log", "seed-file=munge.seed")  # fmt: skip
        # Folders of tests are closed to other users, which munged would refuse.
        self._start("munged", "munged", "--foreground", "--force", *(f"--{file}" for file in files))
        wait_until((self.folder / "munge.socket").exists)

    def _start(self, name: str, *command: str) -> None:
        null: Any = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        daemon = subprocess.Popen[bytes](command, cwd=self.folder, env=self.environment, **null)
        self._daemons[name] = daemon

    def _kill(self, name: str) -> None:
        self._daemons[name].send_signal(signal.SIGKILL)
        self._daemons[name].wait()

    def _is_up(self) -> bool:
        for node in NODES:
            # A slurmd sometimes ends as soon as it is started.
            if self._daemons[node].poll() is not None:
                self.start_node(node)
        return self._nodes() == ["idle"] * len(NODES)

    def _nodes(self) -> list[str]:
        """Returns the states of the nodes; nothing while the controller does not answer."""
        done = subprocess.run(
            ["sinfo", "-h", "-N", "-p", "main", "-o", "%T"],
            env=self.environment, text=True, capture_output=True, check=False,
        )  # fmt: skip
        return done.stdout.split()

    def _job_processes(self, node: str | None) -> Iterator[psutil.Process]:
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                variables = process.environ()
                ours = variables.get("SLURM_CONF") == str(self.config)
                on = variables.get("SLURMD_NODENAME")
                if not ours or on is None or node not in (None, on):
                    continue
                yield process
                yield from (p for p in process.parents() if p.name().startswith("slurmstepd"))


def _kill_all(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=10)


def _free_ports(count: int) -> Sequence[int]:
    """Returns ports that no process uses, and that the system gives to no connection."""
    ports = [port for port in random.sample(range(12_000, 30_000), 20) if _is_free(port)]
    return ports[:count]


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) != 0
