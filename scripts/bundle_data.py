"""Makes the data files of the package from their sources.

    python scripts/bundle_data.py FOLDER

FOLDER holds JapaneseVowels_TRAIN.ts and JapaneseVowels_TEST.ts (UEA archive), and digits.npz with
X (1797, 8, 8) and y (1797,), the arrays `images` and `target` of scikit-learn's `load_digits`. The
files have the same bytes each time.
"""

import argparse
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seqsweep.data.bundled import FILES
from seqsweep.data.sequences import Sequences
from seqsweep.data.ts import ts

Arrays = dict[str, npt.NDArray[Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes the data files of the package.")
    parser.add_argument("folder", type=Path, help="the folder of the source files")
    folder = parser.parse_args().folder
    made = {"japanese_vowels.npz": japanese_vowels(folder), "digits.npz": digits(folder)}
    for name, arrays in made.items():
        write_npz(FILES / name, arrays)
        print(f"{FILES / name}: {(FILES / name).stat().st_size} bytes")


def japanese_vowels(folder: Path) -> Arrays:
    """Returns the official split of JapaneseVowels, as `joined` arrays of each part."""
    train, test = (str(folder / f"JapaneseVowels_{part}.ts") for part in ("TRAIN", "TEST"))
    splits = ts(train, test_path=test)
    assert splits.test is not None
    arrays = joined(splits.train, "train") | joined(splits.test, "test")
    arrays["channel_names"] = np.array([f"cepstrum_{i}" for i in range(1, 13)])
    return arrays


def joined(part: Sequences, split: str) -> Arrays:
    """Returns X (S, F) without padding, lengths (N,) and y (N,).

    S is the sum of the lengths. The numbers have few digits, so float32 keeps them.
    """
    labels = np.array([int(name) for name in part.class_names], dtype=np.uint8)[part.labels]
    return {
        f"X_{split}": part.x[part.valid].astype(np.float32),
        f"lengths_{split}": part.lengths.astype(np.uint8),
        f"y_{split}": labels,
    }


def digits(folder: Path) -> Arrays:
    """Returns the images of scikit-learn's digits, a column at a step."""
    with np.load(folder / "digits.npz", allow_pickle=False) as source:
        x, y = source["X"], source["y"]
    names = np.array([f"column_{i}" for i in range(8)])
    return {"X": x.astype(np.uint8), "y": y.astype(np.uint8), "channel_names": names}


def write_npz(path: Path, arrays: Arrays) -> None:
    """Writes the same as `np.savez_compressed`, but without the time of writing."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            # Otherwise an archive that was written on Windows would differ.
            info.create_system = 3
            info.external_attr = 0o644 << 16
            archive.writestr(info, member.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=9)


if __name__ == "__main__":
    main()
