"""Starts the workers of a sweep as a Slurm job array, with only sbatch."""

import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seqsweep.config.schema import check_range
from seqsweep.console import place
from seqsweep.runs.files import write_text

CODE_IF_LEFT = 85
"""The exit code of a worker that leaves runs untrained, so that its script can queue again."""

_FORMS = {
    "time": (r"(\d+-)?\d+(:\d+){0,2}|infinite|unlimited", "minutes, [D-]HH:MM:SS or infinite"),
    "memory": (r"\d+[KMGT]?B?", "a number with K, M, G or T, such as 4G"),
}
"""The form of each value that Slurm reads, and its words."""

Option = str | int | float | bool | None


@dataclass
class SlurmJobs:
    """Starts workers on a folder as one job array.

    The script is FOLDER/.slurm/worker.sbatch, and the logs are in FOLDER/.slurm/logs. None means
    the default of the cluster.

    Args:
        time: the time limit of a worker, in minutes or as Slurm writes it: "1:30:00", "2-12".
        cpus: the CPUs of a worker, which trains one member per CPU at the same time.
        memory: the memory of a worker, for example "4G".
        gpus: the number of GPUs of a worker, or type and number: "a100:1".
        requeue: whether Slurm starts a worker again after a time limit, preemption or node failure.
        setup: shell lines that run before the worker, for example "module load python".
        more: further options of sbatch, which take precedence; true stands for an option without
            a value.

    Raises:
        ValueError: `cpus` is below 1, or `time` or `memory` does not have Slurm's form. Slurm
            itself refuses other wrong values, when it starts workers.
    """

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    time: int | str | None = None
    cpus: int = 1
    memory: int | str | None = None
    gpus: int | str | None = None
    requeue: bool = True
    setup: Sequence[str] = ()
    more: Mapping[str, Option] = field(default_factory=dict[str, Option])
    logs: Path = field(default=Path(".slurm", "logs"), init=False)
    options: Sequence[str] = field(init=False)

    def __post_init__(self) -> None:
        check_range("hydra.launcher.cpus", self.cpus, 1)
        for key, (form, example) in _FORMS.items():
            value = getattr(self, key)
            if value is not None and not re.fullmatch(form, str(value), re.IGNORECASE):
                raise ValueError(f"hydra.launcher.{key}={value}: must be {example}")
        self.options = ["--threads", str(self.cpus), "--code-if-left", str(CODE_IF_LEFT)]

    def start(self, folder: Path, count: int, command: Sequence[str]) -> str:
        """Queues workers that run a command; returns `Slurm job NUMBER`.

        Raises:
            ValueError: Slurm refuses the job; the message quotes Slurm.
            OSError: the script cannot be written, or sbatch cannot be run.
        """
        (folder / self.logs).mkdir(parents=True, exist_ok=True)
        script = folder / self.logs.parent / "worker.sbatch"
        options = self.sbatch_options(folder, count)
        write_text(script, self.script(options, command))
        # Variables such as SBATCH_TIMELIMIT take precedence over a script, but not over options.
        words = ["sbatch", "--parsable", *options, str(script)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        number = re.match(r"\d+", done.stdout)  # a semicolon and the cluster's name may follow
        if done.returncode or number is None:
            lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            why = "; ".join(lines) or f"exit code {done.returncode}"
            raise ValueError(f"sbatch refused {place(script)}: {why}")
        return f"Slurm job {number[0]}"

    def sbatch_options(self, folder: Path, count: int) -> list[str]:
        """Returns the options of sbatch for `count` workers on a folder."""
        # Slurm replaces %A and %a in the path, and %% by a percent sign.
        logs = str(folder.resolve() / self.logs).replace("%", "%%")
        # The signal comes 90 seconds before the limit, or a quarter of a limit below 6 minutes.
        notice = min(90, 15 * int(str(self.time))) if str(self.time).isdecimal() else 90
        options: dict[str, Option] = {
            "job-name": f"seqsweep-{re.sub('[^A-Za-z0-9._-]', '_', folder.resolve().name)}",
            "array": f"0-{count - 1}",
            "output": f"{logs}/%A_%a.out",
            "open-mode": "append",
            "chdir": str(Path.cwd()),
            "partition": self.partition,
            "account": self.account,
            "qos": self.qos,
            "time": self.time,
            "cpus-per-task": self.cpus,
            "mem": self.memory,
            "gres": f"gpu:{self.gpus}" if self.gpus not in (None, 0, "0") else None,
            "requeue" if self.requeue else "no-requeue": True,
            "signal": f"B:USR1@{notice}",
            **self.more,
        }
        return [
            f"--{name}" if value is True else f"--{name}={value}"
            for name, value in options.items()
            if value is not None and value is not False
        ]

    def script(self, options: Sequence[str], command: Sequence[str]) -> str:
        """Returns the script of a worker; a person may submit it, too."""
        setup = ["# From hydra.launcher.setup:", *self.setup, ""] if self.setup else []
        return _SCRIPT.format(
            # sbatch reads quotes as a shell does.
            directives="\n".join(f"#SBATCH {shlex.quote(option)}" for option in options),
            setup="\n".join(["", *setup]),
            command=shlex.join(command),
            again=_AGAIN.format(code=CODE_IF_LEFT) if self.requeue else "",
        )


_SCRIPT = """\
#!/bin/bash
# Workers of a sweep, written by seqsweep. By hand: sbatch worker.sbatch
{directives}

# Slurm sends USR1 to this shell alone, some time before the limit: the worker ends after its epoch.
trap 'limit=1; [ -z "$worker" ] || kill -TERM "$worker"; trap "" USR1' USR1
# Cancelled or preempted: Slurm sends SIGTERM to the worker, too, and this shell waits for its end.
trap 'ended=1' TERM
# A worker is one task. With several GPUs it starts its own processes.
unset SLURM_NTASKS SLURM_NPROCS
export PYTHONSAFEPATH=1  # no modules from the current folder
{setup}
{command} &
worker=$!
# A signal ends `wait` before the worker ends.
while kill -0 "$worker" 2>/dev/null; do wait "$worker"; done
wait "$worker"
code=$?
{again}exit "$code"
"""

_AGAIN = """\
# Runs are left at the time limit: this element of the array queues again. A worker signalled
# during its start exits with 143.
if [[ $limit && ! $ended && ( $code == {code} || $code == 143 ) ]]; then
  scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID"
fi
"""
