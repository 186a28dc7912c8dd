"""Workers of a sweep as a job array of Slurm.

Only sbatch and squeue are called, so a cluster without accounting suffices.
"""

import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seqsweep.console import place, say_error
from seqsweep.runs.files import read_json, write_json, write_text
from seqsweep.sweeping.slurm_script import (
    CODE_IF_LEFT,
    Request,
    job_name,
    sbatch_options,
    script_of,
)

PATIENCE_SECONDS = 300.0
"""The longest that squeue may fail. A controller that restarts takes a while."""

_PAUSE_SECONDS = 5.0

_ANSWER_SECONDS = 60.0
"""The longest that squeue may take."""

_ENDED = {
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
}
"""The states of jobs that Slurm neither runs nor will run."""


@dataclass
class SlurmWorkers:
    """Starts workers on a folder as one job array, and counts those that are alive.

    The script is FOLDER/.slurm/worker.sbatch, the logs are in FOLDER/.slurm/logs, and the numbers
    of the submitted jobs in FOLDER/.slurm/jobs.json.

    Args:
        count: the number of workers.
        detach: whether the command returns as soon as the workers are queued.
        request: what each worker asks of Slurm.
        options: options of `seqsweep work` for each worker.

    Raises:
        ValueError: `count` is below 1.
    """

    count: int = 1
    detach: bool = False
    request: Request = field(default_factory=Request)
    options: Sequence[str] = ()
    _has_answered: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"hydra.launcher.count={self.count}: must be at least 1")
        threads = ["--threads", str(self.request.cpus)]
        self.options = [*threads, "--code-if-left", str(CODE_IF_LEFT), *self.options]

    def start(self, folder: Path, count: int, command: Sequence[str]) -> str:
        """Queues workers that run a command; returns a line that names the job.

        Raises:
            FileNotFoundError: this machine has no sbatch.
            ValueError: Slurm refuses the job; the message is Slurm's.
        """
        script = folder / ".slurm" / "worker.sbatch"
        (folder / ".slurm" / "logs").mkdir(parents=True, exist_ok=True)
        options = sbatch_options(folder, count, self.request)
        write_text(script, script_of(options, command, self.request))
        job = _submit(script, options)
        record = folder / ".slurm" / "jobs.json"
        jobs = read_json(record)
        jobs = jobs if isinstance(jobs, list) else []
        write_json(record, [*jobs, {"job": job, "workers": count, "submitted": time.time()}])
        workers = f"{count} worker{'' if count == 1 else 's'}"
        return f"Slurm job {job}: {workers}, logs in {place(folder / '.slurm' / 'logs')}"

    def alive(self, folder: Path) -> int:
        """Returns how many workers of this folder Slurm has queued or running.

        A failed question is repeated, because an unknown number must not count as none. Only the
        first question to Slurm is not: there may be no cluster at all.

        Raises:
            FileNotFoundError: this machine has no squeue.
            ConnectionError: Slurm does not answer, or has not done so for five minutes.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        is_told = False
        while isinstance(states := _ask(job_name(folder)), str):
            if not self._has_answered:
                raise ConnectionError(f"Slurm does not answer: {states}")
            if time.monotonic() > deadline:
                raise ConnectionError(
                    f"Slurm does not answer: {states}; its workers continue, and the same command "
                    "follows them again"
                )
            if not is_told:
                minutes = round(PATIENCE_SECONDS / 60)
                say_error(f"{states}; asking Slurm again for {minutes} minutes")
            is_told = True
            time.sleep(_PAUSE_SECONDS)
        self._has_answered = True
        return sum(state not in _ENDED for state in states)


def _submit(script: Path, options: Sequence[str]) -> int:
    """Queues an array of workers; returns its job number."""
    # Variables such as SBATCH_TIMELIMIT take precedence over a script, but not over options.
    done = subprocess.run(
        [program("sbatch"), "--parsable", *options, str(script)],
        capture_output=True,
        text=True,
        check=False,
    )
    number = re.match(r"\d+", done.stdout)  # a semicolon and the cluster's name may follow
    if done.returncode or number is None:
        raise ValueError(f"sbatch refused {place(script)}: {_words(done)}")
    return int(number[0])


def _ask(name: str) -> list[str] | str:
    """Returns the states of the jobs with this name, or Slurm's error."""
    try:
        done = subprocess.run(
            [program("squeue"), "-h", "-r", f"--name={name}", "-o", "%T"],
            capture_output=True,
            text=True,
            check=False,
            timeout=_ANSWER_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"squeue: no answer in {round(_ANSWER_SECONDS)} seconds"
    return _words(done) if done.returncode else done.stdout.split()


def program(name: str) -> str:
    """Returns the path of a program of Slurm.

    Raises:
        FileNotFoundError: it is not in PATH.
    """
    path = shutil.which(name)
    if path is None:
        raise FileNotFoundError(
            f"hydra/launcher=slurm: no `{name}` in PATH; run the command on a machine that submits "
            "jobs to Slurm"
        )
    return path


def _words(done: subprocess.CompletedProcess[str]) -> str:
    """Returns the error that a program of Slurm printed, in one line."""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return "; ".join(lines) or f"{done.args[0]}: exit code {done.returncode}"
