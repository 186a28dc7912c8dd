"""Builds the C++ library for every instruction set of this kind of machine.

    python -m seqsweep.native.build               # builds the missing and the outdated variants
    python -m seqsweep.native.build --compiler    # names the compiler; exit code 1 if there is none

This file imports only the standard library, because the build hook loads it by its path.
"""

import concurrent.futures
import functools
import hashlib
import os
import platform
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent
SOURCE = FOLDER / "source"
LIB = FOLDER / "lib"

# The instruction sets are spelled out, because `-march=x86-64-v4` needs g++ 11 and these flags
# only g++ 7.
_V3 = ("-msse4.2", "-mpopcnt", "-mcx16", "-mavx2", "-mfma", "-mf16c", "-mbmi", "-mbmi2", "-mlzcnt")
_V4 = (*_V3, "-mavx512f", "-mavx512bw", "-mavx512cd", "-mavx512dq", "-mavx512vl")
X86: Mapping[str, tuple[str, ...]] = {"x86-64-v4": _V4, "x86-64-v3": _V3, "portable": ()}
"""The flags of each variant on an x86-64 machine, the fastest variant first."""

FLAGS = (
    "-std=c++17",
    "-O3",
    # The compiler must not fuse a product and a sum on its own, because the bits would then depend
    # on the compiler. The source names each fused multiply-add.
    "-ffp-contract=off",
    # sqrt becomes one instruction, without a call of libm that sets errno.
    "-fno-math-errno",
    # The library must load without libstdc++: no exceptions, no type information, no locks around
    # the first use of a static variable.
    "-fno-exceptions",
    "-fno-rtti",
    "-fno-threadsafe-statics",
    # Only the functions that the source marks are exported.
    "-fvisibility=hidden",
)

Command = tuple[str, ...]


class BuildError(Exception):
    """A missing or failing compiler; the message is shown to the user."""


class Target(NamedTuple):
    """A machine that the library is built for.

    Attributes:
        machine: the CPU, as in `platform.machine()`, in lower case.
        system: `linux`, `darwin` or `win32`, as in `sys.platform`.
        triple: the name of the machine for zig; None for the machine that builds.
    """

    machine: str
    system: str
    triple: str | None = None

    @property
    def variants(self) -> tuple[str, ...]:
        """The variants that such a machine may run, the fastest first."""
        return tuple(X86) if self.machine in ("x86_64", "amd64") else ("portable",)

    def file_name(self, variant: str) -> str:
        """Returns the name of a variant's library."""
        suffix = {"darwin": ".dylib", "win32": ".dll"}.get(self.system, ".so")
        return f"seqsweep-{variant}{suffix}"


HERE = Target(platform.machine().lower(), sys.platform)
TARGETS = {
    "manylinux_2_17_x86_64": Target("x86_64", "linux", "x86_64-linux-gnu.2.17"),
    "manylinux_2_17_aarch64": Target("aarch64", "linux", "aarch64-linux-gnu.2.17"),
    "macosx_11_0_arm64": Target("arm64", "darwin", "aarch64-macos.11.0"),
    "win_amd64": Target("amd64", "win32", "x86_64-windows-gnu"),
}
"""The machines that wheels are built for, by the platform tag of the wheel."""


@functools.cache
def source_digest() -> str:
    """Returns a digest of the sources and the flags, in 16 characters.

    Raises:
        OSError: the source cannot be read.
    """
    digest = hashlib.sha256()
    for path in sorted((*SOURCE.iterdir(), Path(__file__)), key=lambda path: path.name):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def find_compiler() -> Command | None:
    """Returns the command of a C++ compiler; None if none is found.

    It is the compiler in `$CXX` if that is set, else one in PATH, else that of ziglang.
    """
    candidates: Iterator[Command] = (
        iter([tuple(shlex.split(os.environ["CXX"]))]) if os.environ.get("CXX") else _candidates()
    )
    return next((command for command in candidates if _works(command)), None)


def zig() -> Command:
    """Returns the command of ziglang's compiler.

    It is the C driver, which compiles C++ too. The C++ driver first builds libc++, which takes a
    minute.
    """
    return (sys.executable, "-m", "ziglang", "cc")


def _candidates() -> Iterator[Command]:
    for name in ("c++", "g++", "clang++"):
        if shutil.which(name):
            yield (name,)
    yield zig()


def _works(command: Command) -> bool:
    try:
        process = subprocess.run(
            [*command, "--version"], capture_output=True, check=False, env=_environment()
        )
    except OSError:
        return False
    return process.returncode == 0


def _environment() -> dict[str, str]:
    """Returns the environment for a compiler, without the variables of Python.

    While pip builds a wheel, these variables hide installed packages, ziglang among them.
    """
    hidden = ("PYTHONPATH", "PYTHONNOUSERSITE")
    return {name: value for name, value in os.environ.items() if name not in hidden}


class Recipe(NamedTuple):
    """The commands that build one variant: `compile` in any order, then `link`.

    Compiling and linking are separate commands because of zig. It builds its start-up code anew
    for each instruction set that it links for, which takes a minute for Windows.
    """

    compile: list[list[str]]
    link: list[str]


