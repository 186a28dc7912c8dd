"""The .ts reader takes files as they are found on disk, and names the line of what is wrong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqsweep.data.ts import ts

HEADER = "@dimensions 2\n@classLabel true left right\n@data\n"
CASES = "1,2,3:4,5,6:left\n7,8:9,10:right\n"


@pytest.fixture
def write(write):
    return lambda content, name="case.ts": write(content, name)


@pytest.mark.parametrize(
    "content",
    [
        "\ufeff" + HEADER + CASES,
        (HEADER + CASES).replace("\n", "\r\n"),
        "# free\n%text: 1,2\n\n" + HEADER + "\n# more\n" + CASES.replace("\n", "\n\n"),
        "@CLASSLABEL\tTRUE left right\n  @Dimension  2\n@DATA\n" + CASES,
        HEADER.replace("left right", "right left up") + CASES.replace(":left", " : left "),
    ],
)
def test_spellings_of_one_ts_file_are_read_alike(write, content):
    train, plain = ts(write(content)).train, ts(write(HEADER + CASES)).train
    assert np.array_equal(train.x, plain.x) and np.array_equal(train.labels, plain.labels)


def test_missing_values_are_nan_and_labels_keep_their_case(write):
    x = ts(write(HEADER + "1, ? ,NaN:nan,-5,6:left\n" + CASES)).train.x[0]
    assert np.array_equal(x, [[1, np.nan], [np.nan, -5], [np.nan, 6]], equal_nan=True)
    for names in (("Up", "up"), ("9", "10")):
        content = "@classLabel true {1} {0}\n@data\n1:{0}\n2:{1}\n".format(*names)
        assert ts(write(content)).class_names == names


def test_the_test_split_in_a_second_file(write):
    train = write("@classLabel true a b\n@data\n1,2:a\n3:b\n", "train.ts")
    test = write("@classLabel true c b\n@data\n4:c\n5:b\n", "test.ts")
    splits = ts(train, test_path=test)
    assert splits.test is not None and splits.class_names == ("a", "b", "c")
    assert splits.test.labels.tolist() == [2, 1] and splits.train.labels.tolist() == [0, 1]
    with pytest.raises(ValueError, match=r"test.ts: 2 channels, but .*train.ts has 1"):
        ts(train, test_path=write(HEADER + CASES, "test.ts"))


BAD = {  # content, line (0: none), message
    "no data": (HEADER, 0, "there is no case after @data"),
    "unlabelled": ("@classLabel false\n@data\n1,2\n", 0, "has no labels; expected .* @classLabel"),
    "regression": ("\n@targetLabel true\n@data\n1:2.5\n", 2, "regression"),
    "undeclared": (HEADER + CASES + "1:2:Left\n", 6, "'Left': must be one of left, .*'left'"),
    "channels": (HEADER + CASES + "1:left\n", 6, "1 channels, but the first case has 2"),
    "unequal": (HEADER + "1,2:3:left\n", 4, "1 steps, but channel 0 has 2"),
    "number": (HEADER + "1,2:3,4x:left\n", 4, "channel 1: '4x' is not a number"),
    "beyond float32": (HEADER + "1,1e39:3,4:left\n", 4, "channel 0: '1e39' is not a number within"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "line", "message"), BAD.values(), ids=BAD)
def test_bad_files_are_refused_with_their_line(write, content, line, message):
    place = rf"case\.ts:{line}: " if line else r"case\.ts"
    with pytest.raises(ValueError, match=f"{place}.*{message}"):
        ts(write(content))


NAME = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,5}", fullmatch=True)
LABELS = NAME.filter(lambda name: name.lower() != "nan")
NAMES = st.lists(LABELS, min_size=2, max_size=4, unique=True)
VALUES = st.floats(width=32, allow_infinity=False)


@settings(max_examples=50)
@given(names=NAMES, lengths=st.lists(st.integers(1, 4), min_size=1, max_size=4), data=st.data())
def test_what_is_written_is_read(tmp_path_factory, names, lengths, data):
    lines, channels = ["@classLabel true " + " ".join(names), "@data"], data.draw(st.integers(1, 3))
    labels = [data.draw(st.sampled_from(names)) for _ in lengths]
    rows = [[[data.draw(VALUES) for _ in range(n)] for _ in range(channels)] for n in lengths]
    for label, row in zip(labels, rows, strict=True):
        texts = [",".join("?" if np.isnan(x) else repr(x) for x in channel) for channel in row]
        lines.append(":".join([*texts, label]))
    path = tmp_path_factory.getbasetemp() / "round.ts"
    path.write_text("\n".join(lines))
    train = ts(str(path)).train
    assert [train.class_names[i] for i in train.labels] == labels
    assert set(train.class_names) == set(names)
    for n, row in enumerate(rows):
        expected = np.array(row, dtype=np.float32).T
        assert np.array_equal(train.x[n, : train.lengths[n]], expected, equal_nan=True)
