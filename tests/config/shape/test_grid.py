"""The size of a grid is known before its values are listed."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from seqsweep.config.shape.axes import swept_values


def values(text):
    return swept_values(OverridesParser.create().parse_override(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("seed=1,2", ["1", "2"]), ("seed=range(3)", ["0", "1", "2"]), ("a=range(3,0,-2)", ["3", "1"]),
     ("lr=range(0,0.3,0.1)", ["0.0", "0.1", "0.2"]), ("a=choice(x,y)", ["x", "y"])],
)  # fmt: skip
def test_values_are_those_of_hydra(text, expected):
    assert values(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed=range(0)", "seed=range(0): has no values"),
        ("seed=range(0,1000000000)", "seed=range(0,1000000000): 1,000,000,000 runs; a sweep has"),
        ("seed=range(0,5,0)", "seed=range(0,5,0): the step of a range must not be 0"),
    ],
)
def test_no_values_and_too_many_are_refused(text, message):
    with pytest.raises(HydraException) as refused:
        values(text)
    assert str(refused.value).startswith(message)