def recipe(compiler: Command, variant: str, target: Target, output: Path) -> Recipe:
    """Returns the commands that build one variant; object files are written beside `output`."""
    # -s drops the symbols of the debugger, which make up most of the size.
    link = [*_driver(compiler, target), "-shared", "-s"]
    if _is_zig(compiler):
        link += ["-nostdlib++"]
    elif target.system == "linux":
        # The C++ driver links libstdc++ and libm; the linker drops them if they are not needed.
        link += ["-Wl,--as-needed"]
    if target.system == "darwin":
        # Otherwise the library stores the path of the folder in which it was built.
        link += [f"-Wl,-install_name,@rpath/{output.name}"]
    flags = compile_flags(compiler, variant, target)
    objects = {f"{output}.{source.stem}.o": source for source in sorted(SOURCE.glob("*.cpp"))}
    return Recipe(
        [[*flags, "-c", str(source), "-o", name] for name, source in objects.items()],
        [*link, *objects, "-o", str(output)],
    )


def compile_flags(compiler: Command, variant: str, target: Target) -> list[str]:
    """Returns the compiler with all flags that determine a variant's instructions."""
    flags = [*_driver(compiler, target), *FLAGS]
    if len(target.variants) > 1:
        flags += X86[variant]
    # On Windows all code is position independent without this flag.
    if target.system != "win32":
        flags += ["-fPIC"]
    defines = {"VARIANT": variant, "SOURCE": source_digest()}
    return [*flags, *(f'-DSEQSWEEP_{name}="{value}"' for name, value in defines.items())]


def _driver(compiler: Command, target: Target) -> list[str]:
    if target.triple:
        return [*compiler, "-target", target.triple]
    if _is_zig(compiler) and len(target.variants) > 1:
        # Otherwise zig uses every instruction of the machine that builds.
        return [*compiler, "-mcpu=x86_64"]
    return [*compiler]


def _is_zig(compiler: Command) -> bool:
    return any("zig" in Path(word).name for word in compiler)


def is_current(path: Path) -> bool:
    """Returns whether a library is complete and contains the digest of the current source."""
    return (
        path.is_file() and not is_cut_short(path) and source_digest().encode() in path.read_bytes()
    )


def is_cut_short(path: Path) -> bool:
    """Returns whether a library for Linux lacks its end.

    Linux loads such a file, and the first access to the missing part kills the process. macOS and
    Windows check the size on their own.
    """
    with path.open("rb") as file:
        header = file.read(64)
    # A file without the header of a 64-bit ELF is for another system, or the loader refuses it.
    if len(header) < 64 or not header.startswith(b"\x7fELF\x02"):
        return False
    # The section table is the last part of the file.
    (begin,) = struct.unpack_from("<Q", header, 40)
    size, count = struct.unpack_from("<HH", header, 58)
    return begin + size * count > path.stat().st_size


def build(folder: Path = LIB, compiler: Command | None = None, target: Target = HERE) -> list[Path]:
    """Builds the missing and the outdated variants in a folder; returns their paths.

    Raises:
        BuildError: no compiler was found, or it failed.
        OSError: the folder cannot be written.
    """
    paths = {variant: folder / target.file_name(variant) for variant in target.variants}
    missing = {variant: path for variant, path in paths.items() if not is_current(path)}
    if not missing:
        return []
    compiler = compiler or find_compiler()
    if compiler is None:
        raise BuildError("no C++ compiler: neither $CXX, c++, g++, clang++ nor ziglang was found")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        outputs = {variant: Path(temporary) / path.name for variant, path in missing.items()}
        recipes = [recipe(compiler, variant, target, path) for variant, path in outputs.items()]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(run, [command for each in recipes for command in each.compile]))
            list(pool.map(run, [each.link for each in recipes]))
        # A renamed file has another inode, so a process that has loaded the old library keeps it.
        for variant, path in missing.items():
            os.replace(outputs[variant], path)
    return list(missing.values())


def run(command: Sequence[str]) -> None:
    """Runs a command of a compiler.

    Raises:
        BuildError: it failed; the message holds its output.
    """
    process = subprocess.run(
        command, capture_output=True, text=True, check=False, env=_environment()
    )
    if process.returncode:
        output = process.stderr.strip() or f"exit code {process.returncode}"
        raise BuildError(f"{shlex.join(command)}\n{output}")


def main(arguments: Sequence[str]) -> int:
    """Builds the library for this machine, or names the compiler; returns the exit code."""
    if arguments == ["--compiler"]:
        compiler = find_compiler()
        print(f"C++ compiler: {'not found' if compiler is None else shlex.join(compiler)}")
        return int(compiler is None)
    if arguments:
        print(f"{arguments[0]}: the only option is --compiler", file=sys.stderr)
        return 2
    try:
        paths = build()
    except (BuildError, OSError) as error:
        print(f"native engine not built: {error}", file=sys.stderr)
        return 1
    for path in paths:
        print(f"built {path.name}: {path.stat().st_size / 1e3:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
