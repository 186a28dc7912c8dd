"""The library is loaded in the fastest variant, or one line says why it is missing."""

import ctypes
import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

from seqsweep.native import build, library

# A copy of the library is loaded each time, where the process has loaded its own library once.
load = library.load.__wrapped__


@pytest.fixture
def lib(tmp_path):
    """A copy of the built library."""
    return shutil.copytree(build.LIB, tmp_path / "lib")


def reason(folder) -> str:
    """Returns the line on why nothing is loaded from a folder."""
    line = load(None, folder)
    assert isinstance(line, str)
    return line


def test_the_fastest_variant_is_loaded_and_described(monkeypatch):
    monkeypatch.delenv("SEQSWEEP_NATIVE", raising=False)
    loaded = library.library()
    assert loaded is not None and library.why_missing() is None
    assert loaded.variant == library.runnable_variants()[0]
    assert library.describe() == {"variant": loaded.variant, "compiler": loaded.compiler}


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


def test_the_library_can_be_switched_off_and_an_unknown_variant_is_refused(lib, monkeypatch):
    monkeypatch.setenv("SEQSWEEP_NATIVE", "off")
    assert library.library() is None
    assert library.is_switched_off()
    assert library.describe() == {}
    assert library.why_missing() == "no native engine: SEQSWEEP_NATIVE=off"
    monkeypatch.setenv("SEQSWEEP_NATIVE", "x86-64-v33")
    with pytest.raises(ValueError, match=r"must be off, .* or portable; did you mean 'x86-64-v3'"):
        library.library()
    with pytest.raises(ValueError, match=r"=x86-64-v5: this CPU runs only .*portable"):
        load("x86-64-v5", lib)


def test_the_line_on_a_missing_library_names_the_commands_that_build_it(
    no_compiler, tmp_path, monkeypatch
):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    line = reason(tmp_path)
    assert line.startswith("no native engine: it is not built; ")
    assert line.endswith(": python -m pip install ziglang && python -m seqsweep.native.build")
    no_compiler.mkdir()
    (no_compiler / "__main__.py").write_text("")
    assert reason(tmp_path).endswith(" to build it: python -m seqsweep.native.build")


def test_a_library_of_other_sources_is_not_loaded(lib):
    variant = library.runnable_variants()[0]
    path = lib / build.HERE.file_name(variant)
    content = path.read_bytes().replace(build.source_digest().encode(), b"0" * 16)
    path.unlink()  # a new file, because the old one may be loaded
    path.write_bytes(content)
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


def test_a_file_that_is_not_our_library_is_a_reason_and_not_an_error(tmp_path):
    """The file may belong to another program, lack a function, or be damaged."""
    path = tmp_path / build.HERE.file_name("portable")
    other = importlib.util.find_spec("numpy.random.mtrand")
    assert other is not None and other.origin is not None
    # The last one is loaded: changing it in place afterwards would end this process.
    for content in (b"not a library", Path(other.origin).read_bytes()):
        path.write_bytes(content)
        assert "it cannot be loaded (" in reason(tmp_path)
