"""`hydra/launcher=local` passes Hydra's own tests of launchers, for any Hydra app."""

import warnings
from collections.abc import Iterator

import pytest
from hydra import version
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.plugins.launcher import Launcher
from hydra.test_utils.launcher_common_tests import BatchedSweeperTestSuite, LauncherTestSuite

from hydra_plugins.seqsweep_local.seqsweep_local import LocalLauncher
from seqsweep.config.from_overrides import VERSION_BASE


def test_hydra_finds_the_local_launcher() -> None:
    assert LocalLauncher.__name__ in [x.__name__ for x in Plugins.instance().discover(Launcher)]


@pytest.fixture
def as_in_a_new_process() -> Iterator[None]:
    """The apps of the suites set no `version_base`, so Hydra 1.3 uses that of 1.1."""
    before = Singleton.get_state()
    if VERSION_BASE:  # Hydra 1.4 has one set of defaults
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that this base goes with Hydra 1.4
            version.setbase("1.1")
    yield
    Singleton.set_state(before)


@pytest.mark.slow
@pytest.mark.usefixtures("as_in_a_new_process")
@pytest.mark.filterwarnings("ignore::UserWarning")  # of the apps, on what Hydra will change
@pytest.mark.parametrize(("launcher_name", "overrides"), [("local", [])])
class TestConformance(LauncherTestSuite):
    """The launcher passes the jobs of other apps to Hydra's basic launcher."""


@pytest.mark.slow
@pytest.mark.usefixtures("as_in_a_new_process")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("launcher_name", "overrides"), [("local", ["hydra.sweeper.max_batch_size=2"])]
)
class TestBatches(BatchedSweeperTestSuite):
    """The launcher takes the jobs of Hydra's basic sweeper batch by batch."""
