"""A Slurm cluster for a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from slurm_cluster import SlurmCluster, missing_programs


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlurmCluster]:
    """An idle cluster of two nodes, for tests marked slurm; this process's commands find it.

    It takes about a second to start.
    """
    missing = missing_programs()
    assert not missing, (
        f"not in PATH: {', '.join(missing)}; apt-get install slurmctld slurmd slurm-client, or "
        'leave out these tests: -m "not slurm"'
    )
    with SlurmCluster(tmp_path / "cluster") as running:
        monkeypatch.setenv("SLURM_CONF", running.environment["SLURM_CONF"])
        yield running
