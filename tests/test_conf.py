"""Every option of every config group composes, passes the check and has its fixed values."""

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from seqsweep.config import CONF_DIR
from seqsweep.config.from_overrides import VERSION_BASE
from seqsweep.config.instantiate import build
from seqsweep.config.schema import check
from seqsweep.config.shape.axes import grid_of
from seqsweep.config.shape.options import ShapeOptions

OPTIONS = sorted(
    f"{path.parent.relative_to(CONF_DIR)}={path.stem}"
    for path in CONF_DIR.glob("*/*.yaml")
    if not path.stem.startswith("_") and path != CONF_DIR / "data/module.yaml"  # needs a module
)
READERS = ("npz", "ts", "csv", "parquet", "text")
NEEDED = {f"data={name}": "data.source.path=a.file" for name in READERS}
NEEDED["data=aeon"] = "data.source.name=GunPoint"
"""The value that an option cannot do without."""


@pytest.mark.sampled(12)
@pytest.mark.parametrize("option", OPTIONS)
def test_every_config_option_composes_and_passes_the_check(option):
    """The option belongs to the command and not to a job of a sweep: `sweep=` is the sweeper's."""
    overrides = [option, *([NEEDED[option]] if option in NEEDED else [])]
    with initialize_config_dir(config_dir=str(CONF_DIR), **VERSION_BASE):
        check(compose("train", overrides))


def test_every_config_group_has_a_default():
    defaults = OmegaConf.load(CONF_DIR / "train.yaml").defaults
    groups = {key for default in defaults if not isinstance(default, str) for key in default}
    of_options = {option.partition("=")[0] for option in OPTIONS}
    assert of_options == {group for group in groups if not str(group).startswith("override")}


def test_the_default_optimizer_is_adam(checked):
    assert checked() == checked("optimizer=adam")


@pytest.mark.parametrize("variant", ["simple", "multilayer", "bidirectional"])
def test_the_notebook_experiments_have_the_notebooks_data(variant, checked):
    """The tests of the notebook compare what they train: 3 sequences of 6 steps in one batch."""
    source = build(checked(f"experiment=notebook_{variant}")["data"]["source"], "data.source")
    assert source.train.x.shape == (3, 6, 5)
    assert (source.train.labels.tolist(), source.num_classes) == ([0, 1, 0], 2)


@pytest.mark.parametrize(("sweep", "members"), [("architecture", 180), ("seeds", 5)])
def test_a_sweep_expands_to_distinct_members(sweep, members, composed):
    config = composed(f"sweep={sweep}", return_hydra_config=True)
    params = OmegaConf.to_container(config.hydra.sweeper.params)
    assert isinstance(params, dict)
    named = {str(key): value for key, value in params.items()}
    grid = grid_of(named, [], OverridesParser.create(), ShapeOptions())
    expanded = {tuple(grid.overrides(point)) for point in grid.points()}
    assert len(expanded) == grid.size == members
