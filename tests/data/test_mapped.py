"""A folder of sequences gives the batches, the scaling and the fingerprint of its source."""

import json
import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqsweep.data import mapped_sequences
from seqsweep.data.batch import AugmentedDataset, EpochBatches, dataset_of
from seqsweep.data.contents import contents
from seqsweep.data.convert import convert
from seqsweep.data.files import read_file
from seqsweep.data.mapped import folder, is_on_disk, mapped, read
from seqsweep.data.mapped_sequences import MappedSequences
from seqsweep.data.prepare import prepare
from seqsweep.data.raw import RawPart, make_sequences, make_splits
from seqsweep.data.sequences import Splits
from seqsweep.data.transforms.augment import augmentation_of

N, F = 90, 3


def options(**others: Any) -> dict[str, Any]:
    """Returns the arguments of `prepare`."""
    return {
        "val_fraction": 0.2, "test_fraction": 0.2, "split_seed": 1, "standardize": True,
        "missing": "error", **others,
    }  # fmt: skip


def made(kind: str = "plain", channels: int = F, equal: bool = False) -> Splits:
    """One split of sequences of 3 to 20 steps.

    `offset` has a channel that float32 cannot hold, `holes` has missing values.
    """
    rng = np.random.default_rng(0)
    lengths = np.full(N, 20) if equal else rng.integers(3, 21, N)
    x = rng.normal(size=(N, 20, channels)) * 10.0 ** np.arange(channels)
    if kind == "offset":
        x[:, :, 0] += 1e9
    if kind == "holes":
        x[rng.random(x.shape) < 0.1] = np.nan
    x = x if kind == "offset" else x.astype(np.float32)
    return Splits(make_sequences(x, np.arange(N) % 3, lengths, class_names="abc"))


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes every statistic come from many parts."""
    monkeypatch.setattr(mapped_sequences, "_AT_ONCE", 200)


def assert_equal(one: Splits, other: Splits) -> None:
    assert one.notes == other.notes and one.parts.keys() == other.parts.keys()
    for name, part in one.parts.items():
        twin = other.parts[name]
        assert part.x.tobytes() == twin.x.tobytes() and part.x.shape == twin.x.shape
        for field in ("lengths", "labels", "digests", "groups"):
            assert np.array_equal(getattr(part, field), getattr(twin, field))
        assert part.class_names == twin.class_names and part.channel_names == twin.channel_names
    assert (one.scaling is None) == (other.scaling is None)
    if one.scaling is not None and other.scaling is not None:
        for field in ("fill", "mean", "deviation"):
            first, second = getattr(one.scaling, field), getattr(other.scaling, field)
            assert (first is None) == (second is None)
            assert first is None or first.tobytes() == second.tobytes()


@pytest.mark.parametrize("in_memory_mb", [0, 256])
@pytest.mark.parametrize("kind", ["plain", "offset", "holes"])
def test_a_folder_holds_the_sequences_of_its_source(kind, in_memory_mb, tmp_path):
    source = made(kind)
    meta = convert(source, tmp_path / "a")
    splits = folder(str(tmp_path / "a"), in_memory_mb)
    assert is_on_disk(splits) == (in_memory_mb == 0)
    assert_equal(replace(splits, notes=()), source)
    assert splits.fingerprint() == source.fingerprint() == meta.fingerprint
    assert contents(splits) == contents(source)


@pytest.mark.sampled(12)
@pytest.mark.usefixtures("few_at_once")
@pytest.mark.parametrize("missing", ["error", "zero", "mean", "forward"])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("channels", [1, F])
@pytest.mark.parametrize("kind", ["plain", "offset", "holes"])
def test_what_is_prepared_by_parts_has_the_bits_of_what_is_prepared_in_memory(
    kind, channels, standardize, missing, tmp_path
):
    source = made(kind, channels)
    convert(source, tmp_path / "a")
    chosen = options(standardize=standardize, missing=missing)
    results: list[Splits | str] = []
    for splits in (source, mapped(str(tmp_path / "a"))):
        try:
            results.append(prepare(splits, **chosen))
        except ValueError as error:
            results.append(str(error))
    one, other = results
    if isinstance(one, str) or isinstance(other, str):
        assert one == other
        assert "missing values" in str(one) or "cannot hold" in str(one)
    else:
        assert all(isinstance(part, MappedSequences) for part in other.parts.values())
        assert_equal(one, other)


@pytest.mark.parametrize("equal", [True, False])
def test_batches_from_a_file_are_those_from_memory(equal, tmp_path):
    source = made("holes", equal=equal)
    convert(source, tmp_path / "a")
    chosen = options(missing="forward")
    one = dataset_of(prepare(source, **chosen).train)
    other = dataset_of(prepare(mapped(str(tmp_path / "a")), **chosen).train)
    # Another process, such as a worker of a DataLoader, gets a copy.
    copy = pickle.loads(pickle.dumps(other))
    assert len(one) == len(other)
    for rows in EpochBatches(len(one), 7, seed=0):
        batches = [dataset.__getitems__(rows) for dataset in (one, other, copy)]
        for first, *rest in zip(*batches, strict=True):
            assert all(first.equal(tensor) for tensor in rest)
    for first, second in zip(one[3], other[3], strict=True):
        assert first.equal(second)


def test_given_splits_stay_splits_and_share_the_units_of_train(tmp_path):
    rng = np.random.default_rng(0)
    parts = {
        name: RawPart(rng.normal(1e9, 1, (20, 5, 2)), np.arange(20) % 2, None, name)
        for name in ("train", "val", "test")
    }
    source = make_splits(parts)
    convert(source, tmp_path / "a")
    assert mapped(str(tmp_path / "a")).fingerprint() == source.fingerprint()
    assert_equal(prepare(mapped(str(tmp_path / "a")), **options()), prepare(source, **options()))


def test_a_split_may_have_units_of_its_own(tmp_path):
    """Units are those of train where it has any; else each split has the units that it needs."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 5, 2))
    far = x.copy()
    far[:, :, 1] += 1e9
    far[0, 0, 0] = np.nan
    labels = np.arange(20) % 2
    source = make_splits({n: RawPart(v, labels, None, n) for n, v in (("train", x), ("val", far))})
    assert source.train.units is None and source.val is not None and source.val.units is not None
    convert(source, tmp_path / "a")
    assert mapped(str(tmp_path / "a")).fingerprint() == source.fingerprint()
    for standardize in (True, False):
        chosen = options(missing="mean", standardize=standardize)
        assert_equal(prepare(mapped(str(tmp_path / "a")), **chosen), prepare(source, **chosen))


