"""The compiled library, found and loaded once."""

import ctypes
import functools
import hashlib
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parent / "source"
FLAGS = (
    "-O3 -std=c++17 -shared -fPIC -fno-exceptions -fno-rtti -ffp-contract=off -fno-math-errno"
).split()
MARCH = {"x86-64-v4": "x86-64-v4", "x86-64-v3": "x86-64-v3", "portable": "x86-64"}


@dataclass
class Library:
    """A loaded library."""

    handle: ctypes.CDLL
    variant: str
    compiler: str
    path: Path


@functools.cache
def library() -> Library | None:
    """The library of this machine's best variant; None where it was not built."""
    forced = os.environ.get("SEQSWEEP_NATIVE", "")
    if forced == "off":
        return None
    cpu = Path("/proc/cpuinfo").read_text()
    best = "x86-64-v4" if "avx512vl" in cpu else "x86-64-v3" if "avx2" in cpu else "portable"
    variant = forced or best
    content = b"".join(path.read_bytes() for path in sorted(SOURCE.iterdir()))
    digest = hashlib.sha256(content).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"seqsweep-{os.getuid()}-{digest}-{variant}.so"
    if not path.exists():
        target = path.with_suffix(f".{os.getpid()}")
        command = ["g++", *FLAGS, f"-march={MARCH[variant]}", SOURCE / "seqsweep.cpp"]
        subprocess.run([*command, "-o", target], check=True)
        target.rename(path)
    return Library(ctypes.CDLL(str(path)), variant, "g++", path)


def why_missing() -> str | None:
    """Why there is no library; None where there is one."""
    return None if library() else "SEQSWEEP_NATIVE=off"
