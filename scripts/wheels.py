"""Builds and checks a wheel for each platform, with libraries that ziglang compiles.

    python scripts/wheels.py

The wheels are written to dist/.
"""

import importlib
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from seqsweep.native.build import SOURCE, TARGETS, Target

# lief reads the libraries of all platforms. `make wheels` installs it; type checks do not need it.
lief: Any = importlib.import_module("lief")

CHECKOUT = Path(__file__).parents[1]
DIST = CHECKOUT / "dist"
PURE = "any"
IMPORTS = {
    "linux": r"libc\.so\.6",
    "darwin": r"/usr/lib/libSystem\.B\.dylib",
    "win32": r"KERNEL32\.dll|api-ms-win-crt-[a-z]+-l1-1-0\.dll",
}
"""The libraries that every machine of a platform has, so that a wheel may need them."""

OLDEST_GLIBC = (2, 17)


def main() -> None:
    lief.logging.disable()  # lief warns of empty tables
    for platform in (*TARGETS, PURE):
        wheel = build_wheel(platform, DIST)
        print(f"{wheel.name}  {wheel.stat().st_size / 1e6:.2f} MB", flush=True)
        check_wheel(wheel, platform)


def build_wheel(platform: str, folder: Path) -> Path:
    """Builds the wheel of a platform into a folder and returns its path."""
    for old in folder.glob(f"seqsweep-*-{platform}.whl"):
        old.unlink()
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "wheel"]
    environment = os.environ | {"SEQSWEEP_WHEEL": platform}
    command = [*pip, "--no-deps", "--wheel-dir", folder, CHECKOUT]
    subprocess.run(command, env=environment, check=True)
    (wheel,) = folder.glob(f"seqsweep-*-py3-none-{platform}.whl")
    return wheel


def check_wheel(wheel: Path, platform: str) -> None:
    """Exits unless the tag, the files and the libraries of a wheel are right."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith(".dist-info/WHEEL"))
        text = archive.read(metadata).decode()
        libraries = {Path(name).name for name in names if name.startswith("seqsweep/native/lib/")}
        target = TARGETS.get(platform)
        variants = () if target is None else target.variants
        expected = set() if target is None else {target.file_name(name) for name in variants}
        demand(f"Tag: py3-none-{platform}\n" in text, f"{wheel.name}: {text}")
        purelib = f"Root-Is-Purelib: {'true' if target is None else 'false'}\n"
        demand(purelib in text, f"{wheel.name}: {text}")
        demand(libraries == expected, f"{wheel.name}: expected {expected}, got {libraries}")
        for file in ("seqsweep/native/source/seqsweep.cpp", "seqsweep/conf/train.yaml"):
            demand(file in names, f"{wheel.name}: has no {file}")
        for name in sorted(libraries):
            assert target is not None
            check_library(name, archive.read(f"seqsweep/native/lib/{name}"), target)


def check_library(name: str, content: bytes, target: Target) -> None:
    """Checks that a library exports all functions and needs only libraries of `IMPORTS`."""
    binary: Any = lief.parse(content)
    exported = {str(function.name).removeprefix("_") for function in binary.exported_functions}
    missing = exported_functions() - exported
    demand(not missing, f"{name}: does not export {missing}")
    # A library for macOS also lists itself.
    needed = sorted({getattr(library, "name", library) for library in binary.libraries})
    needed = [library for library in needed if library != f"@rpath/{name}"]
    foreign = [one for one in needed if not re.fullmatch(IMPORTS[target.system], one)]
    demand(not foreign, f"{name}: needs {foreign}")
    if target.system == "darwin":
        # macOS on arm64 refuses to load unsigned code.
        demand(binary.has_code_signature, f"{name}: is not signed")
    if target.system == "linux":
        newest = max(glibc_versions(binary), default=OLDEST_GLIBC)
        demand(newest <= OLDEST_GLIBC, f"{name}: needs glibc {newest}")
    print(f"  {name}: {len(content) / 1e3:.0f} kB, needs {', '.join(needed) or 'nothing'}")


def exported_functions() -> set[str]:
    """Returns the names that the source marks as exported."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in SOURCE.glob("*.cpp"))
    return set(re.findall(r"^SEQSWEEP_EXPORT [^(]*?\b(seqsweep_\w+)\(", text, re.MULTILINE))


def glibc_versions(binary: Any) -> Iterable[tuple[int, int]]:
    """Yields the versions of glibc whose symbols a library for Linux uses."""
    for requirement in binary.symbols_version_requirement:
        for symbol in requirement.get_auxiliary_symbols():
            major, minor, *_ = re.findall(r"\d+", symbol.name)
            yield int(major), int(minor)


def demand(condition: bool, message: str) -> None:
    """Exits with the message unless the condition holds."""
    if not condition:
        sys.exit(message)


if __name__ == "__main__":
    main()
