"""A longer run begins with the epochs of a shorter run only where these would be its own."""

import json

import pytest
from run_files import epochs_in_log

from seqsweep.runs.identity import SEMANTICS

pytestmark = pytest.mark.slow


def test_more_epochs_continue_a_run_of_the_shorter_sweep(column, tmp_path):
    """The folders of two unnamed sweeps of one grid differ in the hash of the epochs."""
    column("native", root=tmp_path / "digits-seed-0a1b2c").resume()
    column("native", "trainer.max_epochs=6", root=tmp_path / "digits-seed-mine").resume()
    longer = column("native", "trainer.max_epochs=7", root=tmp_path / "digits-seed-3d4e5f")
    longer.resume()
    assert epochs_in_log(longer.folder) == [5, 6]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("damaged", ["last.ckpt", "metrics.csv"])
@pytest.mark.parametrize("engine", ["native", "autograd"])
def test_more_epochs_of_a_damaged_run_start_again(column, engine, damaged):
    shorter = column(engine)
    shorter.resume()
    (path,) = shorter.folder.rglob(damaged)
    path.write_bytes(path.read_bytes()[:-10])
    longer = column(engine, "trainer.max_epochs=6")
    longer.resume()
    assert epochs_in_log(longer.folder) == list(range(6))


def test_a_run_of_another_config_or_version_is_not_continued(column):
    """The first epochs of another version may differ from those of this version."""
    shorter = column("native")
    shorter.resume()
    other = column("native", "optimizer.lr=0.01", "trainer.max_epochs=6")
    other.resume()
    path = shorter.folder / "record.json"
    record = json.loads(path.read_text()) | {"semantics": SEMANTICS - 1}
    path.write_text(json.dumps(record))
    longer = column("native", "trainer.max_epochs=6")
    longer.resume()
    assert epochs_in_log(other.folder) == epochs_in_log(longer.folder) == list(range(6))


@pytest.mark.parametrize(
    ("engine", "overrides"),
    [
        # It has stopped early, its scheduler depends on the epochs, or may: it is a user's.
        ("native", ("callbacks=early_stopping", "callbacks.early_stopping.patience=0")),
        ("native", ("scheduler=cosine",)),
        ("module", ()),
    ],
)
def test_a_run_whose_first_epochs_may_differ_is_not_continued(column, engine, overrides):
    column(engine, *overrides).resume()
    longer = column(engine, *overrides, "trainer.max_epochs=8")
    (outcome,) = longer.resume()
    assert epochs_in_log(longer.folder) == list(range(outcome.record.epochs))
    log = (longer.folder / "train.log").read_text(encoding="utf-8")
    said = "has 5 epochs of this config, but its scheduler depends on" in log
    assert said == ("scheduler=cosine" in overrides)
