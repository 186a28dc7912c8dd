"""A record has what planning knows of the data, and runs that cannot train are refused."""

import os

import pytest
import torch
from run_files import SMALL

import seqsweep
from seqsweep.data.info import contents
from seqsweep.training.checks import check_network_size
from seqsweep.training.outcome import STOP_FILE, request_stop_if_configured
from seqsweep.training.planned_run import plan
from seqsweep.training.run_data import data_of, translate_memory_errors
from seqsweep.training.train import check_parts, train, train_pool

DATA = (*SMALL, "trainer.max_epochs=1", "diagnostics=false", "logger=none")


def test_a_record_says_what_each_split_holds_and_planning_reads_the_splits_once(checked, tmp_path):
    members = [plan(checked(*DATA, f"seed={seed}")) for seed in (0, 1)]
    assert members[0].splits is members[1].splits
    expected = contents(data_of(members[0].config["data"]).prepared)
    assert {name: held["sequences"] for name, held in expected.items()} == {
        "train": 24, "val": 8, "test": 8,
    }  # fmt: skip
    train(members[0], tmp_path / "autograd", engine="autograd")
    records = [outcome.record for outcome in train_pool(members, tmp_path, 1)]  # pyright: ignore[reportAttributeAccessIssue]
    records.append(train(members[0], tmp_path / "autograd").record)
    assert [record.splits for record in records] == [expected] * 3


@pytest.mark.parametrize("target", ["file", "nowhere"])
def test_a_request_to_stop_writes_nothing_where_a_link_leads(checked, tmp_path, target):
    member = plan(checked(*DATA, "sweep.on_error=stop"))
    (tmp_path / "sweep").mkdir()
    (tmp_path / "file").write_text("of another")
    os.utime(tmp_path / "file", (0, 0))
    (tmp_path / "sweep" / STOP_FILE).symlink_to(tmp_path / target)
    request_stop_if_configured(member, tmp_path / "sweep")
    assert (tmp_path / "sweep" / STOP_FILE).exists()
    assert (tmp_path / "file").stat().st_mtime == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "sweep"]


def test_a_lack_of_memory_is_one_line():
    with pytest.raises(OSError, match=r"^out of memory: .*8 GiB$"), translate_memory_errors():
        raise RuntimeError("not enough memory: 8 GiB")


def test_a_function_that_makes_a_lightning_module_is_refused_before_anything_is_written(
    checked, tmp_path
):
    """The class is not known before it is built, so our own loop would train it."""
    config = checked(*DATA, f"output_dir={tmp_path}")
    config["model"] = {"_target_": "small_modules.sequence"}
    words = r"^model\._target_=small_modules.sequence: must be a network or the class of a Li"
    with pytest.raises(TypeError, match=words):
        check_parts(plan(config), tmp_path)
    with pytest.raises(TypeError, match=words):
        seqsweep.train(config)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("engine", ["native", "autograd"])
def test_float64_as_torchs_default_is_refused_before_the_folder_is_made(checked, tmp_path, engine):
    config = checked(*DATA, f"output_dir={tmp_path}", f"engine={engine}")
    folder = seqsweep.train(config | {"name": "float32"})["folder"]
    torch.set_default_dtype(torch.float64)
    try:
        words = "torch.float64: must be torch.float32; call torch.set_default_dtype"
        for use in (lambda: seqsweep.train(config), lambda: seqsweep.load_run(folder)):
            with pytest.raises(ValueError, match=words):
                use()
    finally:
        torch.set_default_dtype(torch.float32)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["float32"]
    seqsweep.load_run(folder)


def test_an_automatic_batch_is_a_number_before_the_identity(checked):
    """A run has the same id, whether the number is given or not."""
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
    with pytest.raises(ValueError, match=r"^model\.num_embeddings=4, but the da"):
        plan(checked(*texts, "model.embedding_dim=2", "model.num_embeddings=4"))


def test_a_data_file_that_has_changed_is_read_again_in_the_same_process(checked, tmp_path):
    path = tmp_path / "names.txt"
    prints: list[str | None] = []
    for name in ("name", "name", "other"):
        path.write_text("".join(f"{'de' if i % 2 else 'en'}\t{name} {i}\n" for i in range(40)))
        prints.append(plan(checked("data=text", f"data.source.path={path}")).data_fingerprint)
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize(("cell", "states"), [("gru", 5), ("lru", 10)])
def test_a_batch_whose_states_do_not_fit_in_the_memory_is_refused(checked, cell, states):
    config = checked(
        "data=digits", f"model.cell={cell}", "model.num_layers=2", "model.bidirectional=true",
        "model.hidden_size=1", "data.batch_size=1000",
    )  # fmt: skip
    splits = data_of(config["data"]).prepared
    needed = 1000 * 8 * 2 * 2 * states * 4  # 8 steps, layers, directions, bytes
    check_network_size(config, splits, lambda: needed)
    with pytest.raises(ValueError, match=r"batch_size=1000: the states of 1000 sequences of 8"):
        check_network_size(config, splits, lambda: needed - 1)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ("hidden_size=1000000000", r"model\.hidden_size=1000000000: [0-9,]+ weights with their"),
        ("input_size=5", r"^model\.input_size=5, but the data have 8 features per step; leave"),
        ("num_classes=7", r"^model\.num_classes=7, but the data have 10 classes; leave"),
    ],
)
def test_a_network_of_a_wrong_size_is_refused_before_the_training(checked, size, message):
    with pytest.raises(ValueError, match=message):
        plan(checked("data=digits", f"model.{size}"))
