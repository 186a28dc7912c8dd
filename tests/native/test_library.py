"""The library is loaded in the fastest variant, or one line says why it is missing."""

import ctypes
import importlib.util
import shutil
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from seqsweep.native import build, library


def portable_on(level) -> Any:
    """Returns a fake of the portable library on a CPU of another level of x86-64."""
    return types.SimpleNamespace(seqsweep_cpu_level=lambda: level)


@pytest.fixture
def lib(tmp_path):
    """A copy of the built library."""
    return shutil.copytree(build.LIB, tmp_path / "lib")


def load(choice, folder):
    return library._load.__wrapped__(choice, folder)


def reason(folder) -> str:
    """Returns the line on why nothing is loaded from a folder."""
    line = load(None, folder)
    assert isinstance(line, str)
    return line


@pytest.mark.skipif(len(build.HERE.variants) == 1, reason="the variants are those of x86-64")
@pytest.mark.parametrize(
    ("level", "variants"),
    [
        (4, ("x86-64-v4", "x86-64-v3", "portable")),
        (3, ("x86-64-v3", "portable")),
        (1, ("portable",)),
    ],
)
def test_a_cpu_runs_the_variants_up_to_its_level(level, variants):
    assert library._runnable(portable_on(level)) == variants


def test_the_fastest_variant_is_loaded_and_described(monkeypatch):
    monkeypatch.delenv("SEQSWEEP_NATIVE", raising=False)
    loaded = library.library()
    assert loaded is not None
    assert loaded.variant == library.runnable_variants()[0]
    assert library.describe() == {"variant": loaded.variant, "compiler": loaded.compiler}
    assert library.why_missing() is None
    assert loaded.compiler.split(" ")[0] in ("g++", "clang")


@pytest.mark.parametrize("variant", library.runnable_variants())
def test_a_variant_can_be_chosen_by_the_environment(variant, monkeypatch):
    """Each variant has the vectors of its name, so the flags have reached the compiler."""
    monkeypatch.setenv("SEQSWEEP_NATIVE", variant)
    found = library.library()
    assert found is not None
    assert found.variant == variant
    found.handle.seqsweep_variant.restype = ctypes.c_char_p
    assert found.handle.seqsweep_variant().decode() == variant
    vectors = {"x86-64-v4": 16, "x86-64-v3": 8, "portable": 4}
    assert found.handle.seqsweep_vector_length() == vectors[variant]


def test_the_library_can_be_switched_off_by_the_environment(monkeypatch):
    monkeypatch.setenv("SEQSWEEP_NATIVE", "off")
    assert library.library() is None
    assert library.is_switched_off()
    assert library.describe() == {}
    assert library.why_missing() == "no native engine: SEQSWEEP_NATIVE=off"


def test_an_unknown_variant_is_refused(monkeypatch):
    monkeypatch.setenv("SEQSWEEP_NATIVE", "x86-64-v33")
    with pytest.raises(ValueError, match=r"must be off, .* or portable; did you mean 'x86-64-v3'"):
        library.library()


@pytest.mark.skipif(len(build.HERE.variants) == 1, reason="the variants are those of x86-64")
def test_a_variant_that_the_cpu_does_not_run_is_refused(lib, monkeypatch):
    monkeypatch.setattr(library, "_runnable", lambda _: ("x86-64-v3", "portable"))
    with pytest.raises(ValueError, match="this CPU runs only x86-64-v3 and portable"):
        load("x86-64-v4", lib)


def test_the_line_on_a_missing_library_names_the_commands_that_build_it(tmp_path, monkeypatch):
    monkeypatch.setattr(library, "find_compiler", lambda: ("c++",))
    line = reason(tmp_path)
    assert line.startswith("no native engine: it is not built; ")
    assert line.endswith(" -m seqsweep.native.build")
    assert "ziglang" not in line
    monkeypatch.setattr(library, "find_compiler", lambda: None)
    monkeypatch.setattr(shutil, "which", lambda _: sys.executable)
    line = reason(tmp_path)
    assert line.endswith(": python -m pip install ziglang && python -m seqsweep.native.build")


def test_a_library_of_other_sources_is_not_loaded(lib, monkeypatch):
    assert isinstance(load(None, lib), library.Library)
    monkeypatch.setattr(library, "source_digest", lambda: "0" * 16)
    assert "it was built from other sources than these; " in reason(lib)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems check the sizes on their own")
@pytest.mark.parametrize("variant", build.HERE.variants)
def test_a_library_without_its_end_is_a_reason_and_is_built_again(lib, variant):
    """Linux would load the file and kill the process by SIGBUS."""
    path = lib / build.HERE.file_name(variant)
    content = path.read_bytes()
    assert build.is_current(path)
    for size in (0, 50, 1000, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        assert not build.is_current(path)
        if variant in ("portable", library.runnable_variants()[0]):
            assert "it cannot be loaded (" in reason(lib)


def test_a_file_that_is_no_library_of_ours_is_a_reason_not_an_error(tmp_path):
    """It may be of another program, older than one of the functions, or damaged."""
    path = tmp_path / build.HERE.file_name("portable")
    other = importlib.util.find_spec("numpy.random.mtrand")
    assert other is not None and other.origin is not None
    # The last one is loaded: changing it in place afterwards would end this process.
    for content in (b"not a library", Path(other.origin).read_bytes()):
        path.write_bytes(content)
        assert "it cannot be loaded (" in reason(tmp_path)
