"""The build picks the compiler, the flags and the variants, and builds only outdated files."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from seqsweep.native import build

X86 = build.Target("x86_64", "linux")
ARM = build.Target("aarch64", "linux")
GCC = ("g++",)
CLANG_OF_ZIG = ("python", "-m", "ziglang", "cc")


@pytest.fixture
def no_compiler(monkeypatch, tmp_path):
    """Hides all compilers: PATH is empty, and Python has no ziglang."""
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(build, "zig", lambda: (sys.executable, "-m", "no_such_module"))


def program(path, text="exit 0"):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_an_x86_machine_has_three_variants_and_another_has_one():
    assert X86.variants == ("x86-64-v4", "x86-64-v3", "portable")
    assert ARM.variants == ("portable",)
    names = {target.file_name("portable") for target in build.TARGETS.values()}
    assert names == {"seqsweep-portable.so", "seqsweep-portable.dylib", "seqsweep-portable.dll"}


def test_a_variant_has_the_instructions_of_its_name():
    v4, v3, portable = (build.compile_flags(GCC, variant, X86) for variant in X86.variants)
    assert set(v4) - set(v3) == {
        *("-mavx512f", "-mavx512bw", "-mavx512cd", "-mavx512dq", "-mavx512vl"),
        '-DSEQSWEEP_VARIANT="x86-64-v4"',
    }
    assert {"-mavx2", "-mfma"} <= set(v3)
    assert not [flag for flag in portable if flag.startswith("-m")]
    # By itself zig would use the instructions of the machine that builds.
    assert "-mcpu=x86_64" in build.compile_flags(CLANG_OF_ZIG, "portable", X86)


def test_no_compile_command_lets_the_compiler_choose_the_bits():
    """No compiler may fuse products and sums on its own."""
    for target in (X86, ARM, *build.TARGETS.values()):
        for compiler in (GCC, CLANG_OF_ZIG):
            for variant in target.variants:
                flags = build.compile_flags(compiler, variant, target)
                assert "-ffp-contract=off" in flags
                assert not {"-ffast-math", "-march=native", "-Ofast"} & set(flags)


def test_the_compiler_named_by_cxx_is_used(no_compiler, monkeypatch, tmp_path):
    mine = program(tmp_path / "mine")
    program(tmp_path / "c++")
    monkeypatch.setenv("CXX", f"{mine} -m64")
    assert build.find_compiler() == (str(mine), "-m64")


def test_a_working_compiler_in_path_is_used(no_compiler, tmp_path):
    assert build.find_compiler() is None
    program(tmp_path / "c++", "exit 1")  # as on macOS without its developer tools
    program(tmp_path / "clang++")
    assert build.find_compiler() == ("clang++",)


def test_ziglang_is_used_if_there_is_no_other_compiler(no_compiler, monkeypatch, tmp_path):
    folder = tmp_path / "ziglang"
    folder.mkdir()
    (folder / "__main__.py").write_text("")
    monkeypatch.setattr(build, "zig", lambda: (sys.executable, str(folder), "cc"))
    assert build.find_compiler() == (sys.executable, str(folder), "cc")


def test_the_build_without_a_compiler_fails_with_a_message(
    no_compiler, monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(build, "LIB", tmp_path / "lib")
    with pytest.raises(build.BuildError, match="no C\\+\\+ compiler"):
        build.build(tmp_path / "lib")
    assert build.main(["--compiler"]) == 1
    assert capsys.readouterr().out == "C++ compiler: not found\n"
    assert build.main(["--fast"]) == 2


def test_the_output_of_the_compiler_is_in_the_build_error(tmp_path):
    failing = program(tmp_path / "cc", "echo no such flag >&2; exit 1")
    with pytest.raises(build.BuildError, match="no such flag"):
        build.build(tmp_path / "lib", (str(failing),))
    assert list((tmp_path / "lib").iterdir()) == []


def test_only_outdated_libraries_are_built(tmp_path, monkeypatch):
    """A fake compiler writes its arguments into the file, the digest of the source included."""
    text = 'for last; do :; done; for one; do echo "$one" >> "$last"; done; echo run >> log'
    compiler = (str(program(tmp_path / "cc", text)),)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(build, "LIB", tmp_path / "lib")
    log = tmp_path / "log"
    link = build.recipe(compiler, "portable", ARM, Path("x")).link
    assert link[-2:] == ["-o", "x"]
    made = build.build(tmp_path / "lib", compiler, ARM)
    assert [path.name for path in made] == ["seqsweep-portable.so"]
    made[0].write_bytes(build.source_digest().encode())
    log.unlink()
    assert build.build(tmp_path / "lib", compiler, ARM) == []
    assert not log.exists()
    monkeypatch.setattr(build, "source_digest", lambda: "0" * 16)
    assert build.build(tmp_path / "lib", compiler, ARM) == made


def test_the_digest_of_the_source_changes_with_the_source(monkeypatch, tmp_path):
    before = build.source_digest.__wrapped__()
    copy = shutil.copytree(build.SOURCE, tmp_path / "source")
    monkeypatch.setattr(build, "SOURCE", copy)
    assert build.source_digest.__wrapped__() == before
    with (copy / "seqsweep.cpp").open("a") as file:
        file.write("// changed\n")
    assert build.source_digest.__wrapped__() != before


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
