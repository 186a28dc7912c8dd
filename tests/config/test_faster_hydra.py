"""With the cache of tests/support, Hydra composes the configs that it composes without."""

from collections.abc import Callable, Iterator
from pathlib import Path

import faster_hydra
import pytest
from hydra._internal.config_repository import ConfigRepository
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

Compose = Callable[..., DictConfig]


@pytest.fixture(autouse=True)
def changed_back() -> Iterator[None]:
    """Leaves Hydra as the other tests have it."""
    load = ConfigRepository.load_config
    yield
    faster_hydra.change(load is faster_hydra.load_config)


def everything(compose: Compose, *overrides: str) -> str:
    """Returns all values, Hydra's own too, or the error."""
    try:
        config = compose(*overrides, return_hydra_config=True)
    except HydraException as error:
        return str(error)
    return repr(OmegaConf.to_container(config))


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["experiment=digits", "optimizer.betas=[0.5,0.6]", "+model.new=1"],
        ["model=rn"],
        ["experiment=mine", "sweep=seeds"],
    ],
)
def test_the_faster_hydra_composes_the_same(
    composed: Compose, tmp_path: Path, overrides: list[str]
) -> None:
    """Also the second time, after the first config has been changed."""
    options = tmp_path / "experiment" / "mine.yaml"
    options.parent.mkdir()
    options.write_text("# @package _global_\ndefaults: [/sweep@copied: '${sweep}']\n")
    overrides = [*overrides, f"hydra.searchpath=[{tmp_path}]"]
    faster_hydra.change(False)
    expected = everything(composed, *overrides)
    faster_hydra.change(True)
    for _ in range(2):
        assert everything(composed, *overrides) == expected
    assert ("copied" in expected) == ("experiment=mine" in overrides)
    # A file of a user is read each time.
    options.write_text("# @package _global_\nname: changed\n")
    assert composed("experiment=mine", f"hydra.searchpath=[{tmp_path}]").name == "changed"
