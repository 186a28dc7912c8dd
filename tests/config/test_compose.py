"""A member composed the quick way is the config that Hydra composes for its job."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from seqsweep.config import CONF_DIR
from seqsweep.config.compose import MemberComposer
from seqsweep.config.from_overrides import VERSION_BASE
from seqsweep.config.schema import check
from seqsweep.runs.identity import flatten


@pytest.fixture(scope="module")
def loader() -> Iterator[ConfigLoader]:
    with initialize_config_dir(config_dir=str(CONF_DIR), **VERSION_BASE):
        yield GlobalHydra.instance().config_loader()


def composer(loader: ConfigLoader, *overrides: str) -> MemberComposer:
    """As the sweeper makes it, for `seqsweep train -m` and these overrides of Hydra's node."""
    master = loader.load_configuration("train", list(overrides), RunMode.MULTIRUN)
    return MemberComposer(loader, master)


@pytest.fixture(scope="module")
def compose(loader: ConfigLoader) -> MemberComposer:
    """One for all tests, so that each also sees what the ones before have left in it."""
    return composer(loader)


def by_hydra(compose: MemberComposer, overrides: list[str]) -> DictConfig:
    config = compose.full(overrides)
    with open_dict(config):
        del config["hydra"]
    return config


def config_or_error(composing: Callable[[], DictConfig]) -> Any:
    try:
        return composing()
    except Exception as error:  # of whatever type: it is the result
        return type(error), str(error)


def resolved(config: DictConfig) -> Any:
    return OmegaConf.to_container(config, resolve=True)


def assert_same(found: DictConfig, expected: DictConfig) -> None:
    """Values, their types, their order, interpolations before and after, and closed to new keys."""
    one, other = (OmegaConf.to_container(config) for config in (found, expected))
    assert repr(one) == repr(other)
    one, other = (config_or_error(partial(resolved, config)) for config in (found, expected))
    assert repr(one) == repr(other)
    assert found == expected
    for flag in (OmegaConf.is_struct, OmegaConf.is_readonly):
        assert flag(found) == flag(expected)


OVERRIDES = {
    "nothing": [],
    "values": ["model.hidden_size=8", "optimizer.lr=1e-2", "trainer.progress_bar=false"],
    "quoted texts": ["name='a b'", 'sweep.name="c, d"', "output_dir='it\\'s'"],
    "null": ["trainer.gradient_clip_val=null", "data.source.labels=null"],
    "a list": ["optimizer.betas=[0.5,0.9]"],
    "a list for null": ["loss.class_weights=[1,2,3.5]", "data.source.seed=[1,[2,a]]"],
    "a dict for a value": ["loss.class_weights={a:1}"],
    "a section by null": ["scheduler=null", "callbacks=null"],
    "signs and points": ["optimizer.lr=-.5", "optimizer.eps=1_000", "seed=1e3"],
    "a cast": ["name=str(3)", "optimizer.lr=float(1)", "seed=int(2.0)"],
    "an interpolation": ["name=${model.cell}-${seed}", "seed=7"],
    "an interpolation of a group": ["loss=${data.source}"],
    "max_epochs of a scheduler": ["scheduler=cosine", "trainer.max_epochs=7"],
    "a group that changes all": ["experiment=japanese_vowels"],
    "groups and values": ["model=multilayer", "model.num_layers=2", "optimizer=sgd",
                          "optimizer.momentum=0.5", "seed=1"],
    "a value before its group": ["optimizer.momentum=0.5", "optimizer=sgd"],
    "a group added": ["+experiment=digits"],
    "a group in a package": ["+optimizer@second=sgd", "second.lr=5"],
    "a key added and set": ["+extra.a=1", "extra.a=2"],
    "a key removed": ["~trainer.profiler"],
    "a group removed": ["~logger"],
    "the same key set, then forced": ["seed=1", "++seed=2"],
    "a section, then in it": ["loss={label_smoothing:0.1}", "loss.label_smoothing=0.2"],
    "null, then in it": ["+loss.class_weights.a=1"],
    "of Hydra": ["hydra.job.name=x", "seed=1"],
    "a missing value": ["data=npz"],
    "no such key among good ones": ["seed=1", "model.hiden_size=3", "model.cell=gru"],
    "a key of the group before": ["optimizer.momentum=0.9", "optimizer=adam"],
    "no such option among good ones": ["seed=1", "model=rn", "seed=2"],
    "nothing to remove": ["~model.hiden_size"],
    "there already": ["+seed=1", "model.cell=gru"],
    "removed, then set": ["~trainer.profiler", "trainer.profiler=simple"],
    "cannot be read": ["model.hidden_size=[1"],
    "an unknown node of Hydra": ["hydra.nothing=1"],
    "a group as a section": ["model={_target_:a}"],
}  # fmt: skip


