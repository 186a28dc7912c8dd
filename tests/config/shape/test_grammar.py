"""A filter means what Python means, and refuses everything that is not an expression over keys."""

import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsweep.config.shape.grammar import Filter

VALUES: dict[str, Any] = {
    "model.hidden_size": 16,
    "model.num_layers": 2,
    "model.cell": "lstm",
    "model.bidirectional": False,
    "optimizer.lr": 0.01,
    "optimizer.betas": [0.9, 0.999],
    "scheduler": None,
}
NUMBERS = ("model.hidden_size", "model.num_layers", "optimizer.lr", "model.bidirectional")


def keeps(text: str) -> bool:
    return Filter(text).keeps(VALUES)


def numbers() -> st.SearchStrategy[str]:
    """Expressions of numbers; powers are small, and division by zero happens."""
    leaves = st.sampled_from([*NUMBERS, "0", "1", "2", "3", "2.5"])
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner).map(
                lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"
            ),
            inner.map(lambda text: f"-{text}"),
            inner.map(lambda text: f"({text}) ** 2"),
        ),
        max_leaves=6,
    )


def truths() -> st.SearchStrategy[str]:
    """Expressions that are true or false."""
    compare = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    leaves = st.one_of(
        st.tuples(numbers(), compare, numbers(), compare, numbers()).map(" ".join),
        st.tuples(numbers(), st.sampled_from(["in", "not in"]), numbers()).map(
            lambda parts: f"{parts[0]} {parts[1]} [{parts[2]}, 2, 'lstm']"
        ),
        st.sampled_from(["model.cell == 'lstm'", "'st' in model.cell", "model.cell < 'rnn'"]),
        st.sampled_from(["model.bidirectional", "True", "scheduler == None"]),
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
                lambda parts: f"({parts[0]}) {parts[1]} ({parts[2]})"
            ),
            inner.map(lambda text: f"not ({text})"),
        ),
        max_leaves=5,
    )


@given(truths())
def test_a_filter_equals_python(text: str) -> None:
    """The keys are replaced by their values, and Python evaluates the rest."""
    python = text
    for key, value in VALUES.items():
        python = python.replace(key, repr(value))
    try:
        expected = eval(python, {"__builtins__": {}})
    except ArithmeticError:
        with pytest.raises(ValueError, match=r"zero|modulo|large|out of range"):
            keeps(text)
    else:
        assert keeps(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model.hidden_size * model.num_layers <= 128", True),
        ("model.cell == 'lstm' or not model.bidirectional", True),
        ("0.9 in optimizer.betas", True),
        ("scheduler == null and model.bidirectional == false", True),
        ("  model.hidden_size\n  % 3 == 1  # a comment", True),
        ("model.num_layers == 2 or model.no_such_key", True),
    ],
)
def test_filters_of_the_docs(text: str, expected: bool) -> None:
    assert keeps(text) is expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hidden_size < 3", "hidden_size: no such key; did you mean 'model.hidden_size'?"),
        ("model.cell == lstm", "lstm: no such key; a text needs quotes: 'lstm'"),
        ("model.hidden_size", "model.hidden_size: expected true or false, got 16"),
        ("model.hidden_size / 0 > 1", "division by zero"),
    ],
)
def test_a_value_that_an_operator_does_not_take_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        keeps(text)
    assert str(refused.value).startswith(f"sweep.filter={text}: ")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "().__class__ == 1",
        "__import__('os').system('true') == 0",
        "1\0",
        "(" * 300 + "1" + ")" * 300,
        "model.num_layers" + " + 1" * 3000,
    ],
)
def test_what_is_not_in_the_grammar_is_refused_before_it_is_evaluated(text: str) -> None:
    with pytest.raises(ValueError, match=r"\Asweep.filter=.*\Z"):
        Filter(text)


@given(st.text(max_size=60))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    with suppress(ValueError):  # any other error fails the test
        Filter(text).keeps(VALUES)
