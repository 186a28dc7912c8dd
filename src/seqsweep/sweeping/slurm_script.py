"""The batch script of a sweep's Slurm workers."""

import hashlib
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seqsweep.suggest import did_you_mean

CODE_IF_LEFT = 85
"""The exit code of a worker that leaves runs to train: its script may ask Slurm for more time."""

_NOTICE = 90
"""The seconds that a worker has to end its epoch before the time limit, unless that is short."""

_OURS = {
    "array": "count",
    "chdir": None,
    "cpus-per-task": "cpus",
    "error": None,
    "gres": "gpus",
    "job-name": None,
    "mem": "memory",
    "no-requeue": "requeue",
    "open-mode": None,
    "output": None,
    "parsable": None,
    "requeue": "requeue",
    "wait": None,
    "wrap": None,
} | {name: name for name in ("partition", "account", "qos", "time")}
"""The options of sbatch that the script sets, and the keys that set them, if any."""

_TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")

Option = str | int | float | bool | None


@dataclass(frozen=True)
class Request:
    """The resources that each worker requests; None leaves a value to the cluster.

    Args:
        partition: the partition.
        account: the account.
        qos: the quality of service.
        time: the time limit, in minutes or as Slurm writes it: "1:30:00", "2-12".
        cpus: the CPUs of a worker, which trains as many members side by side.
        memory: the memory of a worker, for example "4G".
        gpus: the number of GPUs of a worker, or type and number: "a100:1".
        requeue: whether Slurm starts a worker again after a time limit, preemption or node failure.
        setup: shell lines that run before the worker, for example "module load python".
        options: further options of sbatch; true gives an option without a value.

    Raises:
        ValueError: a value cannot be right; the message names its key.
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
    options: Mapping[str, Option] = field(default_factory=dict[str, Option])

    def __post_init__(self) -> None:
        if self.cpus < 1:
            raise ValueError(f"hydra.launcher.cpus={self.cpus}: must be at least 1")
        if self.time is not None:
            seconds_of(self.time)
        _check("memory", self.memory, r"[1-9]\d*[KMGT]?", 'megabytes, or a size such as "4G"')
        _check("gpus", self.gpus, r"(\w[\w.-]*:)?\d+", 'a number, or a type and a number: "a100:1"')
        for key in ("partition", "account", "qos"):
            _check(key, getattr(self, key), r"[^\s'\"]+", "a name without spaces")
        for name, value in self.options.items():
            _check_option(name, value)

    def sbatch_options(self) -> list[str]:
        """Returns the options of sbatch, as words of a command."""
        gpus = None if self.gpus in (None, 0, "0") else f"gpu:{self.gpus}"
        options: dict[str, Option] = {
            "partition": self.partition,
            "account": self.account,
            "qos": self.qos,
            "time": self.time,
            "cpus-per-task": self.cpus,
            "mem": self.memory,
            "gres": gpus,
            "requeue" if self.requeue else "no-requeue": True,
            "signal": f"B:USR1@{_notice(self.time)}",
        }
        # sbatch takes the last one where an option is given twice.
        return [*_words(options), *_words(self.options)]


def seconds_of(time: int | str) -> int:
    """Returns the seconds of a time limit of Slurm; a number alone means minutes.

    >>> seconds_of("1:30:00"), seconds_of(5), seconds_of("1-6")
    (5400, 300, 108000)

    Raises:
        ValueError: it is not a time limit.
    """
    match = _TIME.fullmatch(str(time).strip())
    if match is None:
        raise ValueError(
            f"hydra.launcher.time={time}: must be minutes, or a time such as '1:30:00' or '2-12:00'"
        )
    days, *parts = [None if part is None else int(part) for part in match.groups()]
    first, second, third = parts
    if days is not None:
        seconds = 86400 * days + 3600 * (first or 0) + 60 * (second or 0) + (third or 0)
    elif third is not None:
        seconds = 3600 * (first or 0) + 60 * (second or 0) + third
    else:
        seconds = 60 * (first or 0) + (second or 0)
    if seconds < 60:
        raise ValueError(f"hydra.launcher.time={time}: must be at least one minute")
    return seconds


def job_name(folder: Path) -> str:
    """Returns the name of a folder's jobs, by which Slurm finds them.

    Unlike a recorded job number, it is known before sbatch is called. So a command that was killed
    while it called sbatch leaves no job that the next command would not see.
    """
    path = str(folder.resolve())
    readable = re.sub(r"[^A-Za-z0-9._-]", "_", folder.resolve().name)[:40]
    return f"seqsweep-{readable}-{hashlib.sha256(path.encode()).hexdigest()[:8]}"


def sbatch_options(folder: Path, count: int, request: Request) -> list[str]:
    """Returns the options of sbatch for workers on a folder, as words of a command."""
    # Slurm replaces %A and %a in the path, and %% by a percent sign.
    logs = str(folder.resolve() / ".slurm" / "logs").replace("%", "%%")
    ours: dict[str, Option] = {
        "job-name": job_name(folder),
        "array": f"0-{count - 1}",
        "output": f"{logs}/%A_%a.out",
        "open-mode": "append",
        "chdir": str(Path.cwd()),
    }
    return [*_words(ours), *request.sbatch_options()]


def script_of(options: Sequence[str], command: Sequence[str], request: Request) -> str:
    """Returns the script of a worker, which a person may submit as well.

    Args:
        options: the options of sbatch.
        command: the worker's command.
        request: what each worker asks of Slurm.
    """
    setup = ["# From hydra.launcher.setup:", *request.setup, ""] if request.setup else []
    return _SCRIPT.format(
        directives="\n".join(f"#SBATCH {_quoted(option)}" for option in options),
        setup="\n".join(["", *setup]),
        command=shlex.join(command),
        again=_AGAIN.format(code=CODE_IF_LEFT) if request.requeue else "",
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
# Runs are left at the time limit: this element of the array queues again. A worker that was told
# while it started has the code 143.
if [[ $limit && ! $ended && ( $code == {code} || $code == 143 ) ]]; then
  scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID"
fi
"""


