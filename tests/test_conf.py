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
    if not path.stem.startswith("_")
)
READERS = ("npz", "ts", "csv", "parquet", "text")
NEEDED = {f"data={name}": "data.source.path=a.file" for name in READERS}
NEEDED["data=aeon"] = "data.source.name=GunPoint"
"""The value that an option cannot do without."""


@pytest.mark.parametrize("option", OPTIONS)
def test_every_config_option_composes_and_passes_the_check(option):
    """`check` raises an error for a wrong option.

    The option belongs to the command and not to a job of a sweep: `sweep=` configures the sweeper.
    """
    overrides = [option, *([NEEDED[option]] if option in NEEDED else [])]
    with initialize_config_dir(config_dir=str(CONF_DIR), **VERSION_BASE):
        check(compose("train", overrides))


def test_every_config_group_has_a_default():
    defaults = OmegaConf.load(CONF_DIR / "train.yaml").defaults
    groups = {key for default in defaults if not isinstance(default, str) for key in default}
    of_options = {option.partition("=")[0] for option in OPTIONS}
    assert of_options == {group for group in groups if not str(group).startswith("override")}


@pytest.mark.parametrize(
    ("experiment", "name", "layers"),
    [
        ("notebook_simple", "SimpleRNN", {}),
        ("notebook_multilayer", "MultiLayerRNN", {"num_layers": 4}),
        ("notebook_bidirectional", "BiDirectionalRNN", {"num_layers": 2}),
    ],
)
def test_the_notebook_experiments_have_the_notebooks_sizes(experiment, name, layers, checked):
    """The notebook has input size 5, hidden size 10, 6 steps and 3 sequences in one batch."""
    config = checked(f"experiment={experiment}")
    model = {"_target_": f"seqsweep.models.classifier.{name}", "input_size": None}
    assert config["model"] == model | {"hidden_size": 10, "num_classes": None} | layers
    source = build(config["data"]["source"], "data.source")
    assert source.train.x.shape == (3, 6, 5)
    assert (source.train.labels.tolist(), source.num_classes) == ([0, 1, 0], 2)
    data = {key: config["data"][key] for key in ("batch_size", "val_fraction", "test_fraction")}
    assert data == {"batch_size": 3, "val_fraction": 0, "test_fraction": 0}
    assert not config["data"]["standardize"] and not config["data"]["shuffle"]
    assert config["optimizer"] == {
        "_target_": "seqsweep.training.optimizers.adam", "_partial_": True,
        "lr": 0.01, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.0,
    }  # fmt: skip
    assert config["loss"] == {"class_weights": None, "label_smoothing": 0.0}
    assert config["scheduler"] is None
    assert (config["trainer"]["max_epochs"], config["trainer"]["gradient_clip_val"]) == (20, None)


@pytest.mark.parametrize(("sweep", "members"), [("architecture", 120), ("seeds", 5)])
def test_a_sweep_expands_to_distinct_members(sweep, members, composed):
    config = composed(f"sweep={sweep}", return_hydra_config=True)
    params = OmegaConf.to_container(config.hydra.sweeper.params)
    assert isinstance(params, dict)
    named = {str(key): value for key, value in params.items()}
    grid = grid_of(named, [], OverridesParser.create(), ShapeOptions())
    expanded = {tuple(grid.overrides(point)) for point in grid.points()}
    assert len(expanded) == grid.size == members
