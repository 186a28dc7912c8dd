"""Makes the data files of the package from their sources.

    python scripts/bundle_data.py

The sources are JapaneseVowels of the UEA archive, which aeon holds, and scikit-learn's
`load_digits`. The files have the same bytes each time.
"""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits

from seqsweep.data.aeon_sets import archive
from seqsweep.data.bundled import FILES
from seqsweep.data.sequences import Sequences

Arrays = dict[str, npt.NDArray[Any]]


def main() -> None:
    made = {"japanese_vowels.npz": japanese_vowels(), "digits.npz": digits()}
    for name, arrays in made.items():
        write_npz(FILES / name, arrays)
        print(f"{FILES / name}: {(FILES / name).stat().st_size} bytes")


def japanese_vowels() -> Arrays:
    """Returns the official split of JapaneseVowels, as `joined` arrays of each part."""
    splits = archive("JapaneseVowels")
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


def digits() -> Arrays:
    """Returns the images of scikit-learn's digits, a row at a step."""
    source: Any = load_digits()
    names = np.array([f"column_{i}" for i in range(8)])
    x, y = source.images.astype(np.uint8), source.target.astype(np.uint8)
    return {"X": x, "y": y, "channel_names": names}


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
