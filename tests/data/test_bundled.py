"""The bundled data are what their sources say, and their files can be made again."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from seqsweep.data.bundled import FILES, digits, japanese_vowels

SCRIPT = Path(__file__).parents[2] / "scripts" / "bundle_data.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("bundle_data", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_japanese_vowels_is_the_official_split():
    splits = japanese_vowels()
    train, test = splits.train, splits.test
    assert test is not None and splits.val is None
    assert (len(train), len(test)) == (270, 370)
    assert splits.input_size == 12 and train.channel_names[0] == "cepstrum_1"
    assert splits.class_names == tuple("123456789")
    assert np.bincount(train.labels).tolist() == [30] * 9
    assert np.bincount(test.labels).tolist() == [31, 35, 88, 44, 29, 24, 40, 50, 29]
    assert min(train.lengths.min(), test.lengths.min()) == 7
    assert max(train.lengths.max(), test.lengths.max()) == 29
    # The first numbers of both source files.
    first = [1.860936, -0.207383, 0.261557, -0.214562, -0.171253, -0.118167]
    assert np.array_equal(train.x[0, 0, :6], np.array(first, dtype=np.float32))
    assert train.lengths[0] == 20 and test.lengths[0] == 19
    assert test.x[0, 1, 0] == np.float32(1.547694)


def test_digits_are_eight_rows_of_eight():
    splits = digits()
    assert splits.val is None and splits.test is None
    assert splits.train.x.shape == (1797, 8, 8)
    assert splits.class_names == tuple("0123456789")
    assert np.array_equal(np.unique(splits.train.x), np.arange(17))
    assert splits.train.x[0, 1].tolist() == [0, 0, 13, 15, 10, 15, 5, 0]
    counts = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert np.bincount(splits.train.labels).tolist() == counts


def test_the_files_are_small_and_have_their_notice():
    assert (FILES / "japanese_vowels.npz").stat().st_size < 460_000
    assert (FILES / "digits.npz").stat().st_size < 50_000
    notice = (FILES / "NOTICE.md").read_text()
    assert "Kudo" in notice and "Alpaydin" in notice and "@problemName JapaneseVowels" in notice


def test_the_script_makes_both_files_from_their_sources(script, tmp_path, capsys):
    """Sources written from the bundled files give the bundled arrays, types included."""
    splits = japanese_vowels()
    for part, name in ((splits.train, "TRAIN"), (splits.test, "TEST")):
        assert part is not None
        lines = ["@classLabel true 1 2 3 4 5 6 7 8 9", "@dimensions 12", "@data"]
        for x, length, label in zip(part.x, part.lengths, part.labels, strict=True):
            channels = [",".join(map(str, channel)) for channel in x[:length].T.tolist()]
            lines.append(":".join([*channels, part.class_names[label]]))
        (tmp_path / f"JapaneseVowels_{name}.ts").write_text("\n".join(lines))
    train = digits().train
    np.savez(tmp_path / "digits.npz", X=train.x.astype(np.uint8), y=train.labels.astype(np.uint8))
    out = tmp_path / "out"
    out.mkdir()
    script.bundle(tmp_path, out)
    assert "digits.npz" in capsys.readouterr().out
    for name in ("japanese_vowels.npz", "digits.npz"):
        with np.load(out / name) as made, np.load(FILES / name) as bundled:
            assert list(made) == list(bundled)
            for key in bundled:
                assert made[key].dtype == bundled[key].dtype
                assert np.array_equal(made[key], bundled[key])
