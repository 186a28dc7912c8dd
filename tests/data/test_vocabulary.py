"""Texts become indices of a vocabulary that the training split alone decides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsweep.data.vocabulary import PADDING, UNKNOWN, Vocabulary

texts = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=6)


def place(index: int) -> str:
    return f"x[{index}]"


@given(texts)
def test_characters_are_read_back_from_their_indices(given_texts):
    vocabulary = Vocabulary().of(given_texts)
    x, lengths = vocabulary.encode(given_texts, place)
    assert x.dtype == np.float32 and x.shape == (len(given_texts), max(lengths), 1)
    for row, length, text in zip(x[:, :, 0], lengths, given_texts, strict=True):
        assert "".join(vocabulary.symbols[int(i)] for i in row[:length]) == text
        assert not row[length:].any()


@given(texts, texts)
def test_a_fitted_vocabulary_knows_the_symbols_of_train_and_no_others(train, other):
    everything = Vocabulary().of([*train, *other])
    x, lengths = everything.encode(train, place)
    valid = np.arange(x.shape[1]) < lengths[:, None]
    fitted, moved = everything.fitted(x[valid][:, 0])
    assert set(fitted.symbols) == {PADDING, UNKNOWN} | set("".join(train))
    # Moving the old indices gives the indices of the fitted vocabulary, also of unknown symbols.
    for part in (train, other):
        before, after = everything.encode(part, place)[0], fitted.encode(part, place)[0]
        assert np.array_equal(moved[before.astype(int)], after)
        unknown = {s for text in part for s in text} - set("".join(train))
        assert (1 in after) == bool(unknown)


def fitted_on(text: str, **options) -> Vocabulary:
    whole = Vocabulary(**options).of([text])
    return whole.fitted(whole.encode([text], place)[0][0, :, 0])[0]


def test_frequent_symbols_come_first_and_equal_ones_in_the_order_of_texts():
    assert fitted_on("cabbac b").symbols == (PADDING, UNKNOWN, "b", "a", "c", " ")


def test_rare_symbols_are_unknown():
    assert fitted_on("aaabbc", min_count=2).symbols[2:] == ("a", "b")
    assert fitted_on("aaabbc", max_symbols=1).symbols[2:] == ("a",)
    assert fitted_on("aaabbc", max_symbols=9, min_count=3).symbols[2:] == ("a",)
    x, _ = fitted_on("aaabbc", max_symbols=1).encode(["cab"], place)
    assert x[0, :, 0].tolist() == [1, 2, 1]


def test_words_and_signs_are_symbols_and_white_space_is_none():
    words = Vocabulary(tokens="words")
    assert words.split(" Don't\tstop: 3.5 — naïve\n") == [
        "Don", "'", "t", "stop", ":", "3", ".", "5", "—", "naïve",
    ]  # fmt: skip
    assert Vocabulary(tokens="words", lower=True).split("Äpfel") == ["äpfel"]


def test_a_text_is_cut_after_its_first_symbols():
    vocabulary = Vocabulary(tokens="words", max_length=2).of(["a b c"])
    assert vocabulary.symbols[2:] == ("a", "b")  # what is cut is not in the vocabulary
    x, lengths = vocabulary.encode(["b a b", "a"], place)
    assert x[:, :, 0].tolist() == [[3, 2], [2, 0]] and lengths.tolist() == [2, 1]


@pytest.mark.parametrize(("tokens", "text"), [("characters", ""), ("words", " \t")])
def test_a_text_without_symbols_is_named(tokens, text):
    with pytest.raises(ValueError, match=rf"^x\[1\]: .* has no {tokens}; leave it out"):
        Vocabulary(tokens=tokens).encode(["a", text], place)


def test_a_vocabulary_is_written_as_plain_values():
    vocabulary = fitted_on("abc", lower=True, max_length=9)
    plain = vocabulary.plain()
    assert {type(value) for value in plain.values()} <= {list, str, bool, int, type(None)}
    assert Vocabulary.from_plain(plain) == vocabulary
