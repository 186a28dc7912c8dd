"""`seqsweep --version` prints the facts of the installation, and what installs what is missing."""

import importlib.metadata
import sys
from collections.abc import Iterator

import pytest

from seqsweep import installation
from seqsweep.installation import installation_lines

METADATA = [
    "numpy>=1", "nobody-has-this>=2", 'nothing[all]>=3; extra == "pandas"',
    'pytest; extra == "test"', "pandas>=2; extra == 'pandas'", 'seqsweep[pandas]; extra == "test"',
]  # fmt: skip


def test_versions_engine_cores_and_gpu_are_named() -> None:
    lines = list(installation_lines())
    version = importlib.metadata.version("torch")
    assert lines[0] == f"seqsweep {importlib.metadata.version('seqsweep')}"
    assert any(line.startswith("native engine: ") for line in lines)
    assert any(line.startswith("packages: ") and f"torch {version}" in line for line in lines)
    assert [line.partition(":")[0] for line in lines[-2:]] == ["cores", "GPU"]


def test_a_missing_library_is_named_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQSWEEP_NATIVE", "off")
    assert "no native engine: SEQSWEEP_NATIVE=off" in list(installation_lines())


def test_missing_packages_are_named_with_what_installs_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(installation, "requires", lambda name: METADATA)
    lines = list(installation_lines())
    numpy, pandas = (importlib.metadata.version(name) for name in ("numpy", "pandas"))
    assert (
        f"packages: numpy {numpy}; without nobody-has-this: pip install --force-reinstall seqsweep"
    ) in lines
    assert (
        f"extra pandas: pandas {pandas}; without nothing: pip install 'seqsweep[pandas]'" in lines
    )
    assert not [line for line in lines if "extra test" in line or "pytest" in line]


def test_the_versions_come_before_what_needs_a_missing_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "seqsweep.sweeping.forming", None)
    lines: Iterator[str] = installation_lines()
    assert [next(lines) for _ in range(4)][3].startswith("packages: ")
    with pytest.raises(ImportError):
        list(lines)