def _words(options: Mapping[str, Option]) -> list[str]:
    """Returns options as words, without those that are unset."""
    return [
        f"--{name}" if value is True else f"--{name}={value}"
        for name, value in options.items()
        if value is not None and value is not False
    ]


def _quoted(option: str) -> str:
    """Quotes an option for sbatch, which reads quotes as a shell does."""
    if not option.isprintable():
        raise ValueError(f"{option!r}: sbatch takes no line breaks and no control characters")
    return shlex.quote(option)


def _notice(time: int | str | None) -> int:
    """Returns how many seconds before the time limit the worker is told to end."""
    return _NOTICE if time is None else min(_NOTICE, seconds_of(time) // 4)


def _check(key: str, value: int | str | None, pattern: str, words: str) -> None:
    if value is not None and not re.fullmatch(pattern, str(value)):
        raise ValueError(f"hydra.launcher.{key}={value}: must be {words}")


def _check_option(name: str, value: object) -> None:
    """Refuses an option that the script sets itself, or that is not one line."""
    name = str(name)
    if not re.fullmatch(r"[a-z][a-z0-9-]+", name):
        plain = name.lstrip("-").replace("_", "-").lower()
        raise ValueError(
            f"hydra.launcher.options.{name}: must be a long option of sbatch without its dashes"
            f"{did_you_mean(name, [plain])}"
        )
    if name in _OURS:
        key = _OURS[name]
        raise ValueError(
            f"hydra.launcher.options.{name}: "
            + (f"must be set by hydra.launcher.{key}" if key else "is set by seqsweep")
        )
    if not isinstance(value, Option) or not str(value).isprintable():
        raise ValueError(f"hydra.launcher.options.{name}={value!r}: must be one line of text")
