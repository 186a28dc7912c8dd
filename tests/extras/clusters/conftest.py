"""A Slurm cluster for the tests of one file."""

from collections.abc import Iterator

import pytest
from slurm_cluster import SlurmCluster, missing_programs


@pytest.fixture(scope="module")
def slurm_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    """A running cluster of two nodes, for tests marked slurm.

    Each process of pytest-xdist starts a cluster of its own, which takes about a second.
    """
    missing = missing_programs()
    assert not missing, (
        f"not in PATH: {', '.join(missing)}; apt-get install slurmctld slurmd slurm-client, or "
        'leave out these tests: -m "not slurm"'
    )
    folder = tmp_path_factory.mktemp("slurm")
    with SlurmCluster(folder / "cluster") as cluster:
        yield cluster


@pytest.fixture
def cluster(slurm_cluster: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlurmCluster]:
    """The idle cluster, which this process's commands find; afterwards it is idle again."""
    monkeypatch.setenv("SLURM_CONF", slurm_cluster.environment["SLURM_CONF"])
    yield slurm_cluster
    slurm_cluster.reset()