@pytest.mark.sampled(25)
@pytest.mark.parametrize("overrides", OVERRIDES.values(), ids=OVERRIDES)
def test_a_members_config_equals_hydras(compose: MemberComposer, overrides: list[str]) -> None:
    """The same config, or an error of the same type and text."""
    expected = config_or_error(lambda: by_hydra(compose, overrides))
    for _ in range(2):  # the second time from what it has kept
        found = config_or_error(lambda: compose(overrides))
        if isinstance(expected, DictConfig):
            assert isinstance(found, DictConfig), found
            assert_same(found, expected)
        else:
            assert found == expected


def test_the_master_overrides_of_hydra_are_kept(loader: ConfigLoader) -> None:
    compose = composer(loader, "hydra.job.name=mine", "hydra/launcher=basic")
    assert compose.full(["seed=3"]).hydra.job.name == "mine"
    assert_same(compose(["seed=3"]), by_hydra(compose, ["seed=3"]))


def test_changing_a_members_config_changes_no_other(compose: MemberComposer) -> None:
    """What is done to one changes neither the next nor what was composed before."""
    first = compose(["optimizer.betas=[0.5,0.9]"])
    before = OmegaConf.to_container(first)
    with open_dict(first):
        first.seed, first.model.hidden_size, first.new = 99, 99, 99
    first.optimizer.betas.append(0.1)
    assert OmegaConf.to_container(compose(["optimizer.betas=[0.5,0.9]"])) == before
    assert_same(compose([]), by_hydra(compose, []))


def test_the_order_of_values_does_not_matter_for_the_base(compose: MemberComposer) -> None:
    """Members of the same groups share one composition; its cost is the point of the class."""
    compose(["model=bidirectional", "seed=1"])
    full, calls = compose.full, list[object]()
    compose.full = lambda overrides: calls.append(overrides) or full(overrides)  # pyright: ignore
    try:
        for seed in range(20):
            member = compose(["model=bidirectional", f"seed={seed}", "model.hidden_size=3"])
            assert (member.seed, member.model.hidden_size) == (seed, 3)
    finally:
        del compose.full
    assert calls == []


def test_checked_is_composed_and_checked(compose: MemberComposer) -> None:
    """Also where a number decides another key: max_epochs that of the cosine schedule."""
    grids = [
        [f"seed={seed}", f"optimizer.lr={lr}", f"model.bidirectional={both}"]
        for seed in (0, 1, 7)
        for lr in ("0.1", "1", "1e-3")
        for both in ("true", "false")
    ]
    grids += [["scheduler=cosine", f"trainer.max_epochs={n}", f"seed={n}"] for n in (5, 6, 7)]
    grids += [["~logger.csv", f"data.source.seed={n}", f"sweep.retries={n}"] for n in (2, 3)]
    for overrides in grids:
        assert compose.checked(overrides) == check(compose(overrides)), overrides


@pytest.mark.parametrize(
    ("key", "value", "default"),
    [("trainer.max_steps", 100, -1), ("trainer.reload_dataloaders_every_n_epochs", 1, 0)],
)
def test_checked_drops_lightnings_default_after_another_number(
    compose: MemberComposer, key: str, value: int, default: int
) -> None:
    for number in (value, default, value):
        overrides = [f"{key}={number}"]
        checked = compose.checked(overrides)
        assert checked == check(compose(overrides))
        assert (key.partition(".")[2] in checked["trainer"]) == (number == value)


def test_members_share_the_sections_in_which_they_do_not_differ(compose: MemberComposer) -> None:
    """A hundred thousand configs would take gigabytes otherwise."""
    one, other = (
        compose.checked(["data=digits", f"seed={seed}", f"optimizer.lr={lr}"])
        for seed, lr in ((0, 0.1), (1, 0.2))
    )
    assert (one["seed"], one["optimizer"]["lr"]) == (0, 0.1)
    assert (other["seed"], other["optimizer"]["lr"]) == (1, 0.2)
    same = [name for name in one if one[name] is other[name]]
    assert set(one) - set(same) == {"seed", "optimizer"}
    names = [[name for name, _ in flatten(config)] for config in (one, other)]
    assert all(first is second for first, second in zip(*names, strict=True))


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("optimizer.lr=0.1", "optimizer.lr=nan"),
        ("optimizer.lr=0.1", "optimizer.lr=-inf"),
        ("sweep.retries=1", "sweep.retries=-1"),
        ("threads=1", "threads=0"),
        ("seed=1", "seed=1.5"),
        ("seed=1", "model.hiden=3"),
    ],
)
def test_checked_refuses_what_check_refuses(compose: MemberComposer, good: str, bad: str) -> None:
    """Also after a good value of the same key."""
    compose.checked([good])
    for checking in (compose.checked, lambda overrides: check(compose(overrides))):
        with pytest.raises((ValueError, HydraException)):
            checking([bad])
