"""The real data sets in the package; files/NOTICE.md has their licence."""

from pathlib import Path

from seqsweep.data.readers import npz
from seqsweep.data.sequences import Splits

FILES = Path(__file__).parent / "files"


def japanese_vowels() -> Splits:
    """Loads two vowels of nine speakers: 270 training sequences, 370 test sequences.

    The class is the speaker. A sequence of speaker 1 with 20 frames begins

        x[0] = [1.861, -0.207, 0.262, -0.215, -0.171, -0.118, ...]

    Shape: 12 channels (LPC cepstrum coefficients), 7 to 29 frames, 9 classes; the official split.

    Source: M. Kudo, J. Toyama, M. Shimbo (1999), Multidimensional Curve Classification Using
    Passing-Through Regions, Pattern Recognition Letters 20(11-13), 1103-1111.
    """
    return npz(str(FILES / "japanese_vowels.npz"))


def digits() -> Splits:
    """Loads handwritten digits, read by rows: 1797 sequences of 8 steps.

    A sequence of class 0 begins with the rows

        x[0] = [0, 0, 5, 13, 9, 1, 0, 0]    x[1] = [0, 0, 13, 15, 10, 15, 5, 0]

    Shape: 8 channels (columns) with values from 0 to 16, 8 steps (rows), 10 classes.

    Source: E. Alpaydin, C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine
    Learning Repository; the part that scikit-learn loads with `load_digits`.
    """
    return npz(str(FILES / "digits.npz"))
