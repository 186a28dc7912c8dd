"""What planning knows of the data stands in the record, whichever engine trains the run."""

from typing import Any
from unittest.mock import Mock

import pytest
from run_files import SMALL

from seqsweep.data.info import contents
from seqsweep.training import run_data
from seqsweep.training.planned_run import plan
from seqsweep.training.run_data import data_of, forget_data, translate_memory_errors
from seqsweep.training.train import train, train_pool

DATA = (*SMALL, "trainer.max_epochs=1", "diagnostics=false", "logger=none")


@pytest.mark.parametrize("engine", ["native", "autograd"])
def test_a_record_says_what_each_split_holds(checked, tmp_path, engine):
    member = plan(checked(*DATA, f"engine={engine}"))
    expected = contents(data_of(member.config["data"]).prepared)
    assert {name: held["sequences"] for name, held in expected.items()} == {
        "train": 24, "val": 8, "test": 8,
    }  # fmt: skip
    train(member, tmp_path)
    record: dict[str, Any] = train(member, tmp_path).record
    assert record["splits"] == expected


def test_members_of_a_pool_share_their_splits(checked, tmp_path):
    members = [plan(checked(*DATA, f"seed={seed}")) for seed in (0, 1)]
    assert members[0].splits is members[1].splits  # planning pays for them once
    records = [outcome.record for outcome in train_pool(members, tmp_path, 1)]  # pyright: ignore[reportAttributeAccessIssue]
    assert [record["splits"] for record in records] == [members[0].splits] * 2


@pytest.mark.parametrize("error", [MemoryError("8 GiB"), RuntimeError("not enough memory: 8 GiB")])
def test_a_lack_of_memory_is_one_line(error):
    with pytest.raises(OSError, match=r"^out of memory: .*8 GiB$"), translate_memory_errors():
        raise error


def test_another_split_seed_is_another_test_set(checked):
    one, two, unscaled = (
        plan(checked(*DATA, *more)).splits
        for more in ((), ("data.split_seed=1",), ("data.standardize=false",))
    )
    assert one is not None and two is not None
    assert one["test"] != two["test"] and one == unscaled


def test_an_automatic_batch_is_a_number_before_the_identity(checked):
    """So a run has the same id, whether the number is given or not."""
    few = plan(checked(*DATA[:-3], "data.source.num_sequences=40", "data.batch_size=auto"))
    assert few.config["data"]["batch_size"] == 24 == few.flat["data.batch_size"]
    many = plan(checked("data=digits"))
    assert many.config["data"]["batch_size"] == 32
    given = plan(checked("data=digits", "data.batch_size=32"))
    assert many.run_id == given.run_id and many.config == given.config
    with pytest.raises(ValueError, match=r"data\.batch_size=25: must be between 1 and 24"):
        plan(checked(*DATA, "data.batch_size=25"))


def test_texts_have_a_default_embedding(checked, tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("".join(f"{'de' if i % 2 else 'en'}\tname {i}\n" for i in range(40)))
    texts = ("data=text", f"data.source.path={path}")
    run, given = (plan(checked(*texts, *more)) for more in ((), ("model.embedding_dim=16",)))
    assert run.flat["model.embedding_dim"] == 16 and run.run_id == given.run_id
    assert plan(checked(*texts, "model.embedding_dim=4")).flat["model.embedding_dim"] == 4
    with pytest.raises(ValueError, match="cannot read symbols; give model=rnn"):
        plan(checked(*texts, "model=simple"))


def test_folds_are_other_data_of_one_source(checked, monkeypatch):
    """The run_id of fold 0 is not that of a run without folds; the source is read once for all."""
    forget_data()
    read = Mock(wraps=run_data.build)
    monkeypatch.setattr(run_data, "build", read)
    runs = [plan(checked(*DATA))]
    runs += [plan(checked(*DATA, "data.folds=5", f"data.fold={fold}")) for fold in range(5)]
    assert len({run.run_id for run in runs}) == 6
    assert len({run.data_fingerprint for run in runs}) == 1
    tested = {(run.splits or {})["test"]["fingerprint"] for run in runs}
    assert len(tested) == 6
    assert read.call_count == 1
    assert plan(runs[1].config).splits is runs[1].splits  # all folds stay prepared
