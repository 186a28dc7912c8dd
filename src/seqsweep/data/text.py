"""The source of labelled texts, as sequences of symbols.

N texts.
"""

from dataclasses import replace

from seqsweep.data.files import Stored
from seqsweep.data.raw import RawPart, make_splits
from seqsweep.data.sequences import Sequences, Splits, digests_of
from seqsweep.data.text_files import Texts, read_texts
from seqsweep.data.vocabulary import Tokens, Vocabulary


def text(
    path: str,
    text_column: str | None = None,
    label_column: str | None = None,
    tokens: Tokens = "characters",
    lower: bool = False,
    max_length: int | None = None,
    min_count: int = 1,
    max_symbols: int | None = None,
    test_path: str | None = None,
) -> Splits:
    """Reads texts as sequences of symbols.

    `prepare` fits the vocabulary on the training split, after it has cut the other splits from it.

    Args:
        path: a .csv (also .csv.gz) or .parquet file with a column of texts and one of
            labels; or a .txt or .tsv file without a header, each line LABEL<TAB>TEXT. UTF-8.
        text_column, label_column: of a csv or parquet file; None takes `text` and `label`.
        tokens: `characters`; or `words`: words, numbers and single signs, without white space.
        lower: reads texts in small letters.
        max_length: the number of symbols after which a text is cut, at least 1.
        min_count: how often a symbol must occur in train to be known, at least 1.
        max_symbols: the most known symbols, at least 1; the most frequent ones in train.
        test_path: a second file, the test split.

    Raises:
        FileNotFoundError: with the nearest names in that folder.
        ValueError: what is wrong in which file, with the line or row.
    """
    for name, value in (("max_length", max_length), ("max_symbols", max_symbols)):
        if value is not None and value < 1:
            raise ValueError(f"{name}={value}: must be at least 1, or null")
    if min_count < 1:
        raise ValueError(f"min_count={min_count}: must be at least 1")
    paths = {"train": path} if test_path is None else {"train": path, "test": test_path}
    try:
        read = {split: read_texts(one, text_column, label_column) for split, one in paths.items()}
    except ValueError as error:
        try:
            from seqsweep.data.proposal import with_proposal  # needs pyarrow
        except ImportError:
            raise error from None
        given = {"text_column": text_column, "label_column": label_column}
        raise with_proposal(error, path, given) from error
    everything = [one for part in read.values() for one in part.texts]
    vocabulary = Vocabulary((), tokens, lower, max_length, min_count, max_symbols).of(everything)
    parts: dict[str, RawPart] = {}
    for split, part in read.items():
        x, lengths = vocabulary.encode(part.texts, part.place)
        parts[split] = RawPart(x, part.labels, lengths, str(part.file))
    splits = make_splits(parts, channel_names=("symbol",))
    # The digest is of the text itself, so that runs with other tokens have the same test set.
    named: dict[str, Sequences] = {}
    for name, part in splits.parts.items():
        contents = (one.encode("utf-8", "surrogatepass") for one in read[name].texts)
        named[name] = replace(part, digests=digests_of(contents))
    notes = [note for part in read.values() for note in _note_on_cut(part, vocabulary)]
    return replace(splits, **named, notes=tuple(notes), vocabulary=vocabulary)


def read(
    path: str,
    vocabulary: Vocabulary,
    text_column: str | None = None,
    label_column: str | None = None,
    labelled: bool = True,
) -> Stored:
    """Reads texts as indices of the vocabulary of a run.

    Args:
        path, text_column, label_column: see `text`.
        labelled: see `read_texts`.

    Raises:
        FileNotFoundError, ValueError: see `text`.
    """
    found = read_texts(path, text_column, label_column, labelled)
    x, lengths = vocabulary.encode(found.texts, found.place)
    part = RawPart(x, found.labels, lengths, str(found.file))
    return Stored({"train": part}, notes=tuple(_note_on_cut(found, vocabulary)))


def _note_on_cut(read: Texts, vocabulary: Vocabulary) -> list[str]:
    most = vocabulary.max_length
    count = 0 if most is None else sum(len(vocabulary.split(one)) > most for one in read.texts)
    note = f"{read.file}: {count} of {len(read.texts)} texts are cut to {most} {vocabulary.tokens}"
    return [note] if count else []
