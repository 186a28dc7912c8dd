"""A sweep is the product of its list, zipped groups and free keys, then filtered, then sampled."""

import copy
import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf

from seqsweep.config.compose import MemberComposer
from seqsweep.config.messages import explain
from seqsweep.config.shape import expansion as expansion_module
from seqsweep.config.shape.expansion import Expansion, expand, permuted

Expanded = Callable[..., list[str]]
SIZES = "model.hidden_size=4,8,16"
RATES = "optimizer.lr=0.1,0.01,0.001"


@pytest.fixture(scope="module")
def make(loader: ConfigLoader) -> Callable[..., tuple[Expansion, MemberComposer]]:
    """Returns the expansion of a command, and a composer of its members."""
    parser = OverridesParser.create(config_loader=loader)
    compose = MemberComposer(loader, loader.load_configuration("train", [], RunMode.MULTIRUN))

    def call(*words: str, **params: str) -> tuple[Expansion, MemberComposer]:
        # Composing the config of each sweep would take most of the time of these tests.
        master = copy.deepcopy(compose.master)
        for word in words:
            override = parser.parse_override(word)
            if word.startswith("sweep.") and not override.is_sweep_override():
                OmegaConf.update(master, override.key_or_group, override.value())
        named = {key.replace("__", "."): value for key, value in params.items()}
        return expand(named, words, parser, master), compose

    return call


@pytest.fixture(scope="module")
def expanded(make: Callable[..., tuple[Expansion, MemberComposer]]) -> Expanded:
    """Returns the overrides of the members of a command, each as one text."""

    def call(*words: str, **params: str) -> list[str]:
        expansion, compose = make(*words, **params)
        return [" ".join(job.overrides) for job in expansion.jobs(compose)]

    return call


@pytest.mark.slow
def test_a_plain_sweep_is_the_product_and_the_last_key_varies_fastest(expanded: Expanded) -> None:
    assert expanded("model.cell=rnn,gru", "seed=0", SIZES) == [
        f"model.cell={cell} seed=0 model.hidden_size={size}"
        for cell, size in itertools.product(("rnn", "gru"), (4, 8, 16))
    ]
    assert expanded("seed=3", seed="1,2", model__cell="rnn,gru") == [
        "seed=3 model.cell=rnn",
        "seed=3 model.cell=gru",
    ]


def test_zipped_keys_take_their_values_together(expanded: Expanded) -> None:
    words = ("seed=0,1", SIZES, RATES, "model.num_layers=1,2")
    pairs = [(4, 0.1), (8, 0.01), (16, 0.001)]
    one = expanded(*words, "sweep.zip=[optimizer.lr,model.hidden_size]")
    assert one == [
        f"seed={seed} model.hidden_size={size} optimizer.lr={rate} model.num_layers={layers}"
        for seed, (size, rate), layers in itertools.product((0, 1), pairs, (1, 2))
    ]
    two = expanded(*words, "sweep.zip=[[model.hidden_size,optimizer.lr],[seed,model.num_layers]]")
    assert two == [
        f"seed={n} model.num_layers={n + 1} model.hidden_size={size} optimizer.lr={rate}"
        for n, (size, rate) in itertools.product((0, 1), pairs)
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("[model.hidden_size,seed]", "model.hidden_size has 3 and seed has 2 values; zip"),
        ("[seed,optimizer.lrr]", "optimizer.lrr has no values; did you mean 'optimizer.lr'"),
        ("a,b", "takes one value for the whole sweep; write a list as [a,b]"),
    ],
)
def test_wrong_groups_are_refused(expanded: Expanded, given: str, message: str) -> None:
    words = ("seed=0,1", SIZES, RATES, "model.num_layers=1,2", "model.cell=gru")
    with pytest.raises((ValueError, HydraException)) as refused:
        expanded(*words, f"sweep.zip={given}")
    assert str(refused.value).startswith("sweep.zip")
    assert message in str(refused.value)


