"""`seqsweep kubernetes FOLDER`: prints a Kubernetes Job of identical workers. Imports no torch.

Each pod of this Indexed Job runs `seqsweep work` on the sweep's folder, which lies on a volume that
all pods see. Kubernetes starts the pods, places them, and replaces those that die.
"""

import argparse
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from seqsweep.arguments import folder_parser, whole_number
from seqsweep.console import say_error
from seqsweep.results.formatting import count
from seqsweep.runs.host import VARIABLE
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.sweeping.kubernetes_options import (
    LABEL,
    LONGEST_LABEL,
    image,
    memory,
    mount_path,
    name_like,
    time_span,
)
from seqsweep.sweeping.queue import QueuedRun
from seqsweep.sweeping.work import read_sweep
from seqsweep.sweeping.workers import worker_command
from seqsweep.training.limits import Limits

_CODE_IF_LEFT = 75
"""The exit code of a worker that leaves runs to the pod that replaces it."""

_GRACE_SECONDS = 600
"""The time that a pod has for its running epochs when it must end."""

_RETRIES = 3


def kubernetes_command(arguments: Sequence[str]) -> int:
    """Runs the command `kubernetes`; returns its exit code.

    Raises:
        ValueError, FileNotFoundError: the folder has no sweep, or the pods would not see it.
    """
    options = _parser().parse(arguments)
    sweep = read_sweep(options.folder)
    options.name = _job_name(options)
    path = _in_container(options.folder, options)
    print(_text(_job(options, sweep, path), path), end="")
    _say_left(sweep, options)
    return 0


def _parser() -> Any:
    text = "Prints a Kubernetes Job whose pods train what a sweep has left, for kubectl apply -f -."
    parser = folder_parser("kubernetes", text, "the folder of a planned sweep")
    number, label = whole_number(1), name_like(LABEL, LONGEST_LABEL, "mine-1")
    words = "a container image with seqsweep in it"
    parser.add_argument("--image", type=image, required=True, metavar="IMAGE", help=words)
    words = "the PersistentVolumeClaim of the volume that holds FOLDER and the data"
    claim = name_like(rf"{LABEL}(?:\.{LABEL})*", 253, "shared-data")
    parser.add_argument("--claim", type=claim, required=True, metavar="PVC", help=words)
    words = "where the pods mount the volume (/data)"
    parser.add_argument("--mount", type=mount_path, default="/data", metavar="DIR", help=words)
    words = "where this machine mounts the volume, if elsewhere than the pods"
    parser.add_argument("--local-mount", type=Path, metavar="DIR", help=words)
    parser.add_argument("--workers", type=number, default=4, metavar="N", help="how many pods (4)")
    parser.add_argument("--cpus", type=number, default=4, metavar="N", help="cores of a pod (4)")
    words = "memory of a pod, such as 512Mi (4Gi)"
    parser.add_argument("--memory", type=memory, default="4Gi", metavar="SIZE", help=words)
    words = "NVIDIA GPUs of a pod (0)"
    parser.add_argument("--gpus", type=whole_number(0), default=0, metavar="N", help=words)
    words = "the namespace of the Job"
    parser.add_argument("--namespace", type=label, metavar="NAME", help=words)
    words = "the name of the Job (seqsweep- and the folder's name)"
    parser.add_argument("--name", type=label, metavar="NAME", help=words)
    words = "replace each pod after this time: 55m, 2h"
    parser.add_argument("--stop-after", type=time_span, metavar="TIME", help=words)
    return parser


def _job_name(options: argparse.Namespace) -> str:
    """Returns the name of the Job.

    Raises:
        ValueError: the names of its pods would be too long.
    """
    # The name of a pod's host is that of the Job, a hyphen and the pod's index.
    longest = LONGEST_LABEL - 1 - len(str(options.workers - 1))
    if options.name is None:
        words = re.sub(r"[^a-z0-9]+", "-", options.folder.absolute().name.lower())
        return f"seqsweep-{words}"[:longest].strip("-")
    if len(options.name) > longest:
        raise ValueError(
            f"--name={options.name}: must have at most {longest} characters, because a pod adds its"
            " number"
        )
    return options.name


def _in_container(path: Path, options: argparse.Namespace) -> str:
    """Returns the path that the pods see, of a folder on the volume.

    Raises:
        ValueError: the folder does not lie on the volume.
    """
    volume = options.local_mount or Path(options.mount)
    for folder, top in ((path.absolute(), volume.absolute()), (path.resolve(), volume.resolve())):
        folder, top = Path(os.path.normpath(folder)), Path(os.path.normpath(top))
        if folder.is_relative_to(top):
            return str(PurePosixPath(options.mount) / folder.relative_to(top))
    option = "--mount" if options.local_mount is None else "--local-mount"
    hint = "; --local-mount DIR says where this machine mounts it" * (options.local_mount is None)
    raise ValueError(
        f"FOLDER={path}: must lie below {option}={volume}, where the volume is mounted{hint}"
    )