@pytest.mark.parametrize("names", [("train",), ("train", "test")])
def test_groups_stay_together(names, tmp_path):
    """A split may have groups where another has none."""
    rng = np.random.default_rng(0)
    groups = np.arange(60) // 4
    labels = np.arange(60) % 2
    source = make_splits(
        {
            name: RawPart(
                rng.normal(size=(60, 5, 1)), labels, None, name,
                groups=groups if name == "train" else None,
            )
            for name in names
        }
    )  # fmt: skip
    convert(source, tmp_path / "a")
    splits = mapped(str(tmp_path / "a"))
    assert splits.fingerprint() == source.fingerprint()
    assert_equal(prepare(splits, **options()), prepare(source, **options()))
    for name, part in folder(str(tmp_path / "a")).parts.items():
        assert (part.groups is None) == (name == "test")


def test_a_value_too_far_from_train_is_refused_as_in_memory(tmp_path):
    x = np.random.default_rng(0).normal(size=(20, 5, 1)).astype(np.float32) * 1e-30
    far = x.copy()
    far[3, 2] = 1e30
    labels = np.arange(20) % 2
    source = make_splits(
        {
            name: RawPart(values, labels, None, name)
            for name, values in (("train", x), ("test", far))
        }
    )
    convert(source, tmp_path / "a")
    chosen = options(val_fraction=0)
    messages: list[str] = []
    for splits in (source, mapped(str(tmp_path / "a"))):
        with pytest.raises(ValueError, match="of test is too far") as caught:
            prepare(splits, **chosen)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_constant_channels_are_noted(tmp_path):
    x = np.random.default_rng(0).normal(size=(20, 5, 2)).astype(np.float32)
    x[:, :, 1] = 0.1
    source = Splits(make_sequences(x, np.arange(20) % 2))
    convert(source, tmp_path / "a")
    one, other = prepare(source, **options()), prepare(mapped(str(tmp_path / "a")), **options())
    assert "constant in train" in one.notes[0]
    assert_equal(one, other)