def test_a_filter_reads_the_checked_config_and_the_chosen_options(expanded: Expanded) -> None:
    words = ("optimizer=adam,sgd", SIZES, "seed=0,1")
    text = "optimizer == 'adam' and seed == 0 or model.hidden_size * 2 > 30 and data != 'ts'"
    kept = expanded(*words, f'sweep.filter="{text}"')
    assert kept == [
        f"optimizer={name} model.hidden_size={size} seed={seed}"
        for name, size, seed in itertools.product(("adam", "sgd"), (4, 8, 16), (0, 1))
        if (name == "adam" and seed == 0) or size > 15
    ]
    # A key that only some members have may be guarded.
    text = "optimizer == 'sgd' and optimizer.momentum < 1"
    assert expanded("optimizer=adam,sgd", f'sweep.filter="{text}"') == ["optimizer=sgd"]
    message = "^sweep.filter=model.hidden_size > 99: keeps none of 3 runs"
    with pytest.raises(ValueError, match=message):
        expanded(SIZES, 'sweep.filter="model.hidden_size > 99"')
    # A key that no member has is refused, even where its value would not matter.
    with pytest.raises(ValueError, match=r"model.cel: no such key; did you mean"):
        expanded(SIZES, 'sweep.filter="model.hidden_size > 1 or model.cel == 3"')


def test_a_sample_has_whole_configs_in_the_order_of_the_grid(expanded: Expanded) -> None:
    whole = expanded(SIZES, RATES, "seed=0,1")
    four, six = (expanded(SIZES, RATES, "seed=0,1", f"sweep.sample={n}") for n in (4, 6))
    assert len(four) == 8 and len(six) == 12
    assert set(four) < set(six) < set(whole)
    assert four == [member for member in whole if member in four]
    assert expanded(SIZES, RATES, "seed=0,1", "sweep.sample=4", "sweep.sample_seed=1") != four
    # The order of the keys and of their values decides nothing.
    turned = "optimizer.lr=0.001,0.1,0.01", "seed=2", "model.hidden_size=16,4,8"
    other = expanded(*turned, "sweep.sample=4")
    configs = {frozenset(member.split()) - {"seed=0", "seed=1"} for member in four}
    assert {frozenset(member.split()) - {"seed=2"} for member in other} == configs
    assert expanded(SIZES, RATES, "sweep.sample=99", "sweep.sample_seed=5") == expanded(
        SIZES, RATES
    )


def test_a_sample_is_taken_of_what_the_filter_keeps(make) -> None:
    words = (SIZES, RATES, "seed=0,1", 'sweep.filter="model.hidden_size < 16"')
    expansion, compose = make(*words, "sweep.sample=3")
    jobs = list(expansion.jobs(compose))
    assert len(jobs) == expansion.runs == 6
    assert all(job.config["model"]["hidden_size"] < 16 for job in jobs)
    assert expansion.described() == [
        "grid of 18 runs: 3 hidden_size x 3 lr x 2 seed",
        f"sweep.sample=3: 3 of 9 configs, {expansion.tried - 3} more dropped by sweep.filter; "
        "6 of 18 runs",
    ]
    expansion, compose = make(*words, "sweep.sample=99")
    assert {(*job.overrides,) for job in jobs} < {(*j.overrides,) for j in expansion.jobs(compose)}
    assert (expansion.taken, expansion.tried, expansion.runs) == (6, 9, 12)


def test_what_would_take_too_long_is_refused(expanded: Expanded, monkeypatch) -> None:
    huge = ("model.hidden_size=range(1,10001)", "data.batch_size=range(1,10001)")
    assert len(set(expanded(*huge, "sweep.sample=5"))) == 5  # without listing all
    with pytest.raises(HydraException, match="100,000,000 runs; a sweep has at most 100,000"):
        expanded(*huge)
    never = 'sweep.filter="model.hidden_size < 0"'
    with pytest.raises(HydraException, match="tried on at most 500,000: give fewer values, or swe"):
        expanded(*huge, never)
    with pytest.raises(HydraException, match=r"sweep.sample=200000: 200,000 runs; a sweep has"):
        expanded(*huge, "sweep.sample=200000")
    monkeypatch.setattr(expansion_module, "MOST_FILTERED", 20)
    with pytest.raises(HydraException, match=r"sweep.filter keeps 0 of the first 20 configs"):
        expanded(*huge, never, "sweep.sample=2")


