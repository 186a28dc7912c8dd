"""The space of a search is what the overrides say, and search.json tells it."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from seqsweep.sweeping.search.space import parse


@pytest.mark.parametrize(
    ("text", "described"),
    [
        ("a=range(10,201,10)",
         {"low": 10, "high": 200, "log": False, "integer": True, "step": 10}),
        ("a=range(1,4)", {"low": 1, "high": 3, "log": False, "integer": True, "step": None}),
        ("a=tag(log,interval(0.1,1))",
         {"low": 0.1, "high": 1, "log": True, "integer": False, "step": None}),
        ("a=16,gru", {"choices": ["16", "gru"]}),
    ],
)  # fmt: skip
def test_search_json_describes_the_values(text, described):
    _, space = parse([text], OverridesParser.create())
    assert space["a"].described() == described
