"""The build picks the compiler, the flags and the variants, and builds only outdated files."""

import re
import shutil
import subprocess
import sys

import pytest

from seqsweep.native import build

X86 = build.Target("x86_64", "linux")
ARM = build.Target("aarch64", "linux")
GCC = ("g++",)
CLANG_OF_ZIG = ("python", "-m", "ziglang", "cc")


def program(path, text="exit 0"):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_no_compile_command_lets_the_compiler_choose_the_bits():
    """No compiler may fuse products and sums on its own, or use what only the builder has."""
    for target in (X86, ARM, *build.TARGETS.values()):
        for compiler in (GCC, CLANG_OF_ZIG):
            for variant in target.variants:
                flags = build.compile_flags(compiler, variant, target)
                assert "-ffp-contract=off" in flags
                assert not {"-ffast-math", "-march=native", "-Ofast"} & set(flags)
    # By itself zig would use the instructions of the machine that builds.
    assert "-mcpu=x86_64" in build.compile_flags(CLANG_OF_ZIG, "portable", X86)


def test_cxx_comes_before_path_and_ziglang_is_last(no_compiler, monkeypatch, tmp_path):
    assert build.find_compiler() is None
    no_compiler.mkdir()
    (no_compiler / "__main__.py").write_text("")
    assert build.find_compiler() == build.zig()
    program(tmp_path / "c++", "exit 1")  # as on macOS without its developer tools
    program(tmp_path / "clang++")
    assert build.find_compiler() == ("clang++",)
    mine = program(tmp_path / "mine")
    monkeypatch.setenv("CXX", f"{mine} -m64")
    assert build.find_compiler() == (str(mine), "-m64")


@pytest.mark.usefixtures("no_compiler")
def test_the_build_without_a_compiler_fails_with_a_message(tmp_path, capsys):
    with pytest.raises(build.BuildError, match="no C\\+\\+ compiler"):
        build.build(tmp_path / "lib")
    assert build.main(["--compiler"]) == 1
    assert capsys.readouterr().out == "C++ compiler: not found\n"
    assert build.main(["--fast"]) == 2


def test_only_outdated_libraries_are_built(tmp_path, monkeypatch):
    """A fake compiler writes its arguments into the file, the digest of the source included."""
    text = 'for last; do :; done; for one; do echo "$one" >> "$last"; done; echo run >> log'
    compiler = (str(program(tmp_path / "cc", text)),)
    monkeypatch.chdir(tmp_path)
    log = tmp_path / "log"
    made = build.build(tmp_path / "lib", compiler, ARM)
    assert [path.name for path in made] == ["seqsweep-portable.so"]
    made[0].write_bytes(build.source_digest().encode())
    log.unlink()
    assert build.build(tmp_path / "lib", compiler, ARM) == []
    assert not log.exists()
    made[0].write_bytes(b"0" * 16)
    assert build.build(tmp_path / "lib", compiler, ARM) == made


def test_the_digest_changes_with_the_source(tmp_path, monkeypatch):
    digest = build.source_digest.__wrapped__  # the function itself keeps its first result
    before = digest()
    monkeypatch.setattr(build, "SOURCE", shutil.copytree(build.SOURCE, tmp_path / "source"))
    assert digest() == before
    with (tmp_path / "source/seqsweep.cpp").open("a") as file:
        file.write("// changed\n")
    assert digest() != before


@pytest.mark.skipif(sys.platform != "linux", reason="/proc lists the loaded libraries")
@pytest.mark.parametrize("path", sorted(build.LIB.glob("*.so")), ids=lambda path: path.name)
def test_a_library_exports_the_marked_functions_and_loads_no_other_library(path):
    code = """
import ctypes, sys
def loaded():
    return {line.split()[-1] for line in open("/proc/self/maps") if ".so" in line}
before = loaded()
handle = ctypes.CDLL(sys.argv[1])
[getattr(handle, name) for name in sys.argv[2:]]
print(loaded() - before == {sys.argv[1]})
"""
    text = "\n".join(file.read_text() for file in build.SOURCE.glob("*.cpp"))
    names = re.findall(r"^SEQSWEEP_EXPORT [^(]*?\b(seqsweep_\w+)\(", text, re.MULTILINE)
    assert {"seqsweep_run", "seqsweep_cpu_level"} <= {*names}
    command = [sys.executable, "-c", code, path, *names]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