def _job(options: argparse.Namespace, sweep: SweepFile, path: str) -> dict[str, Any]:
    labels = {
        "app.kubernetes.io/name": "seqsweep",
        "app.kubernetes.io/instance": options.name,
        "app.kubernetes.io/component": "worker",
    }
    namespace = {"namespace": options.namespace} if options.namespace else {}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": options.name, **namespace, "labels": labels},
        "spec": {
            "completionMode": "Indexed",
            "completions": options.workers,
            "parallelism": options.workers,
            "backoffLimitPerIndex": _RETRIES,
            "podFailurePolicy": {"rules": _failure_rules()},
            "template": {
                "metadata": {"labels": dict(labels)},
                "spec": {
                    "restartPolicy": "Never",
                    "terminationGracePeriodSeconds": _GRACE_SECONDS,
                    "automountServiceAccountToken": False,
                    "containers": [_container(options, sweep, path)],
                    "volumes": [
                        {
                            "name": "shared",
                            "persistentVolumeClaim": {"claimName": options.claim},
                        }
                    ],
                },
            },
        },
    }


def _failure_rules() -> list[dict[str, Any]]:
    """Returns which ends of a pod do not count as failures, and which are final."""

    def code(number: int) -> dict[str, Any]:
        return {"containerName": "worker", "operator": "In", "values": [number]}

    return [
        # The pod was evicted, preempted, or lost with its node.
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        # It ended after the running epochs, at SIGTERM or its time limit.
        {"action": "Ignore", "onExitCodes": code(_CODE_IF_LEFT)},
        # The input is wrong, and would be so again.
        {"action": "FailIndex", "onExitCodes": code(2)},
    ]


def _container(options: argparse.Namespace, sweep: SweepFile, path: str) -> dict[str, Any]:
    size = {"cpu": str(options.cpus), "memory": options.memory}
    gpus = {"nvidia.com/gpu": str(options.gpus)} if options.gpus else {}
    container: dict[str, Any] = {
        "name": "worker",
        "image": options.image,
        "command": _command(options, path),
        "env": [
            {"name": VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
        "resources": {"requests": size, "limits": {**size, **gpus}},
        "volumeMounts": [{"name": "shared", "mountPath": options.mount}],
    }
    try:
        # Relative paths of data begin where the sweep was planned.
        container["workingDir"] = _in_container(Path(sweep.directory or "/"), options)
    except ValueError:
        container["workingDir"] = options.mount
    return container


def _command(options: argparse.Namespace, path: str) -> list[str]:
    limit = ["--stop-after", options.stop_after] if options.stop_after else []
    # A container sees all cores of its node, so the number must be given.
    words = ["--threads", str(options.cpus), "--code-if-left", str(_CODE_IF_LEFT), *limit]
    _python, _m, _module, _work, _folder, *rest = worker_command(options.folder, words)
    return ["seqsweep", "work", path, *rest]


def _text(job: dict[str, Any], path: str) -> str:
    """Returns the Job as YAML, with the commands that a user needs."""
    name = job["metadata"]["name"]
    space = f" -n {job['metadata']['namespace']}" if "namespace" in job["metadata"] else ""
    head = f"""\
# {count(job["spec"]["completions"], "worker")} for the sweep in {path}
#   start:  kubectl apply -f THIS_FILE
#   follow: kubectl get pods{space} -l app.kubernetes.io/instance={name}
#   logs:   kubectl logs{space} -l app.kubernetes.io/instance={name} --prefix -f
#   end:    kubectl delete job{space} {name}
"""
    return head + yaml.safe_dump(job, sort_keys=False, width=math.inf)


def _say_left(sweep: SweepFile, options: argparse.Namespace) -> None:
    """Prints to stderr how many runs are left, and what the pods would not see."""
    run_ids = sweep.current().configs
    limits = {name: Limits.from_plain(sweep.limits.get(name)) for name in run_ids}
    runs = [QueuedRun(RunFolder(options.folder / name), limits=limits[name]) for name in run_ids]
    left = sum(not run.is_done() for run in runs)
    say_error(f"{left} of {count(len(run_ids), 'run')} left for {count(options.workers, 'worker')}")
    paths = {
        value
        for config in run_ids.values()
        for key, value in config.items()
        if key.startswith("data.") and isinstance(value, str) and value.startswith("/")
    }
    for value in sorted(paths):
        if not PurePosixPath(value).is_relative_to(options.mount):
            say_error(f"{value}: a path of the data that the pods do not see below {options.mount}")
