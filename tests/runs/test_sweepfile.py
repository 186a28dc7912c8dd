"""sweep.json gives back the sweep that was written, whatever its members share."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsweep.runs import files
from seqsweep.runs.identity import SEMANTICS
from seqsweep.runs.sweepfile import NAME, SweepFile, sweep_lock

VALUES = st.one_of(st.none(), st.booleans(), st.integers(0, 2), st.sampled_from([1.0, "1", "a"]))
CONFIGS = st.dictionaries(
    st.sampled_from(["r1", "r2", "r3"]), st.dictionaries(st.sampled_from("abc"), VALUES)
)


@given(CONFIGS, st.one_of(st.none(), st.floats(0, 2e9)))
def test_a_sweep_file_is_read_as_it_was_written(tmp_path_factory, configs, ended):
    folder = tmp_path_factory.mktemp("sweep")
    command, done = ["seqsweep", "train", "-m", "a=1"], frozenset("x")
    written = SweepFile(command, 5.0, configs, done, ended, costs=dict.fromkeys(configs, 0.5))
    written.write(folder)
    read = SweepFile.read(folder)
    assert read == written
    assert read is not None
    for name, config in configs.items():  # 1 == True: the texts tell them apart
        assert json.dumps(read.configs[name], sort_keys=True) == json.dumps(config, sort_keys=True)
    assert list(read.configs) == list(configs)


def test_values_that_all_members_share_stand_once(tmp_path):
    configs = {f"r{n}": {"model.hidden_size": n, "name": "shared-name"} for n in range(50)}
    SweepFile(["seqsweep"], 0.0, configs).write(tmp_path)
    assert (tmp_path / NAME).read_text().count("shared-name") == 1


def test_a_folder_s_sweep_ends_with_the_last_of_those_that_train_in_it(tmp_path):
    with sweep_lock(tmp_path):
        SweepFile(["seqsweep"], 1.0, {"r": {"seed": 0}}).write(tmp_path)
        second = SweepFile(["seqsweep", "again"], 2.0, {"r": {"seed": 0}})
        second.write(tmp_path)
        second.end(tmp_path, 3.0)
        read = SweepFile.read(tmp_path)
        assert read is not None and (read.started, read.ended) == (2.0, None)
    SweepFile(["seqsweep"], 1.0, {"r": {"seed": 0}}).end(tmp_path, 4.0)
    read = SweepFile.read(tmp_path)
    assert read is not None and (read.started, read.ended) == (2.0, 4.0)


def test_planned_runs_of_several_commands_accumulate(tmp_path):
    """A command leaves what it asked for; those who watch see the runs of the last one."""
    first = SweepFile(["one"], 1.0, {"a": {"seed": 0}, "b": {"seed": 1}}, frozenset("a"), 2.0)
    second = SweepFile(["two"], 3.0, {"b": {"seed": 1}, "c": {"lr": 0.1}}).after(first)
    second.write(tmp_path)
    read = SweepFile.read(tmp_path)
    assert read is not None and read == second
    assert list(read.configs) == ["a", "b", "c"]
    assert (read.command, read.earlier, read.done_before) == (["two"], {"a"}, set())
    assert read.current().configs == {"b": {"seed": 1}, "c": {"lr": 0.1}}
    beside = SweepFile(["three"], 4.0, {"a": {"seed": 0}}).joined(second)
    assert (beside.earlier, list(beside.current().configs)) == (set(), ["a", "b", "c"])
    again = SweepFile(["four"], 5.0, {"c": {"lr": 0.1}}).after(beside)
    assert again.earlier == {"a", "b"}


def test_a_damaged_sweep_file_counts_as_missing_and_is_named(tmp_path, capsys):
    assert SweepFile.read(tmp_path) is None
    SweepFile(["seqsweep"], 1.0, {"r": {"seed": 0}}).write(tmp_path)
    whole = json.loads((tmp_path / NAME).read_text())
    wrong = {"command": [5], "started": "now", "ended": "now", "members": {"r": 5}}
    texts = [json.dumps(whole | {key: value}) for key, value in wrong.items()]
    for text in (
        "",
        "[]",
        json.dumps({"semantics": SEMANTICS, "command": []}),
        "[" * 200_000,
        *texts,
    ):
        (tmp_path / NAME).write_text(text)
        files._said.clear()
        assert SweepFile.read(tmp_path) is None
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"seqsweep: {tmp_path / NAME}: ")


def test_a_sweep_file_of_another_version_counts_as_missing(tmp_path):
    SweepFile(["seqsweep"], 1.0, {"r": {"seed": 0}}).write(tmp_path)
    whole = json.loads((tmp_path / NAME).read_text())
    (tmp_path / NAME).write_text(json.dumps(whole | {"semantics": SEMANTICS - 1}))
    assert SweepFile.read(tmp_path) is None


LIMITS = {"thresholds": {"3": 0.5}, "until": 9, "ends_at": None}


def test_limits_and_an_open_search_survive_the_file(tmp_path):
    sweep = SweepFile(["a"], 1.0, {"x": {}, "y": {}}, limits={"x": LIMITS}, open=True)
    sweep.write(tmp_path)
    read = SweepFile.read(tmp_path)
    assert read is not None and read.open and read.limits == {"x": LIMITS}
    read.end(tmp_path, 2.0)
    ended = SweepFile.read(tmp_path)
    assert ended is not None and not ended.open and ended.limits == {"x": LIMITS}


def test_a_plain_sweep_takes_the_limits_of_its_runs_away():
    search = SweepFile(["a"], 1.0, {"x": {}, "y": {}}, limits={"x": LIMITS, "y": LIMITS}, open=True)
    plain = SweepFile(["b"], 2.0, {"y": {}})
    assert plain.after(search).limits == {"x": LIMITS} and not plain.after(search).open
    assert plain.joined(search).limits == {"x": LIMITS} and plain.joined(search).open


@pytest.mark.parametrize("limits", [{"x": 3}, {"x": {}}, {"x": {"thresholds": {"a": 1}}}, 5])
def test_wrong_limits_make_a_sweep_file_count_as_missing(tmp_path, limits):
    SweepFile(["a"], 1.0, {"x": {}}, limits={"x": LIMITS}).write(tmp_path)
    path = tmp_path / "sweep.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"limits": limits}))
    assert SweepFile.read(tmp_path) is None