def test_a_list_is_combined_with_the_grid(expanded: Expanded, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("model.cell,optimizer.lr\ngru,0.1\nlstm,\n")
    listed = expanded("seed=0,1", f"sweep.list={tmp_path}/m.csv", "data=digits")
    assert listed == [
        f"{member} seed={seed} data=digits"
        for member, seed in itertools.product(
            ("model.cell=gru optimizer.lr=0.1", "model.cell=lstm"), (0, 1)
        )
    ]
    inline = "sweep.list=[{model.cell:gru,optimizer.lr:0.1},{model.cell:lstm}]"
    assert expanded("seed=0,1", inline, "data=digits") == listed
    everything = expanded(
        "seed=0,1", SIZES, "data.batch_size=8,16,32", inline, "sweep.sample=4",
        "sweep.zip=[model.hidden_size,data.batch_size]", 'sweep.filter="model.hidden_size < 16"',
    )  # fmt: skip
    assert len(everything) == 8  # all four configs that are left, with both seeds


@pytest.mark.parametrize(
    ("member", "words", "message"),
    [
        ("model.hiden_size: 3", (), "model.hiden_size: no such key in model; did you mean"),
        ("seed: 3", ("seed=0,1",), "sweep.list: sets seed, and so does seed=0; leave one of"),
        ("sweep.sample: 3", (), "sweep.sample: must not be in a list"),
    ],
)
def test_a_wrong_member_is_refused_with_its_line(expanded, tmp_path, member, words, message):
    (tmp_path / "m.yaml").write_text(f"- {{model.cell: gru}}\n-\n  {member}\n")
    with pytest.raises((ValueError, HydraException)) as refused:
        expanded(f"sweep.list={tmp_path}/m.yaml", *words)
    assert message in explain(refused.value)
    assert "leave one" in message or "m.yaml:3" in explain(refused.value)


def test_a_pattern_stands_for_options_or_files(expanded: Expanded, tmp_path: Path) -> None:
    assert expanded("optimizer=glob(a*,exclude=adamw)") == ["optimizer=adam"]
    for name in ("b_TRAIN.ts", "a,1.ts", "c.txt", "sub/d.ts"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    def files(pattern: str) -> list[str]:
        members = expanded("data=ts", f"data.source.path={pattern}")
        return [member.rpartition(f"{tmp_path}/")[2] for member in members]

    assert files(f"glob({tmp_path}/*.ts)") == ['a,1.ts"', "b_TRAIN.ts"]
    assert files(f"glob({tmp_path}/**/*.ts,exclude=*_TRAIN.ts)") == ['a,1.ts"', "sub/d.ts"]
    assert files(f"glob([{tmp_path}/*.txt,{tmp_path}/s*])") == ["c.txt"]
    assert files(f"glob({tmp_path}/s*)") == ["sub"]
    with pytest.raises(HydraException, match=r"no_such/\*\): no file matches \(in /"):
        files("glob(no_such/*)")
    with pytest.raises(HydraException, match=r"glob\(...\) takes options of a config group or"):
        expanded("model.cell=glob(*)")


def test_a_sample_is_uniform_and_never_changes() -> None:
    for size in (2, 7, 20):
        firsts = Counter(next(permuted(size, seed)) for seed in range(1000))
        expected = 1000 / size
        assert all(abs(firsts[n] - expected) < 5 * expected**0.5 for n in range(size))
    # A later version must find the runs that an earlier one has trained.
    assert list(itertools.islice(permuted(10**9, 0), 3)) == [812137346, 530048524, 951560305]
