"""`seqsweep kubernetes` prints a valid Job whose pods train a planned sweep."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from seqsweep.cli import main
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweepfile import SweepFile

GIVEN = ("--image", "registry.example/team/seqsweep:0.1.0", "--claim", "shared-data")
NEWEST = kubernetes_validate.latest_version()

Job = dict[str, Any]
Printed = Callable[..., Job]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A planned sweep of three runs, of which one is done, on a volume mounted at `tmp_path`."""
    path = tmp_path / "team/outputs/sweeps/My_Sweep"
    path.mkdir(parents=True)
    configs = {f"run{seed}": {"seed": seed, "data.source.path": "a.csv"} for seed in range(3)}
    directory = str(tmp_path / "team")
    SweepFile(("seqsweep",), time.time(), configs, directory=directory).write(path)
    RunFolder(path / "run0").path.mkdir()
    RunFolder(path / "run0").finish({"metrics": {}, "config": {}}, synced=True)
    return path


@pytest.fixture
def printed(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Printed:
    """Returns the Job that the command prints."""

    def run(*options: str) -> Job:
        words = ["kubernetes", str(folder), *GIVEN, "--local-mount", str(tmp_path), *options]
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 0
        return yaml.safe_load(capsys.readouterr().out)

    return run


def pod(job: Job) -> Job:
    return job["spec"]["template"]["spec"]


@pytest.mark.parametrize("version", ["1.29", "1.31", "1.33", NEWEST])
@pytest.mark.parametrize(
    "options", [(), ("--gpus", "2", "--namespace", "ml", "--name", "a-1", "--stop-after", "55m")]
)
def test_the_job_is_valid_by_the_strict_schema(printed, version, options):
    kubernetes_validate.validate(printed(*options), version, strict=True)


def test_the_strict_schema_refuses_a_misspelt_field(printed):
    """Ensures that the test above can fail."""
    job = printed()
    job["spec"]["backoffLimitPerIndx"] = job["spec"].pop("backoffLimitPerIndex")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(job, NEWEST, strict=True)


def test_each_pod_is_a_worker_on_the_folder_below_the_mount(printed):
    job = printed("--workers", "7", "--cpus", "3", "--memory", "2Gi", "--mount", "/mnt/x/")
    (container,) = pod(job)["containers"]
    assert job["spec"]["completionMode"] == "Indexed"
    assert job["spec"]["completions"] == job["spec"]["parallelism"] == 7
    assert container["command"][:3] == ["seqsweep", "work", "/mnt/x/team/outputs/sweeps/My_Sweep"]
    assert container["workingDir"] == "/mnt/x/team"
    assert container["volumeMounts"] == [{"name": "shared", "mountPath": "/mnt/x"}]
    assert pod(job)["volumes"][0]["persistentVolumeClaim"] == {"claimName": "shared-data"}
    size = {"cpu": "3", "memory": "2Gi"}
    assert container["resources"] == {"requests": size, "limits": size}
    assert container["command"][3:5] == ["--threads", "3"]


def test_a_gpu_is_a_limit(printed):
    (container,) = pod(printed("--gpus", "1"))["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_a_pod_that_must_end_leaves_its_runs_to_another_one(printed):
    """Its exit code does not count as a failure; the command says which code that is."""
    job = printed("--stop-after", "2h")
    (container,) = pod(job)["containers"]
    words = container["command"]
    code = int(words[words.index("--code-if-left") + 1])
    rules = job["spec"]["podFailurePolicy"]["rules"]
    ignored = [rule for rule in rules if rule["action"] == "Ignore"]
    assert ignored[0]["onPodConditions"][0]["type"] == "DisruptionTarget"
    assert ignored[1]["onExitCodes"]["values"] == [code]
    assert ignored[1]["onExitCodes"]["containerName"] == container["name"]
    # Kubernetes accepts a failure policy only for pods that are not restarted in place.
    assert pod(job)["restartPolicy"] == "Never"
    assert pod(job)["terminationGracePeriodSeconds"] > 60
    assert words[-2:] == ["--stop-after", "2h"]


def test_the_host_of_a_worker_is_the_pod(printed):
    (container,) = pod(printed())["containers"]
    (variable,) = container["env"]
    assert variable["name"] == "SEQSWEEP_HOST"
    assert variable["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"


def test_the_job_is_named_after_the_folder_and_all_labels_name_the_job(printed):
    job = printed()
    assert job["metadata"]["name"] == "seqsweep-my-sweep"
    assert "namespace" not in job["metadata"]
    labels = job["metadata"]["labels"]
    assert labels["app.kubernetes.io/instance"] == "seqsweep-my-sweep"
    assert job["spec"]["template"]["metadata"]["labels"] == labels
    job = printed("--name", "mine", "--namespace", "ml")
    assert (job["metadata"]["name"], job["metadata"]["namespace"]) == ("mine", "ml")


@pytest.mark.parametrize("name", ["x" * 300, "_", "Übung.2", "-a-"])
def test_the_name_of_any_folder_gives_a_valid_name(name, folder, tmp_path, capsys):
    other = folder.rename(folder.with_name(name[:200]))
    with pytest.raises(SystemExit):
        main(["kubernetes", str(other), *GIVEN, "--local-mount", str(tmp_path), "--workers", "11"])
    job = yaml.safe_load(capsys.readouterr().out)
    host = f"{job['metadata']['name']}-10"  # the last of eleven pods
    assert len(host) <= 63
    assert host.strip("-").replace("-", "").isalnum()
    assert host.isascii() and host[0] != "-"
    kubernetes_validate.validate(job, NEWEST, strict=True)


def test_the_command_says_how_many_runs_are_left_and_what_the_pods_do_not_see(
    folder, tmp_path, capsys
):
    sweep = SweepFile.read(folder)
    assert sweep is not None
    configs = {
        name: {**config, "data.source.path": "/home/me/a.csv"}
        for name, config in sweep.configs.items()
    }
    SweepFile(("seqsweep",), time.time(), configs, directory="/home/me").write(folder)
    with pytest.raises(SystemExit):
        main(["kubernetes", str(folder), *GIVEN, "--local-mount", str(tmp_path)])
    out, err = capsys.readouterr()
    assert "2 of 3 runs left for 4 workers" in err
    assert "/home/me/a.csv: a path of the data that the pods do not see" in err
    (container,) = pod(yaml.safe_load(out))["containers"]
    assert container["workingDir"] == "/data"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--name", "Mine"], "--name=Mine: must be at most 63 lower-case letters, digits and hy"),
        (["--name", "a" * 62], "must have at most 61 characters, because a pod adds its number"),
        (["--namespace", "a.b"], "--namespace=a.b: must be at most 63"),
        (["--claim", "a_b"], "--claim=a_b: must be at most 253 lower-case letters, digits, dots"),
        (["--image", "My Image"], "--image=My Image: must be the name of an image, such as"),
        (["--image", "a:b:c"], "--image=a:b:c: must be"),
        (["--memory", "4GB"], "--memory=4GB: must be a size, such as 512Mi or 4Gi"),
        (["--memory", "4"], "--memory=4: must be at least 128Mi"),
        (["--mount", "data"], "--mount=data: must be an absolute path"),
        (["--mount", "/"], "--mount=/: must be an absolute path"),
        (["--workers", "0"], "--workers=0: must be at least 1"),
        (["--cpus", "1.5"], "--cpus=1.5: must be a whole number"),
        (["--gpus", "-1"], "--gpus=-1: must be at least 0"),
        (["--stop-after", "soon"], "--stop-after=soon: must be a time, such as 90s, 55m or 2h"),
        (["--stop-after", "0"], "--stop-after=0: must be above 0"),
        (["--worker", "3"], "--worker: no such option of seqsweep kubernetes; did you mean '--wor"),
        (["--local-mount", "/nowhere"], "must lie below --local-mount=/nowhere, where the volume"),
    ],
)
def test_a_bad_value_is_refused_in_one_line(options, message, folder, tmp_path, capsys):
    words = ["kubernetes", str(folder), *GIVEN, "--local-mount", str(tmp_path), *options]
    with pytest.raises(SystemExit) as ended:
        main(words)
    out, err = capsys.readouterr()
    assert ended.value.code == 2
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_a_folder_that_is_not_on_the_volume_needs_the_place_of_the_volume_here(folder, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["kubernetes", str(folder), *GIVEN])
    assert ended.value.code == 2
    assert (
        "must lie below --mount=/data, where the volume is mounted; --local-mount"
        in capsys.readouterr().err
    )


def test_a_folder_without_a_planned_sweep_is_refused(tmp_path, capsys):
    for path, words in (
        (tmp_path, "no sweep.json of"),
        (tmp_path / "x", "no such folder"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["kubernetes", str(path), *GIVEN])
        assert ended.value.code == 2
        assert words in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_of_a_pod_trains_the_sweep(tmp_path: Path) -> None:
    """The volume is mounted where this machine has it, so a pod can be run here."""
    program = str(Path(sys.executable).with_name("seqsweep"))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def run(*words: str, **more: Any) -> str:
        options: dict[str, Any] = {"cwd": tmp_path, "env": environment} | more
        done = subprocess.run(words, capture_output=True, text=True, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(program, "train", "-m", "data=digits", "sweep.name=mine", "sweep.report=false", "seed=0,1",
        "trainer.max_epochs=1", "--plan-only")  # fmt: skip
    folder = tmp_path / "outputs/sweeps/mine"
    mount = str(tmp_path)
    job = yaml.safe_load(run(program, "kubernetes", str(folder), *GIVEN, "--mount", mount))
    (container,) = pod(job)["containers"]
    pod_environment = environment | {"SEQSWEEP_HOST": "mine-0-abcde"}
    words = [program, *container["command"][1:]]
    run(*words, cwd=container["workingDir"], env=pod_environment)
    runs = [path.parent for path in folder.glob("*/record.json")]
    assert len(runs) == 2
    assert all(list(run.glob("*/events.out.tfevents.*.mine-0-abcde.*")) for run in runs)
