"""The Job in scripts is valid, and its pods train a planned sweep."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

JOB = Path(__file__).parents[2] / "scripts" / "example_job.yaml"


@pytest.fixture
def job() -> dict[str, Any]:
    """The Job that docs/clusters.md names."""
    return yaml.safe_load(JOB.read_text())


@pytest.mark.durability
@pytest.mark.parametrize("version", ["1.29", "1.31", "1.33", "newest"])
def test_the_job_is_valid_by_the_strict_schema(job: dict[str, Any], version: str) -> None:
    import kubernetes_validate

    newest = kubernetes_validate.latest_version()
    kubernetes_validate.validate(job, newest if version == "newest" else version, strict=True)


def test_a_pod_that_leaves_runs_does_not_count_as_a_failure(job: dict[str, Any]) -> None:
    """Nor is it restarted in place, because only then Kubernetes accepts a failure policy."""
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    words = container["command"]
    (ignored,) = [
        rule["onExitCodes"]
        for rule in job["spec"]["podFailurePolicy"]["rules"]
        if rule["action"] == "Ignore" and "onExitCodes" in rule
    ]
    assert ignored["values"] == [int(words[words.index("--code-if-left") + 1])]
    assert ignored["containerName"] == container["name"]
    assert pod["restartPolicy"] == "Never"
    assert [each["name"] for each in container["env"]] == ["SEQSWEEP_HOST"]


@pytest.mark.durability
@pytest.mark.slow
def test_the_command_of_a_pod_trains_the_sweep(job: dict[str, Any], tmp_path: Path) -> None:
    program = str(Path(sys.executable).with_name("seqsweep"))
    (container,) = job["spec"]["template"]["spec"]["containers"]
    here = Path(str(container["workingDir"]).replace("/data", str(tmp_path)))
    here.mkdir()
    sweep = ("data=digits", "sweep.name=trials", "seed=0,1", "trainer.max_epochs=1")
    words = [word.replace("/data", str(tmp_path)) for word in container["command"]]
    for command in (
        [program, "train", "-m", *sweep, "sweep.report=false", "--plan-only"],
        [program, *words[1:]],
    ):
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "SEQSWEEP_HOST": "trials-0-abcde"}
        subprocess.run(command, cwd=here, env=environment, check=True, capture_output=True)
    runs = [path.parent for path in tmp_path.rglob("record.json")]
    assert len(runs) == 2
    assert all(list(run.rglob("events.out.tfevents.*.trials-0-abcde.*")) for run in runs)
