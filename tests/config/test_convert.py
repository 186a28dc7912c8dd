"""A value fits its annotation exactly, or the message names key, value and what is allowed."""

import re
from typing import Literal, TypedDict

import pytest

from seqsweep.config.convert import convert

Cell = Literal["rnn", "gru", "lstm"]


class Group(TypedDict, total=False):
    size: int | None
    rate: float


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        (1, float, 1.0),
        (32, Literal["32", "16"], "32"),
        ("auto", int | Literal["auto"], "auto"),
        (1, int | float, 1),
        (1.0, int | float, 1.0),  # to Lightning all of the batches, where 1 is one batch
        ([0, 1.0], list[int], [0, 1]),
        ([[1, 2], [3]], list[list[float]], [[1.0, 2.0], [3.0]]),
        ("balanced", Literal["balanced"] | list[float] | None, "balanced"),
        ({"rate": 1, "size": None}, Group, {"rate": 1.0, "size": None}),
    ],
)
def test_convert_returns_a_value_that_fits(value, annotation, expected):
    found = convert(value, annotation, "key")
    assert found == expected
    assert repr(found) == repr(expected)  # the types are equal too


@pytest.mark.parametrize(
    ("value", "annotation", "message"),
    [
        (True, int, "key=true: must be a whole number"),
        ("1e0", float, "key='1e0': must be a number"),
        (float("nan"), float, "key=nan: must be a finite number"),
        ("False", bool, "key='False': must be true or false"),
        ("gr", Cell | None, "key='gr': must be one of rnn, gru, lstm or null; did you mean 'gru'?"),
        ([[1.0], [True]], list[list[float]], "key[1][0]=true: must be a number"),
        ([0.9], tuple[float, float], "key=[0.9]: must be a list of 2 values"),
        (3, Group | None, "key=3: must be a group of keys: key.size, key.rate or null"),
        ({"rate": "a"}, Group | None, "key.rate='a': must be a number"),
        ({"rat": 1}, Group, "key.rat: no such key in key; did you mean 'rate'?"),
    ],
)
def test_convert_refuses_a_value_that_does_not_fit(value, annotation, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        convert(value, annotation, "key")
