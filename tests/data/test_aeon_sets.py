"""The archive's sets are found in the aeon package or in a folder, with their official splits."""

import shutil
import urllib.request

import numpy as np
import pytest

from seqsweep.data.aeon_sets import archive, available, read
from seqsweep.data.bundled import japanese_vowels

pytestmark = pytest.mark.durability  # for the sets of the aeon package

TRAIN = "@problemName Own\n@classLabel true a b\n@data\n1,2:a\n3,4,5:b\n"
TEST = TRAIN.replace("1,2", "6,7")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "Own").mkdir()
    (tmp_path / "Own" / "Own_TRAIN.ts").write_text(TRAIN)
    (tmp_path / "Own" / "Own_TEST.ts").write_text(TEST)
    (tmp_path / "Flat_TRAIN.ts").write_text(TRAIN)
    (tmp_path / "Flat_TEST.ts").write_text(TEST)
    (tmp_path / "Half_TRAIN.ts").write_text(TRAIN)
    (tmp_path / "Price_TRAIN.ts").write_text("@targetLabel true\n@data\n1,2:3.5\n")
    (tmp_path / "Price_TEST.ts").write_text("@targetLabel true\n@data\n1,2:3.5\n")
    return str(tmp_path)


@pytest.mark.parametrize(
    ("name", "train", "test", "shape"),
    [
        ("GunPoint", 50, 150, (150, 1)),
        ("BasicMotions", 40, 40, (100, 6)),
    ],
)
def test_the_package_has_sets_with_their_official_splits(name, train, test, shape):
    splits = archive(name)
    assert splits.test is not None
    assert (len(splits.train), len(splits.test)) == (train, test)
    assert splits.train.x.shape[1:] == shape


def test_sequences_of_the_archive_differ_in_length_as_in_the_bundled_set():
    theirs, ours = archive("JapaneseVowels"), japanese_vowels()
    assert theirs.test is not None and ours.test is not None
    assert sorted(theirs.train.lengths) == sorted(ours.train.lengths)
    assert np.array_equal(np.sort(theirs.test.lengths), np.sort(ours.test.lengths))
    assert theirs.class_names == ours.class_names


@pytest.mark.parametrize("name", ["Own", "Flat"])
def test_a_folder_takes_the_place_of_the_package(folder, name):
    splits = archive(name, folder)
    assert splits.test is not None
    assert splits.train.lengths.tolist() == [2, 3] and splits.test.x[0, :, 0].tolist() == [6, 7, 0]
    assert set(read(name, folder).parts) == {"train", "test"}


def test_only_sets_with_both_splits_and_classes_are_available(folder):
    assert available(folder) == ["Flat", "Own"]
    assert {"GunPoint", "ArrowHead", "JapaneseVowels"} <= set(available())


def test_a_name_that_is_not_there_is_refused_with_those_that_are(folder):
    with pytest.raises(FileNotFoundError, match=r"available:.*GunPoint.*did you mean 'GunPoint'"):
        archive("gunpont")
    with pytest.raises(FileNotFoundError, match=r"name=Half: no Half_TRAIN.ts and.*: Flat, Own"):
        archive("Half", folder)
    with pytest.raises(FileNotFoundError, match="folder=nowhere: no such folder"):
        archive("Own", "nowhere")


@pytest.mark.parametrize("name", ["../Own", "", "a/b", "-x", "/etc/passwd"])
def test_a_name_is_not_a_path(folder, name):
    with pytest.raises(ValueError, match="must be the name of a data set"):
        archive(name, folder)


def test_without_aeon_the_message_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'seqsweep\[aeon\]'"):
        archive("GunPoint")


def test_a_set_that_is_there_is_not_downloaded(folder, monkeypatch):
    def refuse(*_args, **_options):
        raise AssertionError("a download")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    assert len(archive("Own", folder, download=True).train) == 2


def test_a_download_lands_in_the_folder(folder, tmp_path, monkeypatch):
    def load(name, extract_path):
        assert extract_path == folder
        shutil.copytree(tmp_path / "Own", tmp_path / name)
        for split in ("TRAIN", "TEST"):
            (tmp_path / name / f"Own_{split}.ts").rename(tmp_path / name / f"{name}_{split}.ts")

    monkeypatch.setattr("aeon.datasets.load_classification", load)
    assert len(archive("Fetched", folder, download=True).train) == 2


def test_a_download_that_fails_is_one_line(folder, monkeypatch):
    def fail(name, extract_path):
        raise ValueError("Could not download PLAID\nmore")

    monkeypatch.setattr("aeon.datasets.load_classification", fail)
    with pytest.raises(
        OSError, match=r"name=PLAID: cannot be downloaded: Could not download PLAID$"
    ):
        archive("PLAID", folder, download=True)
