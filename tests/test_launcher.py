"""`hydra/launcher=stacked` is a launcher as Hydra's own suite wants it, for any Hydra app."""

import pytest
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.test_utils.launcher_common_tests import LauncherTestSuite

from hydra_plugins.seqsweep_stacked.seqsweep_stacked import StackedLauncher


def test_it_is_found() -> None:
    assert StackedLauncher.__name__ in [x.__name__ for x in Plugins.instance().discover(Launcher)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:\\nFuture Hydra versions:UserWarning")  # of the suite's apps
@pytest.mark.parametrize(("launcher_name", "overrides"), [("stacked", [])])
class TestConformance(LauncherTestSuite):
    """Jobs of other apps, which it hands to Hydra's basic launcher."""
