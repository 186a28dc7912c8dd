"""A config's text is PyYAML's own, to the byte, though it is put together from kept sections."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from seqsweep.errors import Damaged
from seqsweep.runs.documents import from_text, read_yaml, to_text


def plain(config):
    return yaml.safe_dump(config, sort_keys=False)


def test_values_that_are_equal_and_not_the_same_have_texts_of_their_own():
    for value in (1, 1.0, True, "1", (1,), [1.0], {1: 0}, {"1": 0}, {True: 0}, {1.0: 0}):
        assert to_text({"a": value}) == plain({"a": value})


odd = st.text("ab \n'\"#:-?,[]{}&*!|>%@`\t0e1._~\\é\U0001f600\x85\u2028\ufeff", max_size=90)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | odd
keys = st.text(max_size=20) | st.text("ab_", min_size=1) | st.integers() | st.booleans() | st.none()
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=40)
@given(st.dictionaries(keys, values, max_size=4))
def test_anything_plain_is_written_as_yaml_writes_it(config):
    for _ in range(2):  # the second time from what is kept
        assert to_text(config) == plain(config)


def test_a_value_that_occurs_twice_is_written_twice_and_a_changed_one_anew():
    twice = [1, {"a": 2}]
    config = {"a": twice, "b": {"c": twice, "d": twice}}
    assert "&" not in to_text(config)
    assert from_text(to_text(config)) == config
    twice.append(3)
    assert from_text(to_text(config)) == config


def bomb(levels: int, aliases: int = 9) -> str:
    """Lists of lists, each of as many aliases of the one before: 9 ** levels values."""
    lines = ["a0: &a0 [x]"]
    for level in range(1, levels):
        same = ", ".join([f"*a{level - 1}"] * aliases)
        lines.append(f"a{level}: &a{level} [{same}]")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (bomb(10), "the alias *a0 must not be inside an anchor"),
        (f"a: &a [{'x, ' * 200}]\nb: [{'*a, ' * 200}]", "stand for more than 10,000 values"),
        ("[" * 300, "nested more than 50 levels deep"),
        ("[" * 100_000, "nest"),
        ("a: &a [*a]", "the alias *a must not be inside an anchor"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        (b"a: \xe9", "must be UTF-8, but is not at byte 3"),
    ],
)
def test_a_short_text_that_stands_for_too_many_values_is_refused(text, why, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(Damaged) as error:
        read_yaml(path)
    assert str(error.value).startswith(f"{path}: ")
    assert why in str(error.value)
    assert "\n" not in str(error.value)


def test_a_few_aliases_are_read(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("a: &a {lr: 0.1}\nb: *a\nc: {<<: *a, d: *a}\n")
    expected = {"a": {"lr": 0.1}, "b": {"lr": 0.1}, "c": {"lr": 0.1, "d": {"lr": 0.1}}}
    assert read_yaml(path) == expected
