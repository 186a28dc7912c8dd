"""The archive's sets are found in the aeon package or in a folder, with their official splits."""

import shutil

import pytest

from seqsweep.data.aeon_sets import archive, available, read
from seqsweep.data.bundled import japanese_vowels

pytestmark = pytest.mark.durability  # for the sets of the aeon package

TRAIN = "@problemName Own\n@classLabel true a b\n@data\n1,2:a\n3,4,5:b\n"
TEST = TRAIN.replace("1,2", "6,7")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "Own").mkdir()
    price = "@targetLabel true\n@data\n1,2:3.5\n"
    sets = {"Own/Own": (TRAIN, TEST), "Flat": (TRAIN, TEST), "Price": (price, price)}
    for name, (train, test) in sets.items():
        (tmp_path / f"{name}_TRAIN.ts").write_text(train)
        (tmp_path / f"{name}_TEST.ts").write_text(test)
    (tmp_path / "Half_TRAIN.ts").write_text(TRAIN)
    return str(tmp_path)


def test_the_package_has_sets_with_their_official_splits():
    splits = archive("GunPoint")
    assert [len(part) for part in splits.parts.values()] == [50, 150]
    assert splits.train.x.shape[1:] == (150, 1)
    # Here the sequences differ in length.
    theirs, ours = archive("JapaneseVowels"), japanese_vowels()
    for name, part in theirs.parts.items():
        assert sorted(part.lengths) == sorted(ours.parts[name].lengths)
    assert theirs.class_names == ours.class_names


@pytest.mark.parametrize("name", ["Own", "Flat"])
def test_a_folder_takes_the_place_of_the_package(folder, name):
    splits = archive(name, folder)
    assert splits.test is not None
    assert splits.train.lengths.tolist() == [2, 3] and splits.test.x[0, :, 0].tolist() == [6, 7, 0]
    assert set(read(name, folder).parts) == {"train", "test"}


def test_a_name_that_is_not_there_is_refused_with_those_that_are(folder):
    with pytest.raises(FileNotFoundError, match=r"available:.*GunPoint.*did you mean 'GunPoint'"):
        archive("gunpont")
    with pytest.raises(FileNotFoundError, match=r"name=Half: no Half_TRAIN.ts and.*: Flat, Own"):
        archive("Half", folder)
    # A set needs both splits and classes.
    assert available(folder) == ["Flat", "Own"]
    with pytest.raises(FileNotFoundError, match="folder=nowhere: no such folder"):
        archive("Own", "nowhere")
    for path in ("../Own", "/etc/passwd"):
        with pytest.raises(ValueError, match="must name a data set"):
            archive(path, folder)


def test_without_aeon_the_message_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'seqsweep\[aeon\]'"):
        archive("GunPoint")


def test_a_set_is_downloaded_into_the_folder_once(folder, tmp_path, monkeypatch):
    def load(name, extract_path):
        if name == "PLAID":
            raise ValueError("Could not download PLAID\nmore")
        shutil.copytree(tmp_path / "Own", tmp_path / name)
        for split in ("TRAIN", "TEST"):
            (tmp_path / name / f"Own_{split}.ts").rename(tmp_path / name / f"{name}_{split}.ts")

    monkeypatch.setattr("aeon.datasets.load_classification", load)
    # The second time, copytree would refuse.
    for name in ("Own", "Fetched", "Fetched"):
        assert len(archive(name, folder, download=True).train) == 2
    message = r"name=PLAID: cannot be downloaded: Could not download PLAID$"
    with pytest.raises(OSError, match=message):
        archive("PLAID", folder, download=True)
