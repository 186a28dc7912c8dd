"""The space of a search is what the overrides say, and search.json keeps it."""

from collections import Counter
from dataclasses import asdict, replace

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from seqsweep.extras.search.halving import draw
from seqsweep.extras.search.searchfile import Choice, Numbers, SearchFile, Space, Trial
from seqsweep.extras.search.space import parse, rounded, value_at

PLACES = [i / 400 for i in range(401)]


def space(*overrides: str) -> Space:
    return parse(overrides, OverridesParser.create())[1]


@pytest.mark.parametrize(
    ("text", "described"),
    [
        ("a=range(10,201,10)",
         {"low": 10, "high": 200, "log": False, "integer": True, "step": 10}),
        ("a=tag(log,interval(0.1,1))",
         {"low": 0.1, "high": 1, "log": True, "integer": False, "step": None}),
        ("a=16,gru", {"choices": ["16", "gru"]}),
    ],
)  # fmt: skip
def test_search_json_describes_the_values(text, described):
    assert asdict(space(text)["a"]) == described


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        (Numbers(2, 5, integer=True), [2, 3, 4, 5]),
        (Numbers(2, 10, integer=True, step=4), [2, 6, 10]),
        (Numbers(0.5, 2.0, step=0.5), [0.5, 1.0, 1.5, 2.0]),
        (Choice(["a", "b", "c"]), ["a", "b", "c"]),
    ],
)
def test_values_of_a_finite_set_get_equal_parts(numbers, expected):
    counts = Counter(value_at(numbers, u) for u in PLACES)
    assert list(counts) == expected
    assert max(counts.values()) - min(counts.values()) <= 2


def test_numbers_have_the_digits_that_their_interval_needs():
    assert rounded(Numbers(0.001, 0.1, log=True), 0.0123456789) == 0.012346
    assert rounded(Numbers(0, 1), 0.123456789) == 0.1235
    assert rounded(Numbers(1000, 1000.02), 1000.00123467) == 1000.001235
    assert rounded(Numbers(0.33333333, 1), 0.33333334) == 0.33333333  # not below the interval
    assert rounded(Choice(["0.123456789"]), "0.123456789") == "0.123456789"


def test_a_config_depends_on_the_seed_and_its_number_alone():
    full = space("a=1,2,3", "b=interval(0,1)", "c=range(1,9)")
    configs = [draw(full, 7, number) for number in range(20)]
    assert configs == [draw(full, 7, number) for number in range(20)]
    assert len({tuple(config.items()) for config in configs}) == 20
    assert configs != [draw(full, 8, number) for number in range(20)]
    # Another key changes no value of the first ones.
    fewer = space("c=range(1,9)", "a=1,2,3")
    assert all(draw(fewer, 7, n)["a"] == config["a"] for n, config in enumerate(configs))


TRIALS = [
    Trial(0, {"lr": 0.1, "cell": "gru"}, ["a", "b"], {1: 0.5}, 1),
    Trial(1, {"lr": 0.2, "cell": "rnn"}, [], refusal="no such combination"),
]
SEARCH = SearchFile(
    "tpe", "median", "val/acc",
    {"lr": Numbers(0.1, 1, log=True), "cell": Choice(["rnn", "gru"])},
    {"seed": 0, "sampler_options": {}}, {"trials": 2}, TRIALS, [1, 3], {0: ["e"]}, 0.5,
)  # fmt: skip


def test_a_search_is_read_as_it_was_written(tmp_path):
    SEARCH.write(tmp_path)
    assert SearchFile.read(tmp_path) == SEARCH


def test_what_decides_the_choices_tells_two_searches_apart():
    assert SEARCH.differences(replace(SEARCH, budget={"trials": 9}, confirmed={})) == []
    others = replace(SEARCH, method="random", space={}, rungs=[1], settings={"seed": 1})
    assert SEARCH.differences(others) == [
        "sampler=tpe", "rungs=[1, 3]", "another space", "seed=0", "another sampler_options"
    ]  # fmt: skip
