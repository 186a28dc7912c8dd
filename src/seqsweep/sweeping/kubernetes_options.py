"""The option types of `seqsweep kubernetes`: what Kubernetes accepts."""

import argparse
import re
from collections.abc import Callable
from pathlib import PurePosixPath

from seqsweep.sweeping.work import seconds

_LEAST_MEMORY = 128 * 2**20
LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
LONGEST_LABEL = 63
_IMAGE = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::\d+)?/)?"  # the registry
    r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
    r"(?::\w[\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_UNITS = {
    "": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40,
}  # fmt: skip


def name_like(pattern: str, longest: int, example: str) -> Callable[[str], str]:
    """Returns an option type: the names that Kubernetes allows (RFC 1123)."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text) or len(text) > longest:
            dots = ", dots" if r"\." in pattern else ""
            raise argparse.ArgumentTypeError(
                f"={text}: must be at most {longest} lower-case letters, digits{dots} and hyphens, "
                f"with a letter or digit at both ends, such as {example}"
            )
        return text

    return check


def image(text: str) -> str:
    if not _IMAGE.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"={text}: must be the name of an image, such as registry.example/seqsweep:0.1.0"
        )
    return text


def mount_path(text: str) -> str:
    path = PurePosixPath(text)
    if not path.is_absolute() or ".." in path.parts or ":" in text or len(path.parts) < 2:
        raise argparse.ArgumentTypeError(
            f"={text}: must be an absolute path without '..' and ':', such as /data"
        )
    return str(path)


def memory(text: str) -> str:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([A-Za-z]*)", text)
    if match is None or match[2] not in _UNITS:
        raise argparse.ArgumentTypeError(f"={text}: must be a size, such as 512Mi or 4Gi")
    if float(match[1]) * _UNITS[match[2]] < _LEAST_MEMORY:
        raise argparse.ArgumentTypeError(f"={text}: must be at least 128Mi; 4Gi is 4 gibibytes")
    return text


def time_span(text: str) -> str:
    if seconds(text) <= 0:
        raise argparse.ArgumentTypeError(f"={text}: must be above 0")
    return text