def test_read_gives_the_values_themselves(tmp_path):
    source = made("offset").train
    convert(Splits(source), tmp_path / "a")
    stored = read(str(tmp_path / "a"), labelled=False)
    assert stored.class_names == ("a", "b", "c")
    part = stored.parts["train"]
    assert source.units is not None
    values = source.units.zero + source.units.one * source.x
    assert np.array_equal(part.x, values[source.valid])
    assert part.lengths is not None and part.lengths.tolist() == source.lengths.tolist()
    assert part.needed_labels().tolist() == [source.class_names[c] for c in source.labels]


def test_read_maps_each_split_of_the_file(tmp_path):
    x = np.random.default_rng(0).normal(size=(20, 5, 2)).astype(np.float32)
    parts = {
        name: RawPart(x + i, np.arange(20) % 2, None, name)
        for i, name in enumerate(("train", "test"))
    }
    convert(make_splits(parts), tmp_path / "a")
    stored = read_file(tmp_path / "a")
    for i, name in enumerate(("train", "test")):
        assert isinstance(stored.parts[name].x, np.memmap)
        assert np.array_equal(stored.parts[name].x, (x + i).reshape(-1, 2))


def test_a_copied_folder_is_read_once_and_then_known(tmp_path, monkeypatch):
    source = made()
    convert(source, tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b", copy_function=shutil.copyfile)
    os.utime(tmp_path / "b" / "x.bin", ns=(1, 1))
    read_all: list[int] = []
    parts = MappedSequences.parts
    monkeypatch.setattr(MappedSequences, "parts", lambda self: read_all.append(1) or parts(self))
    assert mapped(str(tmp_path / "b")).fingerprint() == source.fingerprint()
    assert len(read_all) == 1
    mapped(str(tmp_path / "b"))
    mapped(str(tmp_path / "a"))
    assert len(read_all) == 1


def change_meta(path: Path, key: str, value: Any) -> None:
    meta = json.loads((path / "meta.json").read_text())
    meta[key] = value
    (path / "meta.json").write_text(json.dumps(meta))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def change_split(path: Path, key: str, value: Any) -> None:
    splits = json.loads((path / "meta.json").read_text())["splits"]
    change_meta(path, "splits", splits | {"train": splits["train"] | {key: value}})


DAMAGE: dict[str, tuple[Any, str]] = {
    "no meta": (lambda p: (p / "meta.json").unlink(), "has no meta.json; expected a folder that"),
    "meta empty": (lambda p: (p / "meta.json").write_text(""), "meta.json is damaged"),
    "meta a list": (lambda p: (p / "meta.json").write_text("[1]"), "meta.json is damaged"),
    "meta deep": (lambda p: (p / "meta.json").write_text("[" * 10**5), "meta.json is damaged"),
    "meta not UTF-8": (lambda p: (p / "meta.json").write_bytes(b"\xff"), "meta.json is damaged"),
    "other format": (lambda p: change_meta(p, "format", "x"), "format is not that of sequences"),
    "new version": (lambda p: change_meta(p, "version", 2), "version 2; this seqsweep reads"),
    "no splits": (lambda p: change_meta(p, "splits", {}), "its splits are none"),
    "splits a list": (lambda p: change_meta(p, "splits", [1]), "meta.json is damaged"),
    "a channel more": (
        lambda p: change_meta(p, "channel_names", list("abcd")), "not one entry for each channel"
    ),
    "an infinite size": (lambda p: change_meta(p, "written", [np.inf, 1]), "meta.json is damaged"),
    "no size": (lambda p: change_meta(p, "written", []), "its sizes are not whole numbers"),
    "a size a text": (lambda p: change_split(p, "steps", "a"), "its sizes are not whole numbers"),
    "fewer sequences": (lambda p: change_split(p, "sequences", 3), "do not fit lengths.npy"),
    "a huge count": (lambda p: change_split(p, "missing", [10**30]), "meta.json is damaged"),
    "no digests": (lambda p: change_meta(p, "digests", {}), "lacks the digest of digests, labels"),
    "no values": (lambda p: (p / "x.bin").unlink(), "x.bin is missing; convert the data again"),
    "values cut off": (lambda p: os.truncate(p / "x.bin", 8), "x.bin has 8 bytes; expected"),
    "a value changed": (lambda p: flip(p / "x.bin"), "x.bin is not the file that was written"),
    "labels changed": (lambda p: flip(p / "labels.npy"), "labels.npy is not the file that was"),
    "no lengths": (lambda p: (p / "lengths.npy").unlink(), "lengths.npy is missing"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_folder_is_refused(damage, tmp_path):
    convert(made(), tmp_path / "a")
    act, message = DAMAGE[damage]
    act(tmp_path / "a")
    for in_memory_mb in (0, 256):
        with pytest.raises(ValueError, match=message):
            folder(str(tmp_path / "a"), in_memory_mb)


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("", ValueError, "path is empty"),
        ("b", FileNotFoundError, "no folder .*b .*current folder"),
        ("aa", FileNotFoundError, "did you mean 'a'"),
        ("file", ValueError, "is a file; expected a folder of `seqsweep data convert`"),
        (".", ValueError, "has no meta.json"),
    ],
)
def test_another_path_is_refused(path, error, message, tmp_path, monkeypatch):
    convert(made(), tmp_path / "a")
    (tmp_path / "file").write_text("")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        folder(path)


def test_a_negative_limit_is_refused(tmp_path):
    with pytest.raises(ValueError, match="in_memory_mb=-1: must be at least 0"):
        folder(str(tmp_path), -1)


def test_a_file_that_is_cut_off_while_it_is_read_is_named(tmp_path):
    convert(made(), tmp_path / "a")
    train = mapped(str(tmp_path / "a")).train
    os.truncate(tmp_path / "a" / "x.bin", 8)
    with pytest.raises(ValueError, match=r"x\.bin is shorter than before"):
        train.select([N - 1]).in_memory()


def test_a_folder_is_replaced_only_if_asked(tmp_path):
    out = tmp_path / "a"
    convert(made(), out)
    with pytest.raises(FileExistsError, match="exists; give --replace"):
        convert(made("holes"), out)
    assert mapped(str(out)).fingerprint() == made().fingerprint()
    convert(made("holes"), out, replace=True)
    assert mapped(str(out)).fingerprint() == made("holes").fingerprint()
    assert os.listdir(tmp_path) == ["a"]  # neither the old nor a temporary folder is left


@pytest.mark.parametrize("fails", ["away", "into its place"])
def test_a_folder_that_cannot_be_replaced_stays(tmp_path, monkeypatch, fails):
    """The old folder is moved away first, then the new one takes its place."""
    out = tmp_path / "a"
    convert(made(), out)
    rename = os.rename

    def refusing(source, target):
        if (Path(source) == out) if fails == "away" else (Path(source).suffix == ".tmp"):
            raise PermissionError(f"{target}: not permitted")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refusing)
    with pytest.raises(PermissionError, match="not permitted"):
        convert(made("holes"), out, replace=True)
    assert mapped(str(out)).fingerprint() == made().fingerprint()
    assert os.listdir(tmp_path) == ["a"]


