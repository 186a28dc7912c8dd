"""A conversion in bounded memory writes what a conversion in memory writes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqsweep.data import streams
from seqsweep.data.convert import convert
from seqsweep.data.convert_stream import convert_stream
from seqsweep.data.mapped import mapped
from seqsweep.data.readers import npz
from seqsweep.data.streams import npz_stream

N = 40
LENGTHS = np.random.default_rng(1).integers(2, 13, N)
LABELS = np.arange(N) % 3


def values(dtype: Any = np.float32, channels: int = 2) -> np.ndarray[Any, Any]:
    x = np.random.default_rng(0).normal(size=(N, 12, channels)) * 100
    return x.astype(dtype)


def offset() -> np.ndarray[Any, Any]:
    """Values with a channel that float32 cannot hold, and missing ones."""
    x = values(np.float64, 3)
    x[:, :, 1] += 1e9
    x[np.random.default_rng(2).random(x.shape) < 0.05] = np.nan
    return x


VALID = np.arange(12) < LENGTHS[:, None]
FILES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "padded": ({"X": values(), "y": LABELS, "lengths": LENGTHS}, {}),
    "equal": ({"X": values(), "y": LABELS}, {}),
    "whole numbers": ({"X": values(np.int16), "y": LABELS, "lengths": LENGTHS}, {}),
    "booleans": ({"X": values() > 0, "y": LABELS, "lengths": LENGTHS}, {}),
    "float64": ({"X": values(np.float64), "y": LABELS, "lengths": LENGTHS}, {}),
    "units": ({"X": offset(), "y": LABELS, "lengths": LENGTHS}, {}),
    "fortran": ({"X": np.asfortranarray(values()), "y": LABELS, "lengths": LENGTHS}, {}),
    "one channel": ({"X": values()[:, :, 0], "y": LABELS, "lengths": LENGTHS}, {}),
    "joined": ({"X": values()[VALID], "y": LABELS, "lengths": LENGTHS}, {}),
    "joined, one channel": (
        {"X": offset()[:, :, 1][VALID], "y": LABELS, "lengths": LENGTHS}, {}
    ),
    "time first": (
        {"X": offset().swapaxes(0, 1), "y": LABELS, "lengths": LENGTHS}, {"layout": "time_first"}
    ),
    "channels first": (
        {"X": values().swapaxes(1, 2), "y": LABELS, "lengths": LENGTHS},
        {"layout": "channels_first"},
    ),
    "splits and names": (
        {
            "X_train": offset()[:30], "y_train": LABELS[:30], "X_test": offset()[30:],
            "y_test": LABELS[30:], "lengths_test": LENGTHS[30:],
            "class_names": ["a", "b", "c"], "channel_names": ["u", "v", "w"],
        },
        {},
    ),
}  # fmt: skip


def as_folder(source: Any, stream: Any, tmp_path: Path) -> dict[str, bytes]:
    """Converts both ways, and returns the files of the second."""
    convert(source, tmp_path / "memory")
    convert_stream(stream, tmp_path / "stream")
    contents = [
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("memory", "stream")
    ]
    for files in contents:  # meta.json holds the time of x.bin
        files["meta.json"] = b"\n".join(files["meta.json"].splitlines()[:-5])
    assert contents[0] == contents[1]
    return contents[1]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", FILES)
def test_an_npz_file_is_converted_as_in_memory(kind, compressed, tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "_AT_ONCE", 100)
    arrays, options = FILES[kind]
    save = np.savez_compressed if compressed else np.savez
    save(tmp_path / "a.npz", **arrays)
    path = str(tmp_path / "a.npz")
    (tmp_path / "scratch").mkdir()
    as_folder(npz(path, **options), npz_stream(tmp_path / "scratch", path, **options), tmp_path)


def test_a_test_file_becomes_the_test_split(tmp_path):
    np.savez(tmp_path / "a.npz", X=values(), y=LABELS)
    np.savez(tmp_path / "b.npz", X=offset()[:, :, :2], y=LABELS, lengths=LENGTHS)
    paths = [str(tmp_path / name) for name in ("a.npz", "b.npz")]
    (tmp_path / "scratch").mkdir()
    stream = npz_stream(tmp_path / "scratch", paths[0], test_path=paths[1])
    as_folder(npz(paths[0], test_path=paths[1]), stream, tmp_path)
    assert mapped(str(tmp_path / "stream")).parts.keys() == {"train", "test"}


TS = """@problemName toy
@classLabel true b a
@data
1,2,?:0.1,0.2,0.3:a
# a comment
4,5:1e9,7:b
1000000001.5,2:0,0:b
"""


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": values(), "y": LABELS[:-1]}, "there are 39 labels"),
        ({"X": values(), "y": np.zeros(N, int)}, "only one class"),
        ({"X": values(), "y": LABELS, "lengths": LENGTHS * 0}, "length 0; must be between"),
        ({"X": values().astype(str), "y": LABELS}, "expected real numbers"),
        ({"X": values(), "y": LABELS, "channel_names": ["a"]}, "1 channel_names for 2 channels"),
        ({"X": values(), "y": LABELS, "channel_names": ["a", "a"]}, "'a' more than once"),
        ({"X_train": values(), "y_train": LABELS, "X_test": offset(), "y_test": LABELS},
         "3 channels, but .*has 2; both must be equal"),
        ({"X": values()[VALID][1:], "y": LABELS, "lengths": LENGTHS}, "sequences"),
    ],
)  # fmt: skip
def test_bad_arrays_are_refused(arrays, message, tmp_path):
    np.savez(tmp_path / "a.npz", **arrays)
    (tmp_path / "scratch").mkdir()

    def converted() -> None:
        stream = npz_stream(tmp_path / "scratch", str(tmp_path / "a.npz"))
        convert_stream(stream, tmp_path / "out")

    with pytest.raises((ValueError, TypeError), match=message):
        converted()
    assert not (tmp_path / "out").exists()


def test_an_infinite_value_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "_AT_ONCE", 100)
    x = values(np.float64)
    x[33, 1, 1] = np.inf
    x[34, 0, 0] = 1e300
    np.savez(tmp_path / "a.npz", X=x, y=LABELS, lengths=np.maximum(LENGTHS, 2))
    (tmp_path / "scratch").mkdir()
    stream = npz_stream(tmp_path / "scratch", str(tmp_path / "a.npz"))
    with pytest.raises(ValueError, match="x is inf at sequence 33, step 1, channel 1"):
        convert_stream(stream, tmp_path / "out")


def test_damage_is_found_while_an_array_is_extracted(tmp_path):
    np.savez(tmp_path / "a.npz", X=values(), y=LABELS)
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[2000] ^= 1
    (tmp_path / "a.npz").write_bytes(content)
    (tmp_path / "scratch").mkdir()
    with pytest.raises(ValueError, match="key X is cut off or damaged"):
        npz_stream(tmp_path / "scratch", str(tmp_path / "a.npz"))
