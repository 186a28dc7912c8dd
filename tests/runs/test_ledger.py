"""A folder of runs is read: its runs, their states, and the keys in which they differ."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_sweeps import finish_run

from seqsweep.runs.ledger import differing_keys, read_folder, read_run, short_names
from seqsweep.runs.run_folder import RunFolder


def test_a_run_that_ends_between_two_looks_is_done(tmp_path, monkeypatch):
    folder = RunFolder(finish_run(tmp_path / "a", {"seed": 0}, {"val/acc": 1.0}))
    looks = itertools.chain([None], itertools.repeat(folder.record()))
    monkeypatch.setattr(folder, "record", lambda: next(looks))
    entry = read_run(folder)
    assert (entry.state, entry.record.metrics) == ("complete", {"val/acc": 1.0})


def test_a_seed_of_the_data_that_repeats_the_seed_is_no_key_of_its_own():
    first, *others = ({"seed": n, "data.seed": m} for n, m in ((1, 1), (2, 2), (2, 3)))
    assert [differing_keys([first, each]) for each in others] == [["seed"], ["seed", "data.seed"]]


def test_a_folder_that_is_not_there_has_the_nearest_one_named(tmp_path):
    RunFolder(tmp_path / "architecture" / "a").start({"seed": 0}, {})
    with pytest.raises(FileNotFoundError, match=r"did you mean 'architecture'\?"):
        read_folder(tmp_path / "architectur")
    with pytest.raises(FileNotFoundError, match=r"no such folder \(in .*\)$"):
        read_folder(tmp_path / "none" / "at all")
    with pytest.raises(ValueError, match=r"there are runs in its folder architecture$"):
        read_folder(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="expected a folder, got a file"):
        read_folder(tmp_path / "file")


@pytest.mark.parametrize(
    ("configs", "expected"),
    [
        ([], []),
        ([{"z": 1, "a": 1}, {"z": 2, "a": 2}], ["z", "a"]),  # the order of the config
        ([{"a": 1}, {"a": 1, "b": 2}], ["b"]),  # lacking in one of them
        ([{"a": True}, {"a": 1}], ["a"]),
        ([{"a": {"x": 1, "y": 2}}, {"a": {"y": 2, "x": 1}}], []),
        ([{"name": "a", "output_dir": "b", "sweep.name": "c", "rerun": True}, {"name": "d"}], []),
    ],
)
def test_differing_keys_leaves_out_keys_without_influence(configs, expected):
    assert differing_keys(configs) == expected


keys = st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(".".join), unique=True)


@given(keys)
def test_short_names_are_distinct_ends_of_their_keys(keys):
    names = short_names(keys)
    assert list(names) == keys
    assert len(set(names.values())) == len(keys)
    assert all(f".{key}".endswith(f".{name}") for key, name in names.items())
    alone = short_names(["model.lr", "optimizer.lr", "data.source.seed"])  # as short as they can be
    assert [*alone.values()] == ["model.lr", "optimizer.lr", "seed"]