def test_a_folder_of_something_else_is_never_replaced(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    (tmp_path / "file").write_text("")
    for name in ("mine", "file"):
        with pytest.raises(FileExistsError, match="is not a folder of sequences"):
            convert(made(), tmp_path / name, replace=True)
    assert (tmp_path / "mine" / "thesis.txt").exists()
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        convert(made(), tmp_path / "missing" / "a")


def test_a_conversion_that_ends_early_leaves_nothing(tmp_path, monkeypatch):
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        convert(made(), tmp_path / "a")
    assert os.listdir(tmp_path) == []


def test_augmented_batches_from_a_file_are_those_from_memory(tmp_path):
    source = made("holes")
    convert(source, tmp_path / "a")
    chosen = options(missing="mean")
    augmentation = augmentation_of({"jitter": 0.1, "time_mask": 2}, None)
    assert augmentation is not None
    one, other = (
        AugmentedDataset(prepare(splits, **chosen).train, augmentation, seed=3)
        for splits in (source, mapped(str(tmp_path / "a")))
    )
    plain = dataset_of(prepare(source, **chosen).train)
    rows = [len(one) + row for row in (5, 2, 9)]  # of the second epoch
    assert one.__getitems__(rows).x.equal(other.__getitems__(rows).x)
    assert not one.__getitems__(rows).x.equal(plain.__getitems__([5, 2, 9]).x)


@pytest.mark.parametrize("key", ["crop", "downsample", "impute", "frame"])
def test_a_transform_of_values_on_disk_is_refused(key, tmp_path):
    convert(made(), tmp_path / "a")
    value = {"crop": [0, 3], "impute": "all"}.get(key, 2)
    chosen = options(missing="zero", transform={key: value})
    with pytest.raises(ValueError, match=r"must be null for values that stay on disk; raise data"):
        prepare(mapped(str(tmp_path / "a")), **chosen)
    prepare(folder(str(tmp_path / "a")), **chosen)
