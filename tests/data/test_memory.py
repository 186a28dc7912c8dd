"""Data that cannot fit into memory are refused with the size that they need."""

import os

import pytest

from seqsweep.data import memory


def test_what_fits_passes_and_what_does_not_is_refused():
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    memory.check_memory(1, "my.csv", "its rows")
    with pytest.raises(ValueError, match=r"^my.csv: its rows need [\d,.]+ GB in memory, but this"):
        memory.check_memory(machine + 1, "my.csv", "its rows")


@pytest.mark.parametrize(("limit", "refused"), [("1000\n", True), ("max\n", False), (None, False)])
def test_the_limit_of_a_container_counts(tmp_path, monkeypatch, limit, refused):
    monkeypatch.setattr(memory, "_CONTAINER", tmp_path / "memory.max")
    if limit is not None:
        (tmp_path / "memory.max").write_text(limit)
    if not refused:
        memory.check_memory(1001, "my.csv", "its rows")
        return
    with pytest.raises(ValueError, match="its rows need"):
        memory.check_memory(1001, "my.csv", "its rows")
